/** Times one workload on one store, and checks what it read. */
import { BLOCK } from './engines/index.mjs';
import { warmMemory } from './lib/memory.mjs';
import { latencySummary } from './lib/statistics.mjs';

const LATENCY_SAMPLES = 50_000;
const LATENCY_TIME = 1000; // ms, for engines that take long for one operation
const LEAST_SAMPLES = 1000;

/** Returns { ns per operation, operations, latency? }. `memory` is what a workload that writes may need, in bytes. */
export async function measure(store, workload, { memory, latencies }) {
  warmMemory(workload.writes || workload.measure ? memory : memory / 4);
  if (workload.measure) return workload.measure(store);
  const { name, count, expected, done, one } = workload;
  const wanted = expected?.(store) ?? 0;
  const run = workload.run(store);
  const { elapsed, sum } = await timed(store, workload, run);
  if (sum !== wanted) throw new Error(`${name}: what was read sums to ${sum} instead of ${wanted}`);
  const result = { ns: (elapsed * 1e6) / count, operations: count };
  // Apart from the section above, which the clock's own 30 to 60 ns per reading would distort.
  done?.(store);
  if (latencies && one) {
    result.latency = await sampleLatencies(one(store), count);
    workload.sampled?.(result.latency.samples);
  }
  return result;
}

async function timed(store, { count, writes, settles, atOnce }, run) {
  const block = atOnce ? count : BLOCK;
  const endOfBlock = settles ? (store.settle ?? store.endOfBlock) : writes ? store.endOfBlock : undefined;
  let sum = 0;
  const start = performance.now();
  for (let from = 0; from < count; from += block) {
    const part = run(from, Math.min(count, from + block));
    sum += part instanceof Promise ? await part : part;
    if (endOfBlock !== undefined) await endOfBlock();
  }
  if (writes) await store.written?.();
  return { elapsed: performance.now() - start, sum };
}

/** Latencies of single operations, each waited for before the next. */
async function sampleLatencies(operation, count) {
  const samples = Math.min(count, LATENCY_SAMPLES);
  const nanoseconds = new Float64Array(samples);
  const first = operation(0);
  const waits = typeof first?.then === 'function';
  if (waits) await first;
  const end = performance.now() + LATENCY_TIME;
  let taken = 0;
  while (taken < samples) {
    const before = process.hrtime.bigint();
    const result = operation(taken);
    if (waits) await result;
    const after = process.hrtime.bigint();
    nanoseconds[taken++] = Number(after - before);
    if (taken >= LEAST_SAMPLES && (taken & 255) === 0 && performance.now() > end) break;
  }
  return latencySummary(nanoseconds.subarray(0, taken));
}
