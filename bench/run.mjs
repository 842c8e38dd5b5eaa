/** npm run bench: see options.mjs for what it can be asked, or npm run bench -- --help. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../scripts/lib/run.mjs';
import { loadEngine } from './engines/index.mjs';
import { aboutMachine, currentCommit, currentLoad } from './machine.mjs';
import { help, readArguments } from './options.mjs';
import { findEngines, versionsOf } from './peers.mjs';
import { planTrials } from './plan.mjs';
import { showProgress } from './progress.mjs';
import { printTables } from './report/terminal.mjs';
import { FORMAT, isWhole, writeResults } from './results.mjs';

const TIME_LIMIT = 30 * 60_000; // ms: a trial that takes longer is stuck
const WARM_UP = 10_000; // entries
const LARGE = 2_000_000; // entries

const { help: wantsHelp, report, folder: wantedFolder, settings } = readArguments(process.argv.slice(2));
if (wantsHelp) console.log(help);
else await main();

async function main() {
  const base = resolve(wantedFolder ?? join(root, 'build', 'bench'));
  mkdirSync(base, { recursive: true });
  const { available, missing } = await findEngines(settings.engines);
  const modules = Object.fromEntries(await Promise.all(available.map(async (name) => [name, await loadEngine(name)])));
  const plan = planTrials({ ...settings, engines: available }, (name) => modules[name].groups);

  const machine = aboutMachine(base);
  if (machine.fileSystem === 'tmpfs') console.error('!! the folder is on a tmpfs: syncing costs nothing there');
  const results = {
    format: FORMAT,
    date: new Date().toISOString(),
    commit: currentCommit(),
    machine,
    versions: { mmcb: 'this commit', ...(await versionsOf(available)) },
    settings,
    load: { before: currentLoad() },
    missing,
    failures: [],
    trials: [],
  };
  const folder = mkdtempSync(join(base, 'run-'));
  try {
    await runTrials(plan, folder, results);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  results.load.after = currentLoad();
  // Complete: every engine was there, and nothing failed. Whether it was the whole plan, the settings say.
  results.complete = missing.length === 0 && results.failures.length === 0;
  await printTables(results);
  const file = writeResults(results);
  console.log(`\nwritten to ${relative(root, file)}`);
  if (results.failures.length > 0) process.exitCode = 1;
  else if (report && !(results.complete && isWhole(results)))
    console.log('no report: only complete runs with the default settings, or --full, are reported');
  else if (report) await import('./report.mjs').then(({ writeReport }) => writeReport(results));
}

async function runTrials(plan, folder, results) {
  const progress = showProgress(plan.length, settings.rounds);
  for (const [index, trial] of plan.entries()) {
    progress.begin(trial);
    try {
      const { operations, seconds, seed } = settings;
      const measured = await inOwnProcess({ ...trial, operations, seconds, seed, warmUp: WARM_UP, folder });
      results.trials.push({ ...trial, ...measured });
    } catch (error) {
      const reason = String(error.stderr ?? error.message).trim();
      results.failures.push({ ...trial, reason });
      progress.say(`!! FAILED: ${JSON.stringify(trial)}\n${reason}`);
    }
    progress.end(trial, plan[index + 1]);
  }
  progress.stop();
}

async function inOwnProcess(task) {
  // A Map of 10 million Buffers needs it; where it is not needed, the heap is what it is for everybody.
  const heap = task.entries > LARGE ? ['--max-old-space-size=12288'] : [];
  const args = ['--expose-gc', ...heap, join(root, 'bench', 'trial.mjs'), JSON.stringify(task)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24, timeout: TIME_LIMIT });
  return JSON.parse(stdout);
}
