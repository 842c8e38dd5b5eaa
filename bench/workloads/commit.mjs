/**
 * Sync per commit: writers that each set a random existing key and wait until it is on the disk before the next. Timed by
 * the clock, not by count: what one engine does in a second another does in a minute.
 */
import { latencySummary } from '../lib/statistics.mjs';
import { valueIndex } from './input.mjs';
import { loading } from './loading.mjs';
import { verifySample } from './verify.mjs';

const WRITERS = [1, 16, 256];

/** Writes go through as many, so that none writes what is there already: SQLite would notice, and sync nothing. */
const VERSIONS = 127;

export function commitWorkloads(input, { seconds }) {
  const { entries, order, values, mask } = input;
  let next = 0; // operation, over all workloads
  const verify = (store) => verifySample(input, (key) => store.get(key));

  function set(store) {
    const key = order[next % entries];
    const version = (next++ % VERSIONS) + 1;
    input.versions[key] = version;
    return store.setDurably(key, values[valueIndex(key, version, mask)]);
  }

  return [
    { ...loading('load', input, (i) => i, verify), unreported: true },
    ...WRITERS.map((writers) => ({
      name: `${writers} ${writers === 1 ? 'writer' : 'writers'}`,
      needs: ['setDurably'],
      measure: async (store) => {
        // What was loaded, or written by the workload before, is not to be synced on the clock.
        await set(store);
        const latencies = [];
        const start = performance.now();
        const end = start + seconds * 1000;
        async function writer() {
          for (;;) {
            const before = performance.now();
            if (before >= end) return;
            await set(store);
            latencies.push((performance.now() - before) * 1e6);
          }
        }
        await Promise.all(Array.from({ length: writers }, writer));
        const elapsed = performance.now() - start;
        verify(store);
        return {
          ns: (elapsed * 1e6) / latencies.length,
          operations: latencies.length,
          latency: latencySummary(latencies),
        };
      },
    })),
  ];
}
