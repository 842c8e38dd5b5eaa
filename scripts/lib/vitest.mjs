// Runs Vitest, and counts.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, tool } from './run.mjs';

/** The counts of a run. `name`: of its report; `launch`: makes another command of the command. */
export async function vitest(name, args = [], { env, launch = (command) => command } = {}) {
  const output = join('build', 'reports', `vitest-${name}.json`);
  rmSync(join(root, output), { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`];
  const [command, ...rest] = await launch([process.execPath, tool('vitest/vitest.mjs'), 'run', ...reporters, ...args]);
  const { code } = await run(command, rest, { env });
  if (!existsSync(join(root, output))) return { passed: 0, failed: 1 };
  const report = JSON.parse(readFileSync(join(root, output), 'utf8'));
  const counts = {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
  };
  // A file that cannot be loaded, an unhandled rejection, or a process that a sanitizer ended fail the run without failing a test.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
