// Makes a fresh clone ready to run, and does nothing on one that is: dependencies, the native addon, TypeScript.
//   node scripts/setup.mjs [deps] [native] [ts] [--force]     no name: all three
// It imports nothing from node_modules, because it is what fills it.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fingerprint, isFresh, stampOutput } from './lib/fingerprint.mjs';
import { prebuildName } from './lib/prebuild.mjs';
import { fail, must, root, step, tool } from './lib/run.mjs';

const addon = 'build/Release/mmcb.node';
const addonStamp = 'build/Release/mmcb.node.stamp';
const entry = 'dist/esm/index.js';
const entryStamp = 'dist/.stamp';

const steps = {
  deps: ['dependencies', installDependencies],
  native: ['native addon', buildNative],
  ts: ['TypeScript', buildTypeScript],
};

export async function setup(names = Object.keys(steps), { force = false } = {}) {
  for (const name of names) await step(steps[name][0], () => steps[name][1](force));
}

function installDependencies() {
  return installPackages('.');
}

/** Installs what the lock file in a folder names, unless that is there. */
export async function installPackages(folder) {
  const wanted = lockedPackages(join(folder, 'package-lock.json'));
  if (wanted && installed(folder, wanted)) return 'up to date';
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = [wanted ? 'ci' : 'install', '--include=dev', '--no-audit', '--no-fund'];
  await must('npm', npm, args, { cwd: join(root, folder) });
  return 'installed';
}

function lockedPackages(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** True when node_modules holds what the lock file names; optional packages for other platforms may be absent. */
function installed(folder, wanted) {
  const present = lockedPackages(join(folder, 'node_modules', '.package-lock.json'));
  return (
    present !== undefined &&
    Object.entries(wanted).every(([path, { version, optional }]) => {
      if (path === '') return true;
      return path in present ? present[path].version === version : optional === true;
    })
  );
}

async function buildNative(force) {
  const inputs = ['native', 'CMakeLists.txt', 'node_modules/node-addon-api/package.json'];
  const print = fingerprint(inputs, `${process.platform}-${process.arch}`);
  if (!force && isFresh(addon, addonStamp, print)) return 'up to date';
  const cmakeJs = tool('cmake-js/bin/cmake-js');
  // Configured each time: it costs a second, and a build folder left by another tool is put right.
  await must('cmake-js', process.execPath, [cmakeJs, 'configure', '-l', 'warn', '--CDMMCB_BUILD_ADDON=ON']);
  await must('cmake-js', process.execPath, [cmakeJs, 'build', '-l', 'warn', '--parallel', '2', '--target', 'mmcb']);
  rmSync(join(root, prebuildName()), { force: true }); // it would be loaded instead of what was just built
  stampOutput(addonStamp, print);
  return 'built';
}

async function buildTypeScript(force) {
  const inputs = [
    'src',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/build-ts.mjs',
    'node_modules/typescript/package.json',
  ];
  const print = fingerprint(inputs);
  if (!force && isFresh(entry, entryStamp, print)) return 'up to date';
  await must('TypeScript build', process.execPath, ['scripts/build-ts.mjs']);
  stampOutput(entryStamp, print);
  return 'built';
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const names = process.argv.slice(2).filter((arg) => arg !== '--force');
  const unknown = names.filter((name) => !(name in steps));
  if (unknown.length) fail(`setup: unknown step ${unknown.join(', ')}; there are ${Object.keys(steps).join(', ')}`);
  else {
    // A forced build still needs its dependencies.
    const wanted = names.length && !names.includes('deps') ? ['deps', ...names] : names;
    await setup(wanted.length ? wanted : undefined, { force: process.argv.includes('--force') }).catch(fail);
  }
}
