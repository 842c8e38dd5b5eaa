// Packs the package as npm would, looks at what is inside, installs it in an empty folder and uses it from there:
// ES module, CommonJS and TypeScript of both kinds (test/package/), and a build of the addon from the packed sources.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prebuildName } from './lib/prebuild.mjs';
import { fail, finish, must, root, tool } from './lib/run.mjs';
import { setup } from './setup.mjs';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const work = mkdtempSync(join(tmpdir(), 'mmcb-package-'));
const app = join(work, 'app');
const installedPackage = join(app, 'node_modules', manifest.name);
const counts = { passed: 0, failed: 0, skipped: 0 };
let tarball;
let packed;

async function test(name, fn) {
  try {
    await fn();
    counts.passed++;
    console.log(`  ok      ${name}`);
  } catch (error) {
    counts.failed++;
    console.log(`  FAILED  ${name}: ${error.message}\n${error.output ?? ''}`);
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

try {
  await setup();
  await test('npm pack', pack);
  if (tarball) await inspect();
} catch (error) {
  fail(error);
  counts.failed++;
} finally {
  rmSync(work, { recursive: true, force: true });
}
finish('package', counts);

/** Packs a copy, so that the prebuilt addon never lies in the working tree, where it would hide later builds. */
async function pack() {
  const copy = join(work, 'package');
  for (const name of ['package.json', 'LICENSE', 'README.md', ...manifest.files]) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  cpSync(join(root, 'build/Release/mmcb.node'), join(copy, prebuildName()));
  const output = await must('npm pack', npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', work], {
    cwd: copy,
  });
  const [result] = JSON.parse(output.slice(output.indexOf('[')));
  packed = result.files.map((file) => file.path);
  tarball = join(work, result.filename);
  console.log(`          ${packed.length} files, ${(result.size / 1024).toFixed(0)} KiB packed`);
}

async function inspect() {
  await test('it holds what it should', () => {
    const wanted = [
      'LICENSE',
      'README.md',
      'CMakeLists.txt',
      'native/sources.txt',
      'dist/cjs/package.json',
      prebuildName(),
    ];
    for (const entry of exportedFiles()) wanted.push(entry);
    const missing = wanted.filter((file) => !packed.includes(file));
    expect(missing.length === 0, `missing: ${missing.join(', ')}`);
  });
  await test('it holds nothing else', () => {
    const allowed =
      /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|CMakeLists\.txt|native\/|prebuilds\/|dist\/(esm|cjs)\/)/;
    const strange = packed.filter(
      (file) => !allowed.test(file) || /\.test\.|_test\.cc$|binding\.gyp|\.stamp$/.test(file),
    );
    expect(strange.length === 0, `unexpected: ${strange.join(', ')}`);
  });
  await test('publint', () =>
    must('publint', process.execPath, [tool('publint/src/cli.js'), 'run', tarball, '--strict']));
  await test('attw', () =>
    must('attw', process.execPath, [tool('@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'node16']));
  await test('npm install in an empty folder', install);
  if (!existsSync(installedPackage)) return;

  await test('import (ES module)', () => must('node', process.execPath, ['program.mjs'], { cwd: app }));
  await test('require (CommonJS)', () => must('node', process.execPath, ['program.cjs'], { cwd: app }));
  await test('TypeScript, both kinds', typecheck);
  await test('TypeScript, compiled and run', async () => {
    for (const file of ['out/program.mjs', 'out/program.cjs'])
      await must('node', process.execPath, [file], { cwd: app });
  });
  await test('build from the packed sources', buildFromSource);
}

function exportedFiles() {
  const files = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(files));
  return files(manifest.exports).map((file) => file.replace('./', ''));
}

async function install() {
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true }\n');
  const args = ['install', tarball, '--no-audit', '--no-fund'];
  // From npm's cache where it can be, which the development install has filled.
  const offline = await must('npm install', npm, [...args, '--offline'], { cwd: app }).catch((error) => error);
  if (offline instanceof Error) await must('npm install', npm, [...args, '--prefer-offline'], { cwd: app });
  expect(!existsSync(join(installedPackage, 'build')), 'the install compiled something');
  cpSync(join(root, 'test/package'), app, { recursive: true });
}

/** With @types/node from here, as an application has it, and with no `skipLibCheck`. */
async function typecheck() {
  const types = join(app, 'node_modules', '@types');
  cpSync(tool('@types/node'), join(types, 'node'), { recursive: true });
  cpSync(tool('undici-types'), join(app, 'node_modules', 'undici-types'), { recursive: true });
  const options = ['--module', 'nodenext', '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--strict'];
  options.push('--exactOptionalPropertyTypes', '--outDir', 'out', '--types', 'node');
  await must('tsc', process.execPath, [tool('typescript/bin/tsc'), ...options, 'program.mts', 'program.cts'], {
    cwd: app,
  });
}

/** `npx -p cmake-js -p node-addon-api cmake-js build`, with the tools taken from here instead of the registry. */
async function buildFromSource() {
  renameSync(join(installedPackage, 'prebuilds'), join(work, 'prebuilds'));
  await must(
    'cmake-js',
    process.execPath,
    [tool('cmake-js/bin/cmake-js'), 'build', '-d', installedPackage, '--parallel', '2'],
    {
      cwd: installedPackage,
    },
  );
  expect(readdirSync(join(installedPackage, 'build/Release')).includes('mmcb.node'), 'no build/Release/mmcb.node');
  await must('node', process.execPath, ['program.mjs'], { cwd: app });
}
