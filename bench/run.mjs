/**
 * npm run bench [-- --quick] [--entries N] [--rounds R] [--size BYTES] [--engines a,b] [--groups a,b] [--seed N]
 * Every engine and group runs in a process of its own, round after round, interleaved, so that what the machine does
 * meanwhile hits all alike. Prints medians, minima and maxima in ns per operation, and writes them to bench/results.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { defaults } from './workloads.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: args } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    entries: { type: 'string' },
    rounds: { type: 'string' },
    size: { type: 'string' },
    seed: { type: 'string' },
    engines: { type: 'string', default: 'mmcb,lmdb,js-map,mmap-io' },
    groups: { type: 'string', default: 'entries,int,string' },
  },
});
const size = Number(args.size ?? defaults.size);
const settings = {
  ...defaults,
  size,
  larger: size * 2, // more than the slack
  entries: Number(args.entries ?? (args.quick ? 100_000 : defaults.entries)),
  seed: Number(args.seed ?? defaults.seed),
};
const rounds = Number(args.rounds ?? (args.quick ? 3 : 5));
const engines = args.engines.split(',');
const groups = args.groups.split(',');

const times = new Map(); // 'group/operation' -> engine -> [ns, ...]
const notes = {};
const loadBefore = loadavg()[0];
for (let round = 0; round < rounds; round++) {
  for (const group of groups) {
    for (const engine of engines) {
      const module = await import(`./engines/${engine}.mjs`);
      if (!module.groups.includes(group)) continue;
      const { ns, note } = await one({ engine, group, ...settings });
      if (note !== undefined) notes[engine] = note;
      for (const [operation, value] of Object.entries(ns)) {
        const name = `${group}: ${operation}`;
        if (!times.has(name)) times.set(name, {});
        const byEngine = times.get(name);
        byEngine[engine] ??= [];
        byEngine[engine].push(value);
      }
    }
  }
  if (process.stderr.isTTY) process.stderr.write(`round ${round + 1} of ${rounds}\n`);
}

const result = { ...about(), settings, rounds, notes, operations: {} };
const rows = [['', ...engines, ...engines.slice(1).map((engine) => `${engine} / ${engines[0]}`)]];
for (const [name, byEngine] of times) {
  result.operations[name] = Object.fromEntries(Object.entries(byEngine).map(([engine, ns]) => [engine, summary(ns)]));
  const summaries = engines.map((engine) => result.operations[name][engine]);
  rows.push([
    name,
    ...summaries.map((s) => (s ? `${s.median} (${s.min}-${s.max})` : '-')),
    ...summaries.slice(1).map((s) => (s && summaries[0] ? `${(s.median / summaries[0].median).toFixed(2)} x` : '-')),
  ]);
}
const { machine, node, commit } = result;
console.log(
  `${settings.entries} entries of ${size} B, ${rounds} rounds, seed ${settings.seed}; ns per operation: median (min-max)`,
);
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memory}, ${machine.system}, node ${node}, commit ${commit}`,
);
console.log(`load average before and after: ${loadBefore.toFixed(1)}, ${loadavg()[0].toFixed(1)}\n`);
print(rows);
console.log(
  '\nmmcb: durability interval (the default); lmdb: noSync, asynchronous puts; a ratio above 1: mmcb is faster.',
);
for (const [engine, note] of Object.entries(notes)) console.log(`${engine}: ${JSON.stringify(note)}`);
mkdirSync(join(here, 'results'), { recursive: true });
const file = join(here, 'results', `${result.date.replaceAll(':', '-').slice(0, 19)}.json`);
writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
console.log(`written to bench/results/${file.slice(file.lastIndexOf('/') + 1)}`);

async function one(task) {
  const parameters = ['--expose-gc', join(here, 'one.mjs'), JSON.stringify(task)];
  const { stdout } = await promisify(execFile)(process.execPath, parameters, { maxBuffer: 2 ** 24 });
  return JSON.parse(stdout);
}

function summary(ns) {
  const sorted = ns.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  const [first, last] = [sorted[0], sorted.at(-1)];
  return { median: Math.round(median), min: Math.round(first), max: Math.round(last), rounds: ns.map(Math.round) };
}

function about() {
  const lock = JSON.parse(readFileSync(join(here, '..', 'package-lock.json'), 'utf8'));
  const versionOf = (name) => lock.packages[`node_modules/${name}`]?.version;
  return {
    date: new Date().toISOString(),
    machine: {
      cpu: cpus()[0].model,
      cores: cpus().length,
      memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
      system: `${type()} ${release()}`,
      loadBefore,
    },
    node: process.version,
    commit: commitOf(),
    versions: { lmdb: versionOf('lmdb'), 'mmap-io': versionOf('mmap-io') },
  };
}

function commitOf() {
  const git = (...parameters) => execFileSync('git', parameters, { cwd: here, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+changes');
  } catch {
    return 'unknown';
  }
}

function print(table) {
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) {
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '));
  }
}
