// npm run test:instructions: counts what the hot paths of the core execute, with callgrind, and fails where one takes more than
// it did. Instructions are the same in each run and on each machine, as times are not, so that a small loss is seen at once.
//   node scripts/instructions.mjs [--update] [--functions N] [PATH...]
// --update makes today's counts the ones to compare with. --functions shows the N functions that each path spends most in.
// The counts to compare with stand in bench/native/instructions.json, by compiler: another one generates other code.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installDebianPackages } from './lib/debian.mjs';
import { cmake, countsLine, fail, finish, must, root, skip, works, writeReport } from './lib/run.mjs';

const name = 'instructions';
const tolerance = 0.1;
const baselineFile = join('bench', 'native', 'instructions.json');
const buildFolder = join('build', 'native-release');
const program = join(root, buildFolder, 'mmcb_instructions');
// The C library chooses by processor what copies memory. The oldest variant is there on all of them.
const environment = { GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM' };

const { values: options, positionals } = parseArgs({
  options: { update: { type: 'boolean', default: false }, functions: { type: 'string' } },
  allowPositionals: true,
});

async function main() {
  if (!(await works('valgrind')) && !((await installDebianPackages('valgrind')) && (await works('valgrind')))) {
    return skip(name, 'valgrind was not found and could not be installed');
  }
  const settings = ['-DMMCB_BUILD_BENCHMARKS=ON', '-DMMCB_BUILD_ADDON=OFF', '-DCMAKE_BUILD_TYPE=Release'];
  await cmake(buildFolder, settings, ['mmcb_instructions']);
  const compiler = (await must('mmcb_instructions', program, ['--compiler'])).trim();
  const known = (await must('mmcb_instructions', program, ['--list'])).trim().split('\n');
  const unknown = positionals.find((path) => !known.includes(path));
  if (unknown !== undefined) throw new RangeError(`there is no path ${unknown}, only ${known.join(', ')}`);
  const paths = positionals.length > 0 ? positionals : known;
  const counts = await countAll(paths);

  const all = JSON.parse(readFileSync(join(root, baselineFile), 'utf8'));
  const baseline = all[compiler];
  const rows = paths.map((path) => compare(path, counts.get(path).perOperation, baseline?.[path]));
  printTable(rows);
  if (options.functions) for (const path of paths) printFunctions(path, counts.get(path));

  if (options.update) {
    const now = Object.fromEntries(paths.map((path) => [path, Number(counts.get(path).perOperation.toFixed(1))]));
    const kept = Object.entries({ ...baseline, ...now }).filter(([path]) => known.includes(path));
    all[compiler] = Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
    writeFileSync(join(root, baselineFile), `${JSON.stringify(all, null, 2)}\n`);
    console.log(`written: ${baselineFile}, for ${compiler}`);
    return finish(name, { passed: rows.length, failed: 0 });
  }
  if (baseline === undefined) return nothingToCompareWith(compiler, rows.length);
  for (const { path, verdict } of rows.filter(({ failed }) => failed)) console.error(`!! ${path}: ${verdict}`);
  const gained = rows.filter(({ change }) => change < -tolerance);
  if (gained.length > 0) console.log(`${gained.length} take far less than they did: --update keeps it that way`);
  const failed = rows.filter((row) => row.failed).length;
  finish(name, { passed: rows.length - failed, failed });
}

/** Not a fault of the change that is tested, so it fails nowhere. */
function nothingToCompareWith(compiler, skipped) {
  console.error(`\n!! ${name}: SKIPPED, ${baselineFile} has no counts for ${compiler}; --update adds them\n`);
  writeReport(name, { passed: 0, failed: 0, skipped });
  console.log(`${name}: ${countsLine({ passed: 0, failed: 0, skipped })}`);
}

function compare(path, now, before) {
  if (before === undefined) return { path, now, failed: true, verdict: 'no count to compare with; --update adds it' };
  const change = now / before - 1;
  const verdict = `takes ${percent(change)} more instructions than it did; if that is worth it, --update`;
  return { path, now, before, change, failed: change > tolerance, verdict };
}

// ---- Counting ----

async function countAll(paths) {
  const folder = join(root, 'build', name);
  mkdirSync(folder, { recursive: true });
  const counts = new Map();
  const waiting = [...paths];
  const work = async () => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      counts.set(path, await count(path, folder));
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));
  return counts;
}

/** { perOperation, operations, annotated } of one path. */
async function count(path, folder) {
  const profile = join(folder, `${path}.callgrind`);
  const store = mkdtempSync(join(folder, 'store-'));
  try {
    const callgrind = ['--tool=callgrind', '--toggle-collect=measured', `--callgrind-out-file=${profile}`];
    const output = await must(path, 'valgrind', [...callgrind, program, path, store], { env: environment });
    const operations = Number(/^operations: (\d+)$/m.exec(output)?.[1]);
    const instructions = Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(profile, 'utf8'))?.[1]);
    if (!(operations > 0 && instructions > 0)) throw new Error(`${path}: nothing was counted\n${output}`);
    const annotated = options.functions ? await must('callgrind_annotate', 'callgrind_annotate', [profile]) : '';
    return { perOperation: instructions / operations, operations, annotated };
  } finally {
    rmSync(store, { recursive: true, force: true });
  }
}

// ---- What is printed ----

const percent = (share) => `${(Math.round(share * 1000) / 10 || 0).toFixed(1)} %`;

function printTable(rows) {
  const cell = (number, format = (value) => value.toFixed(1)) => (number === undefined ? '-' : format(number));
  const line = (path, ...cells) =>
    console.log(`  ${path.padEnd(20)}${cells.map((text) => text.padStart(11)).join('')}`);
  console.log('Instructions per operation:');
  line('', 'before', 'now', 'change');
  for (const { path, before, now, change } of rows) line(path, cell(before), cell(now), cell(change, percent));
}

/** By function, what is in it and not in what it calls; after inlining, which the compiler decides. */
function printFunctions(path, { annotated, operations, perOperation }) {
  console.log(`\n${path}: ${perOperation.toFixed(1)}`);
  const lines = [...annotated.matchAll(/^ *([\d,]+) \([ \d.]+%\) {2}[^ ]*?:(.+) \[[^\]]+\]$/gm)];
  for (const [, instructions, what] of lines.slice(0, Number(options.functions))) {
    const each = Number(instructions.replaceAll(',', '')) / operations;
    console.log(`${each.toFixed(1).padStart(10)}  ${nameOf(what)}`);
  }
}

/** Without the arguments. */
const nameOf = (what) =>
  what
    .replace(/\(anonymous namespace\)/g, '_')
    .replace(/\(.*$/, '')
    .replace(/<.*>/, '<>');

await main().catch(fail);
