import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { PartitionedQueueOptions } from '../../../src/index.js';
import { type Item, ids, items, type PartitionedQueueSubject, told } from './subject.js';

export function retryingCases(subject: PartitionedQueueSubject): void {
  describe("'at-least-once'", () => {
    const retry = { retries: 3, backoff: 100, maxBackoff: 150 };

    it('processes a batch again, whole and later each time, before those behind it', async () => {
      const seen: [number[], number, number][] = [];
      const queue = await subject.start({
        delivery: 'at-least-once',
        retry,
        processingBatchSize: 2,
        processor: (batch, { attempt }) => {
          seen.push([ids(batch), attempt, subject.clock.now()]);
          batch.length = 0; // its own affair
          if (attempt < 3 && seen.length < 4) throw new Error('not yet');
        },
      });
      queue.push(items(1, 4));
      const drained = queue.drain();
      await turn();
      await subject.clock.advance(10_000);
      await drained;
      expect(seen.map(([batch, attempt]) => [batch, attempt])).toEqual([
        [[1, 2], 1],
        [[1, 2], 2],
        [[1, 2], 3],
        [[3, 4], 1],
      ]);
      const waits = seen.map(([, , at], i) => at - (seen[i - 1]?.[2] ?? at));
      expect(waits[1]).toBeGreaterThanOrEqual(50);
      expect(waits[1]).toBeLessThanOrEqual(100);
      expect(waits[2]).toBeGreaterThanOrEqual(75);
      expect(waits[2]).toBeLessThanOrEqual(150);
      expect(queue.stats()).toMatchObject({ processed: 4, failed: 4, retried: 4 });
    });

    it('gives what has failed for good to deadLetter, or tells that it is dropped', async () => {
      const dead: unknown[] = [];
      const options: Partial<PartitionedQueueOptions<Item>> = {
        delivery: 'at-least-once',
        retry: { retries: 1, backoff: 0 },
        processor: () => {
          throw new Error('never');
        },
      };
      const queue = await subject.start({
        ...options,
        deadLetter: (batch, { attempts, error }) => void dead.push([ids(batch), attempts, (error as Error).message]),
      });
      queue.push(items(1, 2));
      let drained = queue.drain();
      await turn();
      await subject.clock.advance(1);
      await drained;
      expect(dead).toEqual([[[1, 2], 2, 'never']]);
      expect(queue.stats()).toMatchObject({ deadLettered: 2, dropped: { retries: 0 } });

      const other = await subject.start(options);
      const dropped = told(other, 'dropped');
      other.push(items(1, 2));
      drained = other.drain();
      await turn();
      await subject.clock.advance(1);
      await drained;
      expect(dropped).toEqual([{ partition: 0, count: 2, reason: 'retries' }]);
      expect(other.stats().dropped.retries).toBe(2);
    });
  });
}
