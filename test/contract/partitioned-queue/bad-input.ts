import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { PartitionedQueue } from '../../../src/index.js';
import { errorOf, expectCode } from '../../support/expect.js';
import { Gate, type Item, ids, items, type PartitionedQueueSubject, told } from './subject.js';

export function badInputCases(subject: PartitionedQueueSubject): void {
  describe('bad input', () => {
    it('is refused, and nothing is lost', async () => {
      const { queue, batches } = await subject.collecting({});
      queue.push({ id: 1 });
      const boom = (): never => {
        throw new Error('boom');
      };
      const byKey = await expectCode(() => queue.push(items(2, 3), { sortKey: boom }), 'MMCB_CODEC');
      expect(byKey.message).toContain('boom');
      await expectCode(() => queue.push(items(2, 3), { partitionKey: boom }), 'MMCB_CODEC');
      expect(() => queue.push({ id: 2 }, { sortkey: 1 } as never)).toThrow(TypeError);
      expect(await errorOf(() => queue.stop({ timeout: -1 }))).toBeInstanceOf(RangeError);
      await queue.drain();
      expect(batches).toEqual([[1]]);
      const wrong = [
        { partitions: 0 },
        { processingInterval: 0 },
        { processingBatchSize: 0 },
        { maxItems: Number.NaN },
      ];
      for (const options of wrong) expect(await errorOf(() => subject.start(options))).toBeInstanceOf(RangeError);
      for (const options of [{ processor: 1 }, { procesor: 1 }, { sortKey: 1 }, { deadLetter: {} }]) {
        expect(await errorOf(() => subject.start(options as never))).toBeInstanceOf(TypeError);
      }
      expect(await errorOf(() => PartitionedQueue.start(undefined as never))).toBeInstanceOf(TypeError);
    });

    it('in one partition does no harm to the others', async () => {
      const seen: number[] = [];
      const gate = new Gate();
      const queue = await subject.start({
        partitions: 2,
        partitionKey: ({ id }: Item) => id % 2,
        delivery: 'at-least-once',
        processor: (batch, context) =>
          context.partition === where ? gate.processor(batch, context) : void seen.push(...ids(batch)),
      });
      let where = -1;
      queue.push({ id: 0 });
      queue.once('processing:start', ({ partition }) => {
        where = partition;
      });
      void queue.drain();
      await turn();
      queue.push(items(1, 9));
      void queue.drain();
      await turn();
      expect(seen.sort()).toEqual([1, 3, 5, 7, 9]); // the other never settles
    });

    it('a stop that does not wait says what it leaves', async () => {
      const gate = new Gate();
      const queue = await subject.start({ processor: gate.processor, delivery: 'at-least-once' });
      const dropped = told(queue, 'dropped');
      queue.push(items(1, 15));
      void queue.drain();
      await turn();
      queue.push(items(16, 20));
      const stopped = queue.stop({ timeout: 100 });
      await turn();
      await subject.clock.advance(100);
      await stopped;
      expect(gate.calls[0]?.context.signal.aborted).toBe(true);
      const count = (dropped as { count: number }[]).reduce((sum, one) => sum + one.count, 0);
      expect(count).toBe(subject.home.options().path === undefined ? 20 : 0);
    });
  });
}
