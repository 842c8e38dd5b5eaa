/** Opening again, or twice. */

import { describe, expect, it } from 'vitest';
import { expectCode } from '../../support/expect.js';
import { type DelayQueueSubject, keysOf, pairs } from './subject.js';

export function restartCases(subject: DelayQueueSubject): void {
  it.skipIf(!subject.backend.persistent)('is open once: a second opening is refused', async () => {
    await expectCode(() => subject.open(), 'MMCB_LOCKED');
    subject.queue.store({ key: 'a', value: 1 });
    await subject.queue.close();
    subject.queue = await subject.open();
    expect(subject.queue.size).toBe(1);
  });

  describe.skipIf(!subject.backend.persistent)('a restart', () => {
    it('finds every item with its due time, every lease and every unique id', async () => {
      subject.queue.store({ key: 'waiting', value: 1 });
      subject.queue.store({ key: 'waiting', value: 2 });
      subject.queue.store({ key: 'leased', value: 3, delay: 0 });
      subject.queue.store({ key: 'taken', value: 4, delay: 1, uniqueId: 'x' });
      subject.queue.store({ key: 'looped', value: 5, delay: 2 });
      subject.queue.lease(1, { timeout: 5000 });
      subject.queue.store({ key: 'leased', value: 6 });
      await subject.clock.advance(2);
      subject.queue.retrieve(1);
      expect((await subject.queue.consume().next()).value).toMatchObject({ key: 'looped' });
      const due = subject.queue.nextDue;
      await subject.queue.close();

      subject.queue = await subject.open();
      expect(subject.queue.size).toBe(3);
      expect(keysOf(subject.queue.retrieve(10))).toEqual(['looped']);
      expect(subject.queue.nextDue).toBe(due);
      expect(subject.queue.store({ key: 'taken', value: 7, uniqueId: 'x' })).toBe(false);
      await subject.clock.advance(998);
      expect(subject.queue.retrieve(10)).toEqual([{ key: 'waiting', value: 2, updates: 1 }]);
      await subject.clock.advance(3999);
      expect(subject.queue.retrieve(10)).toEqual([]);
      await subject.clock.advance(1);
      expect(pairs(subject.queue.retrieve(10))).toEqual([
        ['leased', 3],
        ['leased', 6],
      ]);
    });

    it('with the clock set back lets nothing wait longer than it was to wait', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      await subject.queue.close();
      subject.clock.time -= 3_600_000;
      subject.queue = await subject.open();
      expect(subject.queue.nextDue).toBe(subject.clock.now() + 1000);
    });

    it('keeps the order of what is due at the same time', async () => {
      for (let i = 0; i < 50; i++) subject.queue.store({ key: `k${(i * 7) % 50}`, value: i });
      await subject.queue.close();
      subject.queue = await subject.open();
      for (let i = 50; i < 60; i++) subject.queue.store({ key: `k${i}`, value: i });
      await subject.clock.advance(1000);
      expect(subject.queue.retrieve(100).map(({ value }) => value)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    });
  });
}
