/** What buffercompact does, and its tests. */

import { describe, expect, it } from 'vitest';
import { expectCode } from '../../support/expect.js';
import { type DelayQueueSubject, keysOf, pairs } from './subject.js';

export function buffercompactCases(subject: DelayQueueSubject): void {
  describe('as in buffercompact', () => {
    it('does what its getting-started program does, step by step', async () => {
      subject.queue = await subject.fresh({ maxKeys: 5 });
      subject.queue.store({ key: 'test1', value: 'testValue1' });
      subject.queue.store({ key: 'test1', value: 'testValue2' });
      expect(subject.queue.retrieve(10)).toEqual([]);
      await subject.clock.advance(1000);
      expect(pairs(subject.queue.retrieve(10))).toEqual([['test1', 'testValue2']]);
      for (let i = 1; i <= 5; i++) subject.queue.store({ key: `test${i}`, value: `testValue${i}` });
      await expectCode(() => subject.queue.store({ key: 'test6', value: 'testValue6' }), 'MMCB_QUEUE_FULL');
      expect(keysOf(subject.queue.retrieve(10))).toEqual(['test1', 'test2', 'test3', 'test4', 'test5']);
      subject.queue.store({ key: 'test6', value: 'testValue6' });
      expect(subject.queue.retrieve(10)).toEqual([]);
    });

    it('compacts on keys, and returns them in the order in which they were first stored', async () => {
      subject.queue.store({ key: 'test1', value: 'testValue1' });
      subject.queue.store({ key: 'test2', value: 'testValue3' });
      subject.queue.store({ key: 'test1', value: 'testValue2' });
      expect(subject.queue.retrieve(10)).toEqual([]);
      await subject.clock.advance(2000);
      expect(subject.queue.retrieve(10)).toEqual([
        { key: 'test1', value: 'testValue2', updates: 1 },
        { key: 'test2', value: 'testValue3', updates: 0 },
      ]);
    });

    it('drops what was not retrieved within its ttl', async () => {
      subject.queue = await subject.fresh({ ttl: 5000 });
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(3000);
      subject.queue.store({ key: 'a', value: 2 }); // begins its ttl again
      subject.queue.store({ key: 'b', value: 3 });
      await subject.clock.advance(4999);
      expect(subject.queue.size).toBe(2);
      subject.queue.store({ key: 'b', value: 4 });
      await subject.clock.advance(1);
      expect(subject.queue.size).toBe(1);
      expect(pairs(subject.queue.retrieve(10))).toEqual([['b', 4]]);
      expect(subject.queue.stats().expired).toBe(1);
    });

    it('drops repeats of what was last stored under a key, also after it was retrieved', async () => {
      subject.queue = await subject.fresh({ dedupeFor: 10_000 });
      expect(subject.queue.store({ key: 'a', value: 1, uniqueId: 'x' })).toBe(true);
      expect(subject.queue.store({ key: 'a', value: 2, uniqueId: 'x' })).toBe(false);
      await subject.clock.advance(1000);
      expect(pairs(subject.queue.retrieve(1))).toEqual([['a', 1]]);
      expect(subject.queue.store({ key: 'a', value: 3, uniqueId: 'x' })).toBe(false);
      expect(subject.queue.size).toBe(0);
      expect(subject.queue.store({ key: 'a', value: 4, uniqueId: 'y' })).toBe(true);
      expect(subject.queue.store({ key: 'a', value: 5, uniqueId: 'x' })).toBe(true); // x was not the last
      await subject.clock.advance(9999);
      expect(subject.queue.store({ key: 'a', value: 6, uniqueId: 'x' })).toBe(false);
      expect(pairs(subject.queue.retrieve(1))).toEqual([['a', 5]]);
      await subject.clock.advance(1);
      expect(subject.queue.stats().remembered).toBe(0);
      expect(subject.queue.store({ key: 'a', value: 7, uniqueId: 'x' })).toBe(true);
    });
  });
}
