/** The engines that can be measured here. One that cannot be installed or loaded is said to be missing, loudly. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, StepFailed, step } from '../scripts/lib/run.mjs';
import { installPackages } from '../scripts/setup.mjs';
import { loadEngine } from './engines/index.mjs';

/** Returns { available: names, missing: [{ engine, reason }] }. */
export async function findEngines(names) {
  // Outside package.json of the project: nobody but this benchmark needs them, and one takes a minute to compile.
  await step('bench/ peers', () => installPackages('bench')).catch((error) => {
    if (!(error instanceof StepFailed)) throw error;
    console.error(`${error.output.trimEnd()}\n${error.message}`);
  });
  const available = [];
  const missing = [];
  for (const engine of names) {
    try {
      await loadEngine(engine);
      available.push(engine);
    } catch (error) {
      const reason = String(error.message).split('\n')[0];
      missing.push({ engine, reason });
      console.error(`\n!! ${engine} cannot be measured, its column is LEFT OUT: ${reason}\n`);
    }
  }
  return { available, missing };
}

/** The installed versions of what the engines need from npm. */
export async function versionsOf(engines) {
  const versions = {};
  for (const engine of engines) {
    const { packages } = await loadEngine(engine);
    for (const name of packages) versions[name] = installedVersion(name);
  }
  return versions;
}

function installedVersion(name) {
  for (const folder of ['bench', '.']) {
    try {
      return JSON.parse(readFileSync(join(root, folder, 'node_modules', name, 'package.json'), 'utf8')).version;
    } catch {
      // in the other folder
    }
  }
  return undefined;
}
