// Time, without that of making the input and of checking the output.
import { createHistogram } from 'node:perf_hooks';
import { latency } from './format.mjs';

const CHUNK = 1000;

/**
 * Calls `act(prepare(i))` for each number below `count` for which `prepare` gives something. Returns how many calls of
 * `act` there were and how long they took, in milliseconds.
 */
export async function timed(count, prepare, act, bar) {
  const inputs = [];
  let calls = 0;
  let ms = 0;
  for (let from = 0; from < count; from += CHUNK) {
    inputs.length = 0;
    for (let i = from; i < Math.min(count, from + CHUNK); i++) {
      const input = prepare(i);
      if (input !== undefined) inputs.push(input);
    }
    const started = performance.now();
    for (const input of inputs) act(input);
    ms += performance.now() - started;
    calls += inputs.length;
    await bar.update(from);
  }
  await bar.stop();
  return { calls, ms };
}

/** Reads scattered records that are there, one by one, each with its own time, and checks what they hold. */
export class Reader {
  histogram = createHistogram();
  count = 0;
  #map;
  #model;
  #checks;

  constructor(map, model, checks) {
    this.#map = map;
    this.#model = model;
    this.#checks = checks;
  }

  read(times) {
    for (let n = 0; n < times; n++) {
      const i = this.#model.survivor(this.count++);
      const key = this.#model.id(i);
      const started = performance.now();
      const value = this.#map.get(key);
      const ns = Math.round((performance.now() - started) * 1e6);
      this.histogram.record(Math.max(1, ns));
      this.#checks.value(value, this.#model.value(i), key);
    }
  }

  /** Median, 99 %, 99.9 % and the longest, as cells of a table. */
  latencies() {
    const { histogram } = this;
    return [50, 99, 99.9].map((p) => latency(histogram.percentile(p))).concat(latency(histogram.max));
  }
}
