import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Gate, ids, items, type PartitionedQueueSubject, told } from './subject.js';

export function drainingCases(subject: PartitionedQueueSubject): void {
  describe('draining', () => {
    it('at the threshold needs no timer', async () => {
      const { queue, batches } = await subject.collecting({ drainThreshold: 3 });
      queue.push(items(1, 2));
      await turn();
      expect(batches).toEqual([]);
      queue.push(items(3, 5));
      await turn();
      expect(batches).toEqual([[1, 2, 3, 4, 5]]);
    });

    it('of one partition is one batch at a time, while pushes go on', async () => {
      const gate = new Gate();
      const queue = await subject.start({ processor: gate.processor, drainThreshold: 1 });
      queue.push({ id: 1 });
      await turn();
      queue.push(items(2, 4));
      await turn();
      expect(gate.calls).toHaveLength(1);
      expect([queue.size, queue.stats().processing]).toEqual([3, 1]);
      gate.calls[0]?.done();
      await turn();
      expect(ids(gate.calls[1]?.batch ?? [])).toEqual([2, 3, 4]);
      gate.calls[1]?.done();
    });

    it('keeps to its concurrency', async () => {
      const gate = new Gate();
      const queue = await subject.start({ partitions: 6, processor: gate.processor, concurrency: 2 });
      queue.push(items(1, 100));
      const drained = queue.drain();
      const seen = new Set<number>();
      for (let done = 0; queue.size > 0 || done < gate.calls.length; done++) {
        await turn();
        const running = new Set(gate.calls.slice(done).map(({ context }) => context.partition));
        expect(running.size).toBeLessThanOrEqual(2);
        for (const partition of running) seen.add(partition);
        gate.calls[done]?.done();
        await turn();
      }
      await drained;
      expect(seen.size).toBe(6);
    });

    it('ends a processor that takes too long: its signal is aborted, and it has failed', async () => {
      const gate = new Gate();
      const queue = await subject.start({
        processor: gate.processor,
        processingTimeout: 300,
        delivery: 'at-most-once',
      });
      const failed = told(queue, 'processing:failed');
      queue.push({ id: 1 });
      const drained = queue.drain();
      await turn();
      await subject.clock.advance(299);
      expect(gate.calls[0]?.context.signal.aborted).toBe(false);
      await subject.clock.advance(1);
      await drained;
      expect(gate.calls[0]?.context.signal.aborted).toBe(true);
      expect(failed).toMatchObject([{ error: { name: 'TimeoutError' }, size: 1 }]);
      gate.calls[0]?.fail(new Error('late')); // nobody minds
    });

    it('can be waited for with a signal', async () => {
      const gate = new Gate();
      const queue = await subject.start({ processor: gate.processor });
      queue.push({ id: 1 });
      await expect(queue.drain({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
      await turn();
      gate.calls[0]?.done();
      await queue.drain();
    });
  });
}
