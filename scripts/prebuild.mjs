// npm run prebuilds: the addon for this platform, as the package is to carry it: optimised, stripped, checked, tried. (Not "prebuild":
// npm would run that before each "build".)
//   node scripts/prebuild.mjs [--max-glibc 2.28] [--output folder]
// It goes to build/prebuilds/<target>/mmcb.node (or below another folder), not to prebuilds/, where it would be loaded instead of
// later builds. For other platforms it runs on those: .github/workflows/prebuilds.yml. --max-glibc fails the build where the addon
// would need a newer C library; releases are built where that is 2.28, the oldest that Node 20 itself runs with.
import { cpSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { addonProblems, readAddon } from './lib/elf.mjs';
import { prebuildName } from './lib/prebuild.mjs';
import { fail, must, root, works } from './lib/run.mjs';
import { setup } from './setup.mjs';

const { values } = parseArgs({
  options: {
    'max-glibc': { type: 'string', default: '' },
    output: { type: 'string', default: join(root, 'build/prebuilds') },
  },
});

await main().catch(fail);

async function main() {
  if (process.platform === 'win32') throw new Error('mmcb does not run on Windows yet: there is nothing to build');
  await setup(['deps', 'native']);
  const target = resolve(values.output, prebuildName().replace(/^prebuilds\//, ''));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(root, 'build/Release/mmcb.node'), target);
  await strip(target);
  const needs = await check(target);
  await must('loading it', process.execPath, ['-e', 'require(process.argv[1]).formatVersion', target]);
  console.log(`  ${target}: ${(statSync(target).size / 1024).toFixed(0)} KiB${needs}`);
}

/** Symbols that only a debugger wants. */
async function strip(path) {
  const args = process.platform === 'darwin' ? ['-x', path] : ['--strip-unneeded', path];
  if (await works('strip', ['--version'])) await must('strip', 'strip', args);
}

async function check(path) {
  if (process.platform !== 'linux') return '';
  const addon = await readAddon(path);
  const problems = addonProblems(addon, values['max-glibc']);
  if (problems.length > 0) throw new Error(`${path} is not fit for the package:\n  ${problems.join('\n  ')}`);
  return addon.glibc === '' ? ', musl' : `, needs glibc ${addon.glibc}`;
}
