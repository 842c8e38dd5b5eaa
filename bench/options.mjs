/** The command line of npm run bench. */
import { parseArgs } from 'node:util';
import { engineNames } from './engines/index.mjs';
import { groups } from './workloads/index.mjs';

const tables = ['none', 'periodic', 'commit'];

const presets = {
  quick: { entries: [50_000], sizes: [100], rounds: 2, operations: 50_000, seconds: 0.3 },
  // What mmcb is to reach with ten million entries is not asked of its peers: that would take hours.
  standard: {
    entries: [1_000_000],
    sizes: [100],
    rounds: 3,
    operations: 500_000,
    seconds: 2,
    large: { entries: 10_000_000, engines: ['mmcb'], groups: ['int', 'engine'] },
  },
  full: {
    entries: [100_000, 1_000_000, 10_000_000],
    sizes: [16, 100, 1024, 65_536],
    rounds: 3,
    operations: 1_000_000,
    seconds: 3,
  },
};

export const help = `npm run bench [-- OPTION...]

Compares mmcb with its peers: the same work, at the same durability, each engine and group of workloads in a process of its
own, in rounds that are interleaved over the engines. Prints tables and writes bench/results/DATE.json.
Without an option: 1 million entries of 100 B, all tables, ${presets.standard.rounds} rounds, and mmcb alone with 10 million: half an hour or more
on two cores.

  --quick            ${presets.quick.entries[0]} entries, ${presets.quick.rounds} rounds: about two minutes, to see that all works
  --full             every size and number of entries, ${presets.full.rounds} rounds: hours
  --entries N,...    numbers of entries
  --sizes N,...      bytes of a value
  --rounds N         how often each measurement is repeated
  --operations N     most operations of a workload that does not touch every entry
  --seconds N        how long each measurement with sync per commit takes
  --seed N           of the random order, keys and values
  --engines A,...    of ${engineNames.join(', ')}
  --groups A,...     of ${Object.keys(groups).join(', ')}
  --tables A,...     by durability, of ${tables.join(', ')}
  --folder PATH      where the files are laid; on the disk to be measured, not on a tmpfs. Default: build/bench
  --report           writes docs/performance.md, its charts and the figures in README.md, as node bench/report.mjs does
  --help             this text`;

const options = {
  quick: { type: 'boolean', default: false },
  full: { type: 'boolean', default: false },
  report: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  ...Object.fromEntries(
    ['entries', 'sizes', 'rounds', 'operations', 'seconds', 'seed', 'engines', 'groups', 'tables', 'folder'].map(
      (name) => [name, { type: 'string' }],
    ),
  ),
};

/** The settings that arguments ask for; throws a TypeError or RangeError that names a wrong one. */
export function readArguments(args) {
  const { values } = parseArgs({ args, options, allowPositionals: false });
  if (values.quick && values.full) throw new TypeError('--quick and --full exclude each other');
  const name = values.quick ? 'quick' : values.full ? 'full' : 'standard';
  const preset = presets[name];
  const changed = ['entries', 'sizes', 'rounds', 'operations', 'seconds', 'engines', 'groups', 'tables'].some(
    (option) => values[option] !== undefined,
  );
  return {
    help: values.help,
    report: values.report,
    folder: values.folder,
    settings: {
      preset: changed ? `${name}, changed` : name,
      large: changed ? undefined : preset.large,
      entries: numbers(values, 'entries') ?? preset.entries,
      sizes: numbers(values, 'sizes') ?? preset.sizes,
      rounds: numbers(values, 'rounds')?.[0] ?? preset.rounds,
      operations: numbers(values, 'operations')?.[0] ?? preset.operations,
      seconds: values.seconds === undefined ? preset.seconds : positive(values.seconds, 'seconds'),
      seed: values.seed === undefined ? 1 : positive(values.seed, 'seed'),
      engines: names(values, 'engines', engineNames),
      groups: names(values, 'groups', Object.keys(groups)),
      tables: names(values, 'tables', tables),
    },
  };
}

function numbers(values, option) {
  return values[option]?.split(',').map((text) => {
    const number = positive(text, option);
    if (!Number.isSafeInteger(number)) throw new RangeError(`--${option} must be whole numbers, got ${text}`);
    return number;
  });
}

function positive(text, option) {
  const number = Number(text.replaceAll('_', ''));
  if (!(number > 0)) throw new RangeError(`--${option} must be above 0, got ${text}`);
  return number;
}

function names(values, option, all) {
  const wanted = values[option]?.split(',') ?? all;
  const unknown = wanted.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new RangeError(`--${option}: there is no ${unknown}, only ${all.join(', ')}`);
  return all.filter((name) => wanted.includes(name));
}
