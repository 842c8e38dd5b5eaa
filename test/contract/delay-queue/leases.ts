/** Leases: how they end, and what is stored meanwhile. */

import { describe, expect, it } from 'vitest';
import { type DelayQueueSubject, keysOf, pairs } from './subject.js';

export function leaseCases(subject: DelayQueueSubject): void {
  describe('leases', () => {
    it('end with ack; nothing is left', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(1000);
      const [lease] = subject.queue.lease(10, { timeout: 500 });
      expect(lease).toMatchObject({ key: 'a', value: 1, updates: 0, attempt: 1 });
      expect([subject.queue.size, subject.queue.retrieve(10).length, subject.queue.nextDue]).toEqual([1, 0, undefined]);
      expect([lease?.ack(), lease?.ack(), lease?.nack()]).toEqual([true, false, false]);
      expect(subject.queue.size).toBe(0);
      expect(subject.queue.stats()).toMatchObject({ waiting: 0, inFlight: 0, remembered: 0 });
    });

    it('come back after nack, at once or later', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      subject.queue.store({ key: 'b', value: 2 });
      await subject.clock.advance(1000);
      const [a] = subject.queue.lease(1);
      expect(a?.nack()).toBe(true);
      expect(keysOf(subject.queue.lease(1))).toEqual(['a']);
      const [b] = subject.queue.lease(1);
      b?.nack({ delay: 300 });
      expect(subject.queue.nextDue).toBe(subject.clock.now() + 300);
      expect(subject.queue.retrieve(10)).toEqual([]);
      await subject.clock.advance(300);
      expect(keysOf(subject.queue.retrieve(10))).toEqual(['b']);
    });

    it('come back after their timeout, and the late ack is refused', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(1000);
      const [first] = subject.queue.lease(1, { timeout: 500 });
      await subject.clock.advance(499);
      expect(subject.queue.lease(1)).toEqual([]);
      await subject.clock.advance(1);
      const [second] = subject.queue.lease(1, { timeout: 500 });
      expect(second).toMatchObject({ key: 'a', value: 1, attempt: 2 });
      expect(first?.ack()).toBe(false);
      expect(second?.ack()).toBe(true);
      expect(subject.queue.size).toBe(0);
    });

    it('hold updates of their key, which become an item of their own after the ack', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(1000);
      const [lease] = subject.queue.lease(1);
      subject.queue.store({ key: 'a', value: 2 });
      await subject.clock.advance(600);
      subject.queue.store({ key: 'a', value: 3 });
      expect(subject.queue.size).toBe(1);
      expect(lease?.ack()).toBe(true);
      expect(subject.queue.nextDue).toBe(subject.clock.now() + 400);
      await subject.clock.advance(400);
      const [next] = subject.queue.lease(1);
      expect(next).toMatchObject({ key: 'a', value: 3, updates: 1, attempt: 1 });
      expect(lease?.ack()).toBe(false);
      expect(next?.ack()).toBe(true);
    });

    it('keep what they hold through nack and timeout', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(1000);
      const [lease] = subject.queue.lease(1, { timeout: 100 });
      subject.queue.store({ key: 'a', value: 2 });
      lease?.nack();
      expect(subject.queue.lease(1, { timeout: 100 })).toMatchObject([{ value: 1, attempt: 2 }]);
      await subject.clock.advance(1000);
      subject.queue.store({ key: 'a', value: 3 });
      const items = subject.queue.retrieve(10);
      expect(pairs(items)).toEqual([
        ['a', 1],
        ['a', 3],
      ]);
    });

    it('end when their key is deleted', async () => {
      subject.queue.store({ key: 'a', value: 1, uniqueId: 'x' });
      await subject.clock.advance(1000);
      const [lease] = subject.queue.lease(1);
      expect([
        subject.queue.has('a'),
        subject.queue.delete('a'),
        subject.queue.delete('a'),
        subject.queue.has('a'),
      ]).toEqual([true, true, false, false]);
      expect(lease?.ack()).toBe(false);
      expect(subject.queue.store({ key: 'a', value: 2, uniqueId: 'x' })).toBe(true);
    });
  });
}
