import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { expectCode } from '../../support/expect.js';
import { Gate, items, type PartitionedQueueSubject, told } from './subject.js';

export function boundsCases(subject: PartitionedQueueSubject): void {
  describe('bounds', () => {
    it("'reject' throws, and buffers nothing of the push", async () => {
      const { queue, batches } = await subject.collecting({ maxItems: 3 });
      queue.push(items(1, 2));
      await expectCode(() => queue.push(items(3, 4)), 'MMCB_OVERFLOW');
      await turn();
      queue.push(items(3, 5)); // what was there has been processed, since there was no room
      await queue.drain();
      expect(batches.flat()).toEqual([1, 2, 3, 4, 5]);
    });

    it("'drop-oldest' and 'drop-newest' keep the newest and the oldest, and tell how many went", async () => {
      for (const [overflow, left] of [
        ['drop-oldest', [3, 4, 5]],
        ['drop-newest', [1, 2, 3]],
      ] as const) {
        const { queue, batches } = await subject.collecting({ maxItems: 3, overflow, processingBatchSize: 'all' });
        const dropped = told(queue, 'dropped');
        queue.push(items(1, 2));
        queue.push(items(3, 5));
        expect(queue.size).toBe(3);
        await queue.drain();
        expect(batches).toEqual([left]);
        expect(dropped).toEqual([1, 2].map(() => ({ partition: 0, count: 1, reason: overflow })));
        expect(queue.stats().dropped[overflow]).toBe(2);
      }
    });

    it("'wait' makes push wait for room, in order, and gives up at a signal", async () => {
      const { queue, batches } = await subject.collecting({
        maxItems: 2,
        overflow: 'wait',
        processingBatchSize: 'all',
      });
      expect(queue.push(items(1, 2))).toBeUndefined();
      const controller = new AbortController();
      const waiting = [queue.push(items(3, 7)), queue.push({ id: 8 })];
      const aborted = queue.push({ id: 9 }, { signal: controller.signal });
      controller.abort(new Error('enough'));
      await expect(aborted).rejects.toThrow('enough');
      await Promise.all(waiting);
      await queue.drain();
      expect(batches.flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(batches.every(({ length }) => length <= 2)).toBe(true);
    });

    it('what still waits at stop is refused with MMCB_CLOSED', async () => {
      const gate = new Gate();
      const queue = await subject.start({ maxItems: 1, overflow: 'wait', processor: gate.processor });
      queue.push({ id: 1 });
      await queue.push({ id: 2 });
      const waiting = queue.push({ id: 3 });
      const stopped = queue.stop();
      await expect(waiting).rejects.toMatchObject({ code: 'MMCB_CLOSED' });
      for (let i = 0; i < 2; i++) {
        gate.calls[i]?.done();
        await turn();
      }
      await stopped;
    });

    it('in bytes count what the codec makes', async () => {
      const { queue } = await subject.collecting({ maxBytes: 100 });
      queue.push({ id: 1, text: 'x'.repeat(60) });
      await expectCode(() => queue.push({ id: 2, text: 'x'.repeat(60) }), 'MMCB_OVERFLOW');
      await queue.drain();
      queue.push({ id: 3, text: 'x'.repeat(200) }); // alone
      await queue.drain();
    });

    it('are not overflown by 10,000 pushes in one tick that they allow', async () => {
      const { queue, batches } = await subject.collecting({ maxItems: 10_000, drainThreshold: 100, partitions: 3 });
      for (let i = 0; i < 10_000; i++) queue.push({ id: i });
      expect(queue.size).toBe(10_000);
      await queue.drain();
      expect(batches.flat()).toHaveLength(10_000);
    });
  });
}
