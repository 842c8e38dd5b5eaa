// Runs a doctest executable, source file by source file, as many at a time as there are processors.
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { filesUnder } from './fingerprint.mjs';
import { run } from './run.mjs';

/** The files with test cases. */
export const testFiles = () => filesUnder('test/native').filter((file) => /native[\\/][^\\/]*_test\.cc$/.test(file));

/** Files that take longest, first: what is left at the end is short. */
const longest = ['fault_platform', 'fault_memory', 'damage', 'recovery_scale', 'recovery_helper', 'sigbus_store'];

/**
 * Resolves to the exit code (of the first that failed) and the counts. What a file printed comes out whole, when it has
 * ended (`quiet`: and has failed).
 */
export async function runDoctest([command, ...args], { quiet = false, ...options }) {
  const place = (file) => {
    const index = longest.indexOf(basename(file).replace(/_test\.cc$/, ''));
    return index < 0 ? longest.length : index;
  };
  const waiting = testFiles().toSorted((a, b) => place(a) - place(b));
  let code = 0;
  let all = 0;
  let selected = 0;
  const counts = { passed: 0, failed: 0 };
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const started = Date.now();
      const result = await run(command, [...args, `-sf=*/${basename(file)}`], { ...options, quiet: true });
      const own = parseDoctest(result.output);
      if (!quiet || result.code !== 0) {
        console.log(result.output.replace(/^\[doctest\] (doctest version|run with).*\n/gm, '').trimEnd());
        console.log(`${basename(file)}: ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
      }
      code ||= result.code;
      counts.passed += own.passed;
      // A crash or a sanitizer's finding ends the run before (or after) its summary: that is a failure too.
      counts.failed += result.code !== 0 && !own.failed ? 1 : own.failed;
      selected += own.selected;
      all = Math.max(all, own.selected + own.others);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return { code, counts: { ...counts, skipped: Math.max(0, all - Math.max(selected, counts.passed + counts.failed)) } };
}

/** doctest's summary line. `others` did not pass the filters. */
export function parseDoctest(output) {
  const summary = /test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped/g;
  const [, selected = 0, passed = 0, failed = 0, others = 0] = [...output.matchAll(summary)].at(-1) ?? [];
  return { selected: Number(selected), passed: Number(passed), failed: Number(failed), others: Number(others) };
}
