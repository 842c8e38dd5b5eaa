// Packs the package as npm would, looks at what is inside, installs it in an empty folder and uses it from there:
// ES module, CommonJS and TypeScript of both kinds (test/package/), and a build of the addon from the packed sources.
//   node scripts/package-test.mjs [--release]
// --release: with the addons that "npm run prebuilds" has made, for all machines; else with that of this machine's own compiler.
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
import { addonProblems, readAddon } from './lib/addon.mjs';
import { hostTarget, prebuildName, releasedTargets, stagePrebuilds, targets } from './lib/prebuild.mjs';
import { fail, finish, must, root, tool } from './lib/run.mjs';
import { setup } from './setup.mjs';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const work = mkdtempSync(join(tmpdir(), 'mmcb-package-'));
const app = join(work, 'app');
const installedPackage = join(app, 'node_modules', manifest.name);
const counts = { passed: 0, failed: 0, skipped: 0 };
/** Which machines the package has an addon for. */
const isRelease = process.argv.includes('--release');
const packedTargets = isRelease ? releasedTargets() : [hostTarget()];
/** What a package of one platform may weigh, packed and installed, and what each other addon may add to it. */
const MAX_PACKED = 1.5 * 2 ** 20 + (packedTargets.length - 1) * 0.4 * 2 ** 20;
const MAX_UNPACKED = 8 * 2 ** 20 + (packedTargets.length - 1) * 2 ** 20;
let tarball;
let packed;
let sizes;

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
  if (isRelease) stagePrebuilds(copy);
  else cpSync(join(root, 'build/Release/mmcb.node'), join(copy, prebuildName()));
  const output = await must('npm pack', npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', work], {
    cwd: copy,
  });
  const [result] = JSON.parse(output.slice(output.indexOf('[')));
  packed = result.files.map((file) => file.path);
  sizes = { packed: result.size, unpacked: result.unpackedSize };
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
      ...packedTargets.map(prebuildName),
    ];
    for (const entry of exportedFiles()) wanted.push(entry);
    const missing = wanted.filter((file) => !packed.includes(file));
    expect(missing.length === 0, `missing: ${missing.join(', ')}`);
  });
  await test('it holds nothing else', () => {
    const allowed =
      /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|CMakeLists\.txt|native\/|prebuilds\/|dist\/(esm|cjs)\/)/;
    const twice = packed.filter((file) => /^dist\/cjs\/(cli|inspect)\//.test(file));
    expect(twice.length === 0, `needed once, as ES modules: ${twice.join(', ')}`);
    const strange = packed.filter(
      (file) => !allowed.test(file) || /\.test\.|_test\.cc$|binding\.gyp|\.stamp$/.test(file),
    );
    expect(strange.length === 0, `unexpected: ${strange.join(', ')}`);
  });
  await test('it is no larger than it has to be', () => {
    const { packed: small, unpacked: large } = sizes;
    expect(small <= MAX_PACKED && large <= MAX_UNPACKED, `${small} bytes packed, ${large} installed`);
  });
  if (process.platform === 'linux') await test('its addons need nothing but the C library', checkAddons);
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
  await test('npx mmcb, on a file of the application', useCommandLine);
  await test('importing it loads nothing of the command line', importsLittle);
  await test('a missing addon says where it was looked for', missingAddon);
  await test('build from the packed sources', buildFromSource);
}

/** Those of a release need what their targets say; what was built with this machine's compiler may need its C library. */
async function checkAddons() {
  for (const target of packedTargets) {
    const wanted = isRelease ? targets[target] : {};
    const addon = await readAddon(join(work, 'package', prebuildName(target)), wanted.system);
    const problems = addonProblems(addon, wanted);
    expect(problems.length === 0, `${target}: ${problems.join('; ')}`);
  }
}

/** As a newcomer does: a program stores something, the command line looks at it. */
async function useCommandLine() {
  const program = `import { StringMap } from 'mmcb';
    const map = await StringMap.open('cities.mmcb'); map.set('AMS', { name: 'Amsterdam' }); await map.close();`;
  await must('node', process.execPath, ['--input-type=module', '-e', program], { cwd: app });
  const mmcb = (...args) => must(`mmcb ${args[0]}`, join(app, 'node_modules/.bin/mmcb'), args, { cwd: app });
  expect((await mmcb('get', 'cities.mmcb', 'AMS')).trim() === '{"name":"Amsterdam"}', 'get does not find it');
  expect((await mmcb('verify', 'cities.mmcb')).includes(': ok'), 'verify does not say ok');
  await mmcb('inspect', 'cities.mmcb', '--svg', 'cities.svg');
  expect(readFileSync(join(app, 'cities.svg'), 'utf8').startsWith('<svg'), 'no picture');
  expect(existsSync(join(installedPackage, 'dist/esm/inspect/page/main.js')), 'the page of inspect is missing');
}

async function importsLittle() {
  const program = `require('mmcb'); const loaded = Object.keys(require.cache);
    console.log(loaded.filter((file) => /commander|cli-progress|opentelemetry|[\\\\/](cli|inspect)[\\\\/]/.test(file)).join());`;
  const loaded = await must('node', process.execPath, ['-e', program], { cwd: app });
  expect(loaded.trim() === '', loaded);
}

async function missingAddon() {
  const program = `require('mmcb').CompactableBuffer.open(':memory:').catch((error) => console.log(error.code, error.message));`;
  renameSync(join(installedPackage, 'prebuilds'), join(work, 'hidden'));
  try {
    const said = await must('node', process.execPath, ['-e', program], { cwd: app });
    for (const word of [
      'MMCB_NATIVE',
      prebuildName(),
      'build/Release/mmcb.node',
      'not there',
      'npm run build:native',
    ]) {
      expect(said.includes(word), `it does not say ${word}: ${said}`);
    }
  } finally {
    renameSync(join(work, 'hidden'), join(installedPackage, 'prebuilds'));
  }
}

function exportedFiles() {
  const files = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(files));
  const all = [...files(manifest.exports), ...Object.values(manifest.bin)];
  return all.map((file) => file.replace('./', ''));
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
