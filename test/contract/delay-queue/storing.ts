/** Storing: due times, merging, bounds, keys and values of all kinds. */

import { describe, expect, it } from 'vitest';
import { binary } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { type DelayQueueSubject, keysOf, pairs } from './subject.js';

export function storingCases(subject: DelayQueueSubject): void {
  describe('storing', () => {
    it('knows the next due time to the millisecond', async () => {
      expect(subject.queue.nextDue).toBeUndefined();
      subject.queue.store({ key: 'a', value: 1, delay: 1500.5 });
      expect(subject.queue.nextDue).toBe(subject.clock.now() + 1500.5);
      subject.queue.store({ key: 'b', value: 1 });
      const due = subject.clock.now() + 1000;
      expect(subject.queue.nextDue).toBe(due);
      await subject.clock.advance(999);
      expect(subject.queue.retrieve(10)).toEqual([]);
      await subject.clock.advance(1);
      expect(keysOf(subject.queue.retrieve(10))).toEqual(['b']);
    });

    it('merges instead of replacing, and is unchanged when merge throws', async () => {
      const merge = (a: unknown, b: unknown): unknown => {
        // biome-ignore lint/style/useThrowOnlyError: whatever is thrown
        if (b === 'bad') throw null;
        return [...(a as number[]), ...(b as number[])];
      };
      subject.queue = await subject.fresh({ merge });
      subject.queue.store({ key: 'a', value: [1] });
      subject.queue.store({ key: 'a', value: [2, 3] });
      const error = await expectCode(() => subject.queue.store({ key: 'a', value: 'bad' }), 'MMCB_CODEC');
      expect(error.cause).toBeNull();
      await subject.clock.advance(1000);
      expect(subject.queue.retrieve(1)).toEqual([{ key: 'a', value: [1, 2, 3], updates: 1 }]);
    });

    it('does not let merge call the queue', async () => {
      subject.queue = await subject.fresh({ merge: () => subject.queue.size });
      subject.queue.store({ key: 'a', value: 1 });
      await expectCode(() => subject.queue.store({ key: 'a', value: 2 }), 'MMCB_CODEC');
      expect(subject.queue.size).toBe(1);
    });

    it("restarts the timer with 'last', up to maxWait", async () => {
      subject.queue = await subject.fresh({ timer: 'last', maxWait: 2500 });
      const start = subject.clock.now();
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(900);
      subject.queue.store({ key: 'b', value: 1 });
      subject.queue.store({ key: 'a', value: 2 });
      expect(subject.queue.nextDue).toBe(start + 1900);
      await subject.clock.advance(900);
      subject.queue.store({ key: 'a', value: 3 });
      await subject.clock.advance(100);
      expect(keysOf(subject.queue.retrieve(10))).toEqual(['b']);
      expect(subject.queue.nextDue).toBe(start + 2500);
      await subject.clock.advance(600);
      expect(subject.queue.retrieve(10)).toEqual([{ key: 'a', value: 3, updates: 2 }]);
    });

    it('holds as many keys as it is told, and says so', async () => {
      subject.queue = await subject.fresh({ maxKeys: 2 });
      subject.queue.store({ key: 'a', value: 1 });
      subject.queue.store({ key: 'b', value: 1 });
      await expectCode(() => subject.queue.store({ key: 'c', value: 1 }), 'MMCB_QUEUE_FULL');
      expect(subject.queue.store({ key: 'a', value: 2 })).toBe(true);
      expect(pairs(subject.queue.retrieve(1))).toEqual([['a', 2]]);
      expect(subject.queue.retrieve(1)).toEqual([]);
    });

    it('takes any string as a key', async () => {
      const keys = [
        '',
        '\0',
        'é',
        '東京',
        '🚀',
        '\ud800',
        '__proto__',
        'x'.repeat(65_535),
        'ü'.repeat(40),
        '漢'.repeat(32_767),
      ];
      for (const [i, key] of keys.entries()) subject.queue.store({ key, value: i, uniqueId: key });
      for (const [i, key] of keys.entries()) subject.queue.store({ key, value: i + 100 });
      expect(subject.queue.size).toBe(keys.length);
      await subject.clock.advance(1000);
      expect(pairs(subject.queue.retrieve(100))).toEqual(keys.map((key, i) => [key, i + 100]));
      await expectCode(() => subject.queue.store({ key: 'x'.repeat(65_536), value: 1 }), 'MMCB_TOO_LARGE');
      await expectCode(() => subject.queue.store({ key: '漢'.repeat(32_768), value: 1 }), 'MMCB_TOO_LARGE');
    });

    it('takes values of any size', async () => {
      subject.queue = await subject.fresh({ codec: binary() as never });
      const sizes = [0, 1, 8000, 8192, 65_000, 65_536, 300_000];
      for (const size of sizes) subject.queue.store({ key: String(size), value: Buffer.alloc(size, size) });
      for (const size of sizes) subject.queue.store({ key: String(size), value: Buffer.alloc(size, 7) });
      await subject.clock.advance(1000);
      const items = subject.queue.retrieve(Number.POSITIVE_INFINITY);
      expect(items.map(({ value }) => (value as Buffer).length)).toEqual(sizes);
      for (const { value } of items) expect((value as Buffer).every((byte) => byte === 7)).toBe(true);
    });
  });

  it('goes on where it was when the clock is set back', async () => {
    subject.queue.store({ key: 'a', value: 1 });
    await subject.clock.advance(400);
    expect(subject.queue.retrieve(1)).toEqual([]);
    subject.clock.time -= 3_600_000;
    expect(subject.queue.nextDue).toBe(subject.clock.now() + 600);
    await subject.clock.advance(599);
    expect(subject.queue.retrieve(1)).toEqual([]);
    await subject.clock.advance(1);
    expect(keysOf(subject.queue.retrieve(1))).toEqual(['a']);
  });
}
