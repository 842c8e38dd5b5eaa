/** Events and channels. */
import { channel } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type PartitionedQueueSubject, told } from './subject.js';

export function tellingCases(subject: PartitionedQueueSubject): void {
  describe('telling', () => {
    it('is done on the instance and on diagnostics channels', async () => {
      const published: object[] = [];
      const subscriber = (message: unknown): void => void published.push(message as object);
      channel('mmcb:processing:start').subscribe(subscriber);
      const { queue } = await subject.collecting({ name: 'telling' });
      const events = ['partition:start', 'processing:start', 'processing:stop'] as const;
      const details = events.map((event) => told(queue, event));
      await turn();
      queue.push({ id: 1 });
      await queue.drain();
      channel('mmcb:processing:start').unsubscribe(subscriber);
      expect(details).toEqual([
        [{ partition: 0 }],
        [{ partition: 0, size: 1 }],
        [{ partition: 0, size: 1, duration: 0 }],
      ]);
      expect(published).toContainEqual({ partition: 0, size: 1, name: 'telling' });
    });
  });
}
