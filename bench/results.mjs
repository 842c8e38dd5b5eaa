/** Files of results: bench/results/DATE.json, and the medians of their rounds. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../scripts/lib/run.mjs';
import { median, summary } from './lib/statistics.mjs';

/** Raised when the fields change, so that older files are not misread. */
export const FORMAT = 2;

const kept = join(root, 'bench', 'results');
const passing = join(root, 'build', 'bench', 'results');

/** Only whole runs are kept with the project: others are for who made them. */
export const isWhole = ({ settings }) => /^(standard|full)$/.test(settings.preset);

export function writeResults(results) {
  const folder = isWhole(results) ? kept : passing;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${results.date.slice(0, 19).replaceAll(':', '-')}.json`);
  writeFileSync(file, `${JSON.stringify(results, withoutNoise, 1)}\n`);
  return file;
}

/** Digits behind the tenth of a nanosecond mean nothing. */
function withoutNoise(_, value) {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toFixed(2)) : value;
}

export function readResults(file) {
  const results = JSON.parse(readFileSync(file, 'utf8'));
  if (results.format !== FORMAT) throw new Error(`${file} has format ${results.format}, not ${FORMAT}`);
  return results;
}

/** The latest complete results of a run that was long enough to say something. */
export function latestResults() {
  const files = existsSync(kept) ? readdirSync(kept).filter((name) => name.endsWith('.json')) : [];
  for (const name of files.sort().reverse()) {
    const results = JSON.parse(readFileSync(join(kept, name), 'utf8'));
    if (results.format === FORMAT && results.complete && isWhole(results)) return results;
  }
  throw new Error('there are no complete results in bench/results: npm run bench makes them');
}

/** What the tables ask of results: medians over rounds, by setting. */
export class Figures {
  #cells = new Map();
  #trials = new Map();
  settings;

  constructor({ trials, settings }) {
    this.settings = settings;
    for (const trial of trials) {
      push(this.#trials, keyOf(trial), trial);
      for (const [workload, figures] of Object.entries(trial.workloads)) {
        push(this.#cells, keyOf({ ...trial, workload }), figures);
      }
    }
  }

  /** { median, min, max, rounds } of ns per operation, or undefined. */
  ns(cell) {
    const rounds = this.#cells.get(keyOf(cell));
    return rounds?.[0].ns === undefined ? undefined : summary(rounds.map(({ ns }) => ns));
  }

  /** { value, unit }, the median of what is not a time per operation, or undefined. */
  value(cell) {
    const rounds = (this.#cells.get(keyOf(cell)) ?? []).filter(({ value }) => value !== undefined);
    return rounds.length === 0 ? undefined : { value: median(rounds.map(({ value }) => value)), unit: rounds[0].unit };
  }

  /** Median over the rounds of each percentile, or undefined. */
  latency(cell) {
    const rounds = (this.#cells.get(keyOf(cell)) ?? []).map(({ latency }) => latency).filter(Boolean);
    if (rounds.length === 0) return undefined;
    const of = (name) => median(rounds.map((latency) => latency[name]));
    return { p50: of('p50'), p99: of('p99'), p999: of('p999') };
  }

  /** Median over the rounds of what `pick` finds in a trial, or undefined. */
  ofTrial(trial, pick) {
    const found = (this.#trials.get(keyOf(trial)) ?? []).map(pick).filter((number) => number !== undefined);
    return found.length === 0 ? undefined : median(found);
  }

  /** Names of workloads of a group, in the order of their first trial. */
  workloads({ durability, group, size, entries }) {
    const names = new Set();
    for (const trials of this.#trials.values()) {
      const [trial] = trials;
      const same =
        trial.durability === durability && trial.group === group && trial.size === size && trial.entries === entries;
      if (same) for (const name of Object.keys(trial.workloads)) names.add(name);
    }
    return [...names];
  }

  /** The different stores that were measured: { size, entries }, in their order. */
  scales() {
    const scales = new Map();
    for (const [{ size, entries }] of this.#trials.values()) scales.set(`${size} ${entries}`, { size, entries });
    return [...scales.values()].sort((a, b) => a.size - b.size || a.entries - b.entries);
  }
}

const keyOf = ({ durability, group, size, entries, engine, workload = '' }) =>
  [durability, group, size, entries, engine, workload].join('|');

function push(map, key, value) {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
