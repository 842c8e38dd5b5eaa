// npm run prebuilds: the addons of a release, for every machine of lib/prebuild.mjs, built here with Zig: optimised, stripped,
// checked, and loaded where that is this machine. They go to build/prebuilds/<target>/mmcb.node; npm pack takes them from there.
// (Not "prebuild": npm would run that before each "build".)
//   node scripts/prebuild.mjs [--target linux-x64]... [--force]
import { cpSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { addonProblems, readAddon } from './lib/addon.mjs';
import { isFresh, stampOutput } from './lib/fingerprint.mjs';
import { hostTarget, releaseName, releasePrint, releaseStamp, targets } from './lib/prebuild.mjs';
import { fail, must, root, step } from './lib/run.mjs';
import { buildAddonFor, installZig } from './lib/zig.mjs';
import { setup } from './setup.mjs';

const names = Object.keys(targets);
const { values } = parseArgs({
  options: { target: { type: 'string', multiple: true, default: names }, force: { type: 'boolean', default: false } },
});

await main().catch(fail);

async function main() {
  const unknown = values.target.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`unknown target ${unknown.join(', ')}; there are ${names.join(', ')}`);
  await setup(['deps']);
  await step('Zig', installZig);
  for (const target of values.target) await step(target, () => prebuild(target));
}

async function prebuild(target) {
  const print = releasePrint(target);
  if (!values.force && isFresh(releaseName(target), releaseStamp(target), print)) return 'up to date';
  const path = join(root, releaseName(target));
  mkdirSync(dirname(path), { recursive: true });
  cpSync(await buildAddonFor(target), path);
  const needs = await check(path, target);
  stampOutput(releaseStamp(target), print);
  return `${(statSync(path).size / 1024).toFixed(0)} KiB, needs ${needs}`;
}

/** Fails for an addon that is not fit for the package; else says what it needs. */
async function check(path, target) {
  const addon = await readAddon(path, targets[target].system);
  const problems = addonProblems(addon, targets[target]);
  if (problems.length > 0) throw new Error(`${path} is not fit for the package:\n  ${problems.join('\n  ')}`);
  const needs = `${addon.system} ${addon.version}`.trimEnd();
  if (target !== hostTarget()) return needs;
  await must('loading it', process.execPath, ['-e', 'require(process.argv[1]).formatVersion', path]);
  return `${needs}, loads here`;
}
