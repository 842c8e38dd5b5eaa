/**
 * node bench/events.mjs [--rounds n] [--events n] [--seconds s] [--only REGEX]: event stores. The same schema and guarantees in
 * better-sqlite3 and in lmdb: versions in one order without gaps, a check of the aggregate's expected version, and of the id,
 * with each append. Engines take turns in each round, each in a process of its own; medians, and the ratio to the best peer.
 * Where events are read, a bound as well: what making their objects and strings takes alone, without any store.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from '../scripts/lib/run.mjs';
import { median } from './lib/statistics.mjs';

const peers = ['better-sqlite3', 'lmdb'];
const engines = ['mmcb', ...peers];
const workloads = {
  'durable appends, 1 writer': { kind: 'append', writers: 1, durable: true, target: 1 },
  'durable appends, 16 writers': { kind: 'append', writers: 16, durable: true, target: 2 },
  'durable appends, 256 writers': { kind: 'append', writers: 256, durable: true, target: 2 },
  'relaxed appends, 1 writer': { kind: 'append', writers: 1, durable: false },
  'durable batches of 1000': { kind: 'batch', durable: true, target: 5 },
  'relaxed batches of 1000': { kind: 'batch', durable: false, target: 5 },
  'load by aggregate, 20 events': { kind: 'aggregate', durable: false, target: 5, bound: 'objects' },
  'full replay': { kind: 'replay', durable: false, target: 5, bound: 'objects' },
};

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    events: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
  },
});
const chosen = Object.entries(workloads).filter(([name]) => new RegExp(values.only).test(name));
mkdirSync(join(root, 'build'), { recursive: true });
const folder = mkdtempSync(join(root, 'build', 'bench-events-'));
const trial = fileURLToPath(new URL('./events/trial.mjs', import.meta.url));

try {
  for (const [name, { target, bound, ...workload }] of chosen) {
    const measured = bound === undefined ? engines : [...engines, bound];
    const rates = new Map(measured.map((engine) => [engine, []]));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (let i = 0; i < measured.length; i++) {
        const engine = measured[(i + round) % measured.length];
        const home = join(folder, `${engine}-${round}`);
        mkdirSync(home);
        const task = {
          engine,
          folder: home,
          ...workload,
          events: Number(values.events),
          seconds: Number(values.seconds),
        };
        const output = execFileSync(process.execPath, [trial, JSON.stringify(task)], { encoding: 'utf8' });
        rates.get(engine).push(Number(output));
        rmSync(home, { recursive: true });
      }
    }
    const besideBest = (engine) => {
      const ratios = rates.get(engine).map((rate, i) => rate / Math.max(...peers.map((peer) => rates.get(peer)[i])));
      return `best peer × ${median(ratios).toFixed(2)}`;
    };
    const rateOf = (engine) => `${engine} ${Math.round(median(rates.get(engine))).toLocaleString('en')}/s`;
    const toReach = target === undefined ? '' : ` (to reach: ${target})`;
    console.log(`${name.padEnd(30)} ${engines.map(rateOf).join('   ')}   ${besideBest('mmcb')}${toReach}`);
    if (bound !== undefined) console.log(`${'  no store'.padEnd(30)} ${rateOf(bound)}   ${besideBest(bound)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
