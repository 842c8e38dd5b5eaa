/**
 * Random calls on partitioned buffers, whose processors fail now and then, beside plain lists of what must come out: each
 * partition in order, nothing lost, nothing twice; see buffer.test.ts.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MmcbError, type Overflow, PartitionedMap, PartitionedQueue } from '../../src/index.js';
import { backends } from '../support/backends.js';
import { ManualClock } from '../support/manual-clock.js';
import { type Random, withSeeds } from '../support/random.js';
import { removeTempFile } from '../support/temp.js';

interface Home {
  readonly name: string;
  readonly runs: number;
  path(): string | undefined;
  readonly buffer?: object;
}

const homes: readonly Home[] = [
  { name: 'memory', runs: 1000, path: () => undefined },
  ...backends
    .filter(({ persistent }) => persistent)
    .map(({ name, path, options }) => ({ name, runs: 60, path, buffer: options })),
];

const common = (random: Random, clock: ManualClock, path: string | undefined, buffer: object | undefined) => ({
  ...(path === undefined ? {} : { path, ...(buffer === undefined ? {} : { buffer }) }),
  clock,
  delivery: 'at-least-once' as const,
  retry: { retries: Number.POSITIVE_INFINITY, backoff: 10, maxBackoff: 50 },
  partitions: random.int(1, 4),
  processingInterval: random.pick([10, 100]),
  processingBatchSize: random.pick([1, 3, 10, 'all'] as const),
  drainThreshold: random.pick([1, 5, 1000]),
  concurrency: random.pick([1, 2, Number.POSITIVE_INFINITY]),
});

/** Lets everything come to its end. */
async function settle(clock: ManualClock, work: Promise<unknown>): Promise<void> {
  let ended = false;
  work.finally(() => {
    ended = true;
  });
  while (!ended) await clock.advance(100);
  await work;
}

describe.each(homes)('random calls in $name', ({ runs, path: makePath, buffer }) => {
  it('on a PartitionedQueue lose nothing, repeat nothing, and keep the order', { timeout: 600_000 }, async () => {
    await withSeeds(runs, async (random) => {
      const path = makePath();
      const clock = new ManualClock();
      const overflow: Overflow = random.pick(['reject', 'drop-oldest', 'drop-newest', 'wait']);
      const options = common(random, clock, path, buffer);
      const maxItems = random.pick([5, 20, Number.POSITIVE_INFINITY]);
      const seen: number[][] = Array.from({ length: options.partitions }, () => []);
      const accepted: number[] = [];
      let failing = random.pick([0, 0.3]);
      let next = 0;
      /** In the file at the last start: what was being processed comes on top of the bounds. */
      let found = 0;
      const start = () =>
        PartitionedQueue.start<number>({
          ...{ ...options, maxItems, overflow },
          partitionKey: (id: number) => id,
          processor: async (batch, { partition, signal }) => {
            if (random.chance(0.5)) await turn();
            if (signal.aborted) return; // it stays in the file
            if (random.chance(failing)) throw new Error('now and then');
            seen[partition]?.push(...batch);
          },
        });
      let queue = await start();
      const waiting: Promise<void>[] = [];
      for (let i = random.int(10, 60); i > 0; i--) {
        const action = random.weighted({ push: 30, advance: 15, drain: 5, restart: path === undefined ? 0 : 2 });
        if (action === 'push') {
          const ids = Array.from({ length: random.int(1, 6) }, () => next++);
          try {
            const promise = queue.push(ids.length === 1 ? (ids[0] as number) : ids);
            if (promise !== undefined) waiting.push(promise);
            accepted.push(...ids);
          } catch (error) {
            if (!(error instanceof MmcbError && error.code === 'MMCB_OVERFLOW')) throw error;
            expect(overflow).toBe('reject');
          }
          expect(queue.size).toBeLessThanOrEqual(Math.max(maxItems, found));
        } else if (action === 'advance') await clock.advance(random.int(1, 120));
        else if (action === 'drain') void queue.drain();
        else if (waiting.length === 0 && overflow === 'reject') {
          await queue.stop({ timeout: 0 });
          queue = await start();
          found = queue.size;
        }
      }
      failing = 0;
      await settle(clock, Promise.all(waiting));
      await settle(clock, queue.drain());
      const { dropped, buffered, processing } = queue.stats();
      expect([buffered, processing]).toEqual([0, 0]);
      await queue.stop();
      const all = seen.flat();
      expect(new Set(all).size).toBe(all.length);
      for (const ids of seen) expect(ids).toEqual([...ids].sort((a, b) => a - b));
      const lost = accepted.filter((id) => !all.includes(id));
      expect(lost.length).toBe(dropped['drop-oldest'] + dropped['drop-newest']);
      expect(all.length).toBe(accepted.length - lost.length);
      if (path !== undefined) removeTempFile(path);
    });
  });

  it('on a PartitionedMap deliver the last write of each key', { timeout: 600_000 }, async () => {
    await withSeeds(runs, async (random) => {
      const path = makePath();
      const clock = new ManualClock();
      const options = common(random, clock, path, buffer);
      /** What is buffered, as the model has it; and the writes that were delivered or taken back. */
      const buffered = new Map<string, { value: number; version: number; updates: number }>();
      const delivered: string[] = [];
      const expected: string[] = [];
      let failing = random.pick([0, 0.3]);
      const start = () =>
        PartitionedMap.start<string, number>({
          ...options,
          processor: async (batch) => {
            if (random.chance(0.5)) await turn();
            if (random.chance(failing)) throw new Error('now and then');
            for (const { key, value, version, updates } of batch)
              delivered.push(`${key} ${value} ${version} ${updates}`);
          },
        });
      const map = await start();
      // What is taken to be processed is the model's no more.
      const take = (): void => {
        for (const [key, { value, version, updates }] of buffered) {
          if (map.has(key)) continue;
          expected.push(`${key} ${value} ${version} ${updates}`);
          buffered.delete(key);
        }
      };
      let value = 0;
      for (let i = random.int(10, 80); i > 0; i--) {
        const key = `key ${random.int(0, 9)}`;
        const action = random.weighted({ put: 30, putNewer: 20, delete: 4, advance: 12, drain: 4 });
        take();
        const before = buffered.get(key);
        const updates = before === undefined ? 0 : before.updates + 1;
        if (action === 'put') {
          map.put(key, ++value);
          buffered.set(key, { value, version: 0, updates });
        } else if (action === 'putNewer') {
          const version = random.int(1, 20);
          const newer = before === undefined || version > before.version;
          expect(map.putNewer(key, ++value, version)).toBe(newer);
          if (newer) buffered.set(key, { value, version, updates });
        } else if (action === 'delete') expect(map.delete(key)).toBe(buffered.delete(key));
        else if (action === 'advance') await clock.advance(random.int(1, 120));
        else void map.drain();
        if (action !== 'advance' && action !== 'drain') expect(map.get(key)).toBe(buffered.get(key)?.value);
        expect(map.size).toBeLessThanOrEqual(buffered.size);
      }
      failing = 0;
      await settle(clock, map.drain());
      take();
      await map.stop();
      expect(buffered.size).toBe(0);
      expect(delivered.sort()).toEqual(expected.sort());
      if (path !== undefined) removeTempFile(path);
    });
  });
});
