import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { PartitionedQueue } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { Gate, type Item, ids, items, type PartitionedQueueSubject, told } from './subject.js';

export function seedCases(subject: PartitionedQueueSubject): void {
  describe('as in PartitionedBuffer and Tidefall', () => {
    it('processes in ordered batches, and takes more while it does', async () => {
      const { queue, batches } = await subject.collecting({ processingInterval: 500, processingBatchSize: 5 });
      const stops = told(queue, 'processing:stop');
      expect(queue.size).toBe(0);
      queue.push(items(1, 10));
      expect(queue.size).toBe(10);
      await subject.clock.advance(499);
      expect(batches).toEqual([]);
      await subject.clock.advance(1);
      expect(batches).toEqual([ids(items(1, 5)), ids(items(6, 10))]);
      expect(stops).toMatchObject([{ partition: 0, size: 10 }]);
      queue.push(items(11, 12));
      await subject.clock.advance(500);
      expect(batches.at(-1)).toEqual([11, 12]);
      expect(queue.size).toBe(0);
      expect(subject.clock.timers.size).toBe(0); // nothing is left to tick for
    });

    it('takes single items', async () => {
      const { queue, batches } = await subject.collecting({});
      expect(queue.push({ id: 1 })).toBeUndefined();
      expect(queue.size).toBe(1);
      await queue.drain();
      expect([batches, queue.size]).toEqual([[[1]], 0]);
    });

    it('routes by a function or a constant, given to start or to push, and always alike', async () => {
      const where = new Map<number, Set<number>>();
      const queue = await subject.start({
        partitions: 8,
        partitionKey: (item: Item) => item.id % 3,
        processor: (batch, { partition }) => {
          for (const { id } of batch) where.set(id % 3, (where.get(id % 3) ?? new Set()).add(partition));
        },
      });
      for (let round = 0; round < 3; round++) {
        queue.push(items(1, 30));
        await queue.drain();
      }
      expect([...where.values()].every((partitions) => partitions.size === 1)).toBe(true);
      where.clear();
      queue.push(items(1, 30), { partitionKey: 'constant' });
      await queue.drain();
      expect(new Set([...where.values()].flatMap((partitions) => [...partitions])).size).toBe(1);
    });

    it('spreads items over partitions, and processes those side by side', async () => {
      const gate = new Gate();
      const queue = await subject.start({ partitions: 4, processor: gate.processor, processingBatchSize: 'all' });
      queue.push(items(1, 100));
      const drained = queue.drain();
      await turn();
      expect(gate.calls.map(({ context }) => context.partition).sort()).toEqual([0, 1, 2, 3]);
      for (const { done } of gate.calls) done();
      await drained;
      expect(gate.calls.flatMap(({ batch }) => ids(batch)).sort((a, b) => a - b)).toEqual(ids(items(1, 100)));
    });

    it('sorts by a key of any type, ties by insertion', async () => {
      const { queue, batches } = await subject.collecting({
        sortKey: (item) => item['at'],
        processingBatchSize: 'all',
      });
      queue.push([
        { id: 1, at: 3 },
        { id: 2, at: 'b' },
        { id: 3, at: 1 },
        { id: 4, at: 3 },
        { id: 5, at: 'a' },
        { id: 6, at: 2n },
      ]);
      queue.push({ id: 7, at: 0 });
      await queue.drain();
      queue.push(items(1, 3), { sortKey: ({ id }) => -id });
      await queue.drain();
      expect(batches).toEqual([
        [7, 3, 1, 4, 6, 5, 2],
        [3, 2, 1],
      ]);
    });

    it('changes the options that are named, and no others', async () => {
      const { queue, batches } = await subject.collecting({ processingBatchSize: 3 });
      queue.push(items(1, 4));
      queue.updateOptions({ processingInterval: 200 });
      await subject.clock.advance(200);
      expect(batches).toEqual([[1, 2, 3], [4]]);
      expect(() => queue.updateOptions({ processingInterval: -1 })).toThrow(RangeError);
      expect(() => queue.updateOptions({ partitions: 2 } as never)).toThrow(TypeError);
      queue.updateOptions({ processingBatchSize: 2 });
      queue.push(items(1, 4));
      await subject.clock.advance(200);
      expect(batches.slice(2)).toEqual([
        [1, 2],
        [3, 4],
      ]);
    });

    it('goes on after a processor has failed, whatever it threw', async () => {
      const { queue, batches } = await subject.collecting({
        delivery: 'at-most-once',
        processor: (batch) => {
          if (batch[0]?.id === 1) throw new Error('thrown');
          if (batch[0]?.id === 2) return Promise.reject(new Error('rejected'));
          // biome-ignore lint/style/useThrowOnlyError: whatever is thrown
          if (batch[0]?.id === 3) throw null;
          batches.push(ids(batch));
          return undefined;
        },
        processingBatchSize: 1,
      });
      const failed = told(queue, 'processing:failed');
      queue.push(items(1, 4));
      await queue.drain();
      expect(batches).toEqual([[4]]);
      expect(failed).toMatchObject([
        { size: 1, attempt: 1, willRetry: false, error: { message: 'thrown' } },
        { error: { message: 'rejected' } },
        { error: null },
      ]);
      expect(queue.stats()).toMatchObject({ processed: 1, failed: 3, buffered: 0, processing: 0 });
    });

    it('processes what it holds before it stops, in order, and then takes no more', async () => {
      const gate = new Gate();
      const queue = await subject.start({ processor: gate.processor, processingBatchSize: 2, name: 'stopping' });
      const stops = told(queue, 'partition:stop');
      queue.push(items(1, 2));
      void queue.drain();
      await turn();
      queue.push(items(3, 5));
      const stopped = queue.stop();
      expect(queue.stop()).toBe(stopped);
      for (let i = 0; i < 3; i++) {
        gate.calls[i]?.done();
        await turn();
      }
      await stopped;
      expect(gate.calls.map(({ batch }) => ids(batch))).toEqual([[1, 2], [3, 4], [5]]);
      expect(stops).toEqual([{ partition: 0, reason: 'stop' }]);
      await expectCode(() => queue.push({ id: 1 }), 'MMCB_CLOSED');
      await expectCode(() => queue.drain(), 'MMCB_CLOSED');
      await expectCode(() => queue.updateOptions({}), 'MMCB_CLOSED');
      expect(PartitionedQueue.get('stopping')).toBeUndefined();
    });

    it('is found by its name', async () => {
      const queue = await subject.start({ name: 'found' });
      expect(PartitionedQueue.get('found')).toBe(queue);
      await expectCode(() => subject.start({ name: 'found' }), 'MMCB_LOCKED');
    });
  });
}
