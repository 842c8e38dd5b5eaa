/**
 * npm run bench:native: the core alone, without Node, by Google Benchmark, and Tkrzw's HashDBM beside it in the same session.
 * Prints tables and writes bench/results/native/DATE.json.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compiles } from '../../scripts/lib/compiler.mjs';
import { installDebianPackages } from '../../scripts/lib/debian.mjs';
import { cmake, fail, must, root } from '../../scripts/lib/run.mjs';
import { aboutMachine, currentCommit, currentLoad } from '../machine.mjs';
import { nativeTables } from '../report/native.mjs';
import { FORMAT, isWhole, writeResults } from './results.mjs';
import { FILES, findTkrzw, runTkrzw } from './tkrzw.mjs';

const help = `npm run bench:native [-- OPTION...]

  --quick          100,000 entries, 1 round: to see that all works
  --entries N      default 1,000,000, of 100 B
  --rounds N       default 3
  --only REGEX     only benchmarks whose name matches
  --folder PATH    where the files are laid; not on a tmpfs. Default: build/bench
  --report         writes the tables into docs/performance.md
  --help           this text`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    entries: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string' },
    folder: { type: 'string' },
  },
});

const BUSY = 0.5; // load average
const SIZE = 100; // bytes of a value, as in support.h
const BESIDE_TKRZW = 'as Tkrzw: ';
const buildFolder = join('build', 'native-release');

async function main() {
  if (!(await findGoogleBenchmark())) {
    console.error('\n!! bench:native: SKIPPED, Google Benchmark was not found and could not be installed\n');
    return;
  }
  const settings = ['-DMMCB_BUILD_BENCHMARKS=ON', '-DMMCB_BUILD_ADDON=OFF', '-DCMAKE_BUILD_TYPE=Release'];
  await cmake(buildFolder, settings, ['mmcb_native_bench', 'mmcb_instructions']);
  const tkrzw = await findTkrzw();
  if (tkrzw === undefined) console.error('\n!! Tkrzw was not found and could not be installed: no comparison\n');

  const results = await measure(tkrzw);
  console.log(`\n${nativeTables(results)}`);
  const file = writeResults(results);
  console.log(`\nwritten to ${relative(root, file)}`);
  if (!options.report) return;
  if (isWhole(results)) await import('../report.mjs').then(({ writeNativeReport }) => writeNativeReport(results));
  else console.log('no report: only whole runs with the default settings are reported');
}

async function measure(tkrzw) {
  const base = resolve(options.folder ?? join(root, 'build', 'bench'));
  mkdirSync(base, { recursive: true });
  const entries = wholeNumber('entries', options.quick ? 100_000 : 1_000_000);
  const rounds = wholeNumber('rounds', options.quick ? 1 : 3);
  const compiler = await must('mmcb_instructions', join(root, buildFolder, 'mmcb_instructions'), ['--compiler']);
  const results = {
    format: FORMAT,
    date: new Date().toISOString(),
    commit: currentCommit(),
    machine: aboutMachine(base),
    versions: { compiler: compiler.trim(), tkrzw: tkrzw ?? null },
    settings: { preset: isDefault() ? 'standard' : 'changed', entries, rounds, size: SIZE },
    load: { before: currentLoad() },
    benchmarks: {}, // name: { ns, processor }, per operation by the clock and by the calling thread's, a number a round
    tkrzw: {}, // call: { file: ns likewise }
  };
  if (results.machine.fileSystem === 'tmpfs') console.error('!! the folder is on a tmpfs: syncing costs nothing there');
  if (results.load.before > BUSY) console.error(`!! the machine is busy (load average ${results.load.before})`);
  const folder = mkdtempSync(join(base, 'native-'));
  try {
    // Those of both, in turn; then the rest.
    for (let round = 0; round < rounds; round++) {
      await runBenchmarks(results, folder, 1, BESIDE_TKRZW);
      if (tkrzw !== undefined) await runPeer(results, folder);
      console.log(`beside Tkrzw: round ${round + 1} of ${rounds} done`);
    }
    await runBenchmarks(results, folder, rounds, `-${BESIDE_TKRZW}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  results.load.after = currentLoad();
  return results;
}

/** `filter`: as Google Benchmark takes it, `-` in front for the others. */
async function runBenchmarks(results, folder, rounds, filter) {
  const output = join(folder, 'benchmarks.json');
  const only = options.only === undefined || filter === BESIDE_TKRZW ? filter : options.only;
  await must('mmcb_native_bench', join(root, buildFolder, 'mmcb_native_bench'), [
    `--entries=${results.settings.entries}`,
    `--rounds=${rounds}`,
    `--folder=${folder}`,
    `--benchmark_filter=${only}`,
    `--benchmark_out=${output}`,
    '--benchmark_out_format=json',
  ]);
  for (const found of JSON.parse(readFileSync(output, 'utf8')).benchmarks) {
    if (found.run_type !== 'iteration') continue;
    if (found.time_unit !== 'ns') throw new Error(`${found.run_name} is given in ${found.time_unit}`);
    const [name] = found.run_name.split('/');
    results.benchmarks[name] ??= { ns: [], processor: [] };
    results.benchmarks[name].ns.push(found.real_time / found.per);
    results.benchmarks[name].processor.push(found.cpu_time / found.per);
  }
}

async function runPeer(results, folder) {
  for (const file of FILES) {
    const { entries, size } = results.settings;
    for (const [call, ns] of Object.entries(await runTkrzw({ folder, entries, size, file }))) {
      results.tkrzw[call] ??= {};
      results.tkrzw[call][file] ??= [];
      results.tkrzw[call][file].push(ns);
    }
  }
}

/** On the include path, or Debian's package, installed as root. */
async function findGoogleBenchmark() {
  const probe = () => compiles('#include <benchmark/benchmark.h>\n', ['-fsyntax-only']);
  return (await probe()) || ((await installDebianPackages('libbenchmark-dev')) && (await probe()));
}

const isDefault = () => !options.quick && !options.entries && !options.rounds && !options.only;

function wholeNumber(name, otherwise) {
  if (options[name] === undefined) return otherwise;
  const number = Number(options[name].replaceAll(/[_,]/g, ''));
  if (!Number.isSafeInteger(number) || number < 1) throw new RangeError(`--${name} must be a whole number above 0`);
  return number;
}

if (options.help) console.log(help);
else await main().catch(fail);
