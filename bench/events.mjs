/**
 * node bench/events.mjs [--rounds n] [--events n] [--seconds s] [--only REGEX]: event stores. The same schema and guarantees in
 * better-sqlite3 and in lmdb: versions in one order without gaps, a check of the aggregate's expected version, and of the id,
 * with each append. Engines take turns in each round, each in a process of its own; medians, and the ratio to the best peer.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from '../scripts/lib/run.mjs';
import { median } from './lib/statistics.mjs';

const engines = ['mmcb', 'better-sqlite3', 'lmdb'];
const workloads = {
  'durable appends, 1 writer': { kind: 'append', writers: 1, durable: true, target: 1 },
  'durable appends, 16 writers': { kind: 'append', writers: 16, durable: true, target: 2 },
  'durable appends, 256 writers': { kind: 'append', writers: 256, durable: true, target: 2 },
  'relaxed appends, 1 writer': { kind: 'append', writers: 1, durable: false },
  'durable batches of 1000': { kind: 'batch', durable: true, target: 5 },
  'relaxed batches of 1000': { kind: 'batch', durable: false, target: 5 },
  'load by aggregate, 20 events': { kind: 'aggregate', durable: false, target: 5 },
  'full replay': { kind: 'replay', durable: false, target: 5 },
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
  for (const [name, workload] of chosen) {
    const rates = new Map(engines.map((engine) => [engine, []]));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (let i = 0; i < engines.length; i++) {
        const engine = engines[(i + round) % engines.length];
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
    const ratios = rates.get('mmcb').map((rate, i) => rate / Math.max(...engines.slice(1).map((e) => rates.get(e)[i])));
    const figures = engines.map(
      (engine) => `${engine} ${Math.round(median(rates.get(engine))).toLocaleString('en')}/s`,
    );
    const target = workload.target === undefined ? '' : ` (to reach: ${workload.target})`;
    console.log(`${name.padEnd(30)} ${figures.join('   ')}   best peer × ${median(ratios).toFixed(2)}${target}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
