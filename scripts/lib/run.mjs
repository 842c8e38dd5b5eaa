// Child processes and the log lines of the scripts. No dependency: setup runs before node_modules exists.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json; every command runs here unless told otherwise. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** True where a missing tool is a failure instead of a warning. */
export const isCI = /^(1|true)$/i.test(process.env.CI ?? '');

/** A path to something in node_modules, e.g. `tool('vitest/vitest.mjs')`. */
export const tool = (path) => join(root, 'node_modules', path);

export class StepFailed extends Error {
  constructor(what, code, output) {
    super(`${what} failed (${code})`);
    this.output = output;
  }
}

/**
 * Runs a command without a shell; resolves to its exit code and what it printed.
 * `quiet` keeps the output off the terminal; otherwise it is passed on as it comes.
 */
export function run(command, args = [], { cwd = root, env, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks = [];
    const take = (stream) => (chunk) => {
      chunks.push(chunk);
      if (!quiet) stream.write(chunk);
    };
    child.stdout.on('data', take(process.stdout));
    child.stderr.on('data', take(process.stderr));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output: Buffer.concat(chunks).toString() }));
  });
}

/** Like `run`, quietly; throws StepFailed with the output when the command fails. */
export async function must(what, command, args, options) {
  const { code, output } = await run(command, args, { quiet: true, ...options }).catch((error) => ({
    code: error.code,
    output: error.message,
  }));
  if (code !== 0) throw new StepFailed(what, code, output);
  return output;
}

/** Configures a build folder with CMake and builds targets in it. */
export async function cmake(folder, options, targets) {
  await must('cmake', 'cmake', ['-S', '.', '-B', folder, ...options]);
  await must('native build', 'cmake', ['--build', folder, '--parallel', '2', '--target', ...targets]);
}

/** True when the command exists and exits with 0. */
export async function works(command, args = ['--version'], options = {}) {
  const result = await run(command, args, { quiet: true, ...options }).catch(() => ({ code: -1 }));
  return result.code === 0;
}

/** A command without address randomisation, where that can be: ThreadSanitizer's fixed memory map does not always agree with it. */
export const withoutRandomisation = async (command) =>
  (await works('setarch', ['-R', 'true'])) ? ['setarch', '-R', ...command] : command;

/** Runs one named step and prints `name  result (seconds)`. */
export async function step(name, fn) {
  const started = Date.now();
  const result = await fn();
  console.log(`  ${name.padEnd(14)} ${result} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
}

/** Ends a script: prints the log of the command that failed, then the error, and sets the exit code. */
export function fail(error) {
  if (error instanceof StepFailed) console.error(`${error.output.trimEnd()}\n${error.message}`);
  else console.error(error);
  process.exitCode = 1;
}

// Counts of a test step, in a file so that the script which started it can add them up.

const reportPath = (name) => join(root, 'build', 'reports', `${name}.json`);

export function writeReport(name, { passed, failed, skipped = 0 }) {
  mkdirSync(dirname(reportPath(name)), { recursive: true });
  writeFileSync(reportPath(name), JSON.stringify({ passed, failed, skipped }));
}

export function readReport(name) {
  try {
    return JSON.parse(readFileSync(reportPath(name), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Ends a script that tests: leaves its counts for the script that started it, prints them, and sets the exit code. */
export function finish(name, counts) {
  writeReport(name, counts);
  console.log(`${name}: ${countsLine(counts)}`);
  if (counts.failed || counts.passed === 0) process.exitCode = 1;
}

/** Ends a script that cannot run here, loudly. In CI that is a failure. */
export function skip(name, reason) {
  console.error(`\n!! ${name}: SKIPPED, ${reason}${isCI ? ' (a failure in CI)' : ''}\n`);
  const counts = isCI ? { passed: 0, failed: 1 } : { passed: 0, failed: 0, skipped: 1 };
  writeReport(name, counts);
  console.log(`${name}: ${countsLine(counts)}`);
  if (isCI) process.exitCode = 1;
}

export const countsLine = ({ passed, failed, skipped = 0 }) =>
  `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`;

export function addCounts(list) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of list) for (const key of Object.keys(total)) total[key] += counts[key] ?? 0;
  return total;
}
