/** Files of results of the native benchmarks: bench/results/native/DATE.json. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/lib/run.mjs';
import { median, summary } from '../lib/statistics.mjs';

/** Raised when the fields change. */
export const FORMAT = 1;

const kept = join(root, 'bench', 'results', 'native');
const passing = join(root, 'build', 'bench', 'results', 'native');

/** Only whole runs with the default settings are kept with the project. */
export const isWhole = ({ settings, tkrzw }) => settings.preset === 'standard' && Object.keys(tkrzw).length > 0;

export function writeResults(results) {
  const folder = isWhole(results) ? kept : passing;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${results.date.slice(0, 19).replaceAll(':', '-')}.json`);
  const rounded = (_, value) => (typeof value === 'number' ? Number(value.toFixed(2)) : value);
  writeFileSync(file, `${JSON.stringify(results, rounded, 1)}\n`);
  return file;
}

/** The latest whole results, or undefined. */
export function latestNativeResults() {
  const files = existsSync(kept) ? readdirSync(kept).filter((name) => name.endsWith('.json')) : [];
  for (const name of files.sort().reverse()) {
    const results = JSON.parse(readFileSync(join(kept, name), 'utf8'));
    if (results.format === FORMAT && isWhole(results)) return results;
  }
  return undefined;
}

/** mmcb's and Tkrzw's times of the workload of both: { call, mmcb, tkrzw }, each { median, min, max }. */
export function besideTkrzw({ benchmarks, tkrzw }) {
  return Object.entries(tkrzw).map(([call, byFile]) => {
    const rounds = Object.values(byFile).sort((a, b) => median(a) - median(b));
    return { call, mmcb: summary(benchmarks[`as Tkrzw: ${call}`].ns), tkrzw: summary(rounds[0]) };
  });
}

/** The same as trials of the other harness, so that targets can speak of them. */
export function trialsOf(results) {
  if (results === undefined) return [];
  const { entries, size, rounds } = results.settings;
  const trial = (engine, workloads) => ({ durability: 'none', group: 'native', size, entries, engine, workloads });
  return Array.from({ length: rounds }, (_, round) => {
    const mmcb = {};
    const tkrzw = {};
    for (const [call, byFile] of Object.entries(results.tkrzw)) {
      const [best] = Object.values(byFile).sort((a, b) => median(a) - median(b));
      mmcb[call] = { ns: results.benchmarks[`as Tkrzw: ${call}`].ns[round] };
      tkrzw[call] = { ns: best[round] };
    }
    return [trial('mmcb', mmcb), trial('tkrzw', tkrzw)];
  }).flat();
}
