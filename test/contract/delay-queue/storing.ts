/** Storing: due times, merging, bounds, keys and values of all kinds. */

import { describe, expect, it } from 'vitest';
import { binary, StoreAllError } from '../../../src/index.js';
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

    it('stores many items in one call, as one by one', async () => {
      subject.queue.store({ key: 'item 3', value: 'before', uniqueId: 'once' });
      const items = Array.from({ length: 200 }, (_, i) => ({ key: `item ${i % 150}`, value: i }));
      const again = { key: 'item 3', value: 'again', uniqueId: 'once' };
      expect(subject.queue.storeAll(new Set([again, ...items]))).toBe(200);
      expect(subject.queue.storeAll([])).toBe(0);
      expect(subject.queue.stats()).toMatchObject({ waiting: 150, stored: 201, coalesced: 51, duplicates: 1 });
      await subject.clock.advance(1000);
      const retrieved = subject.queue.retrieve(200);
      const order = [3, ...Array.from({ length: 150 }, (_, i) => i).filter((i) => i !== 3)];
      expect(pairs(retrieved)).toEqual(order.map((i) => [`item ${i}`, i < 50 ? i + 150 : i]));
      expect(retrieved[0]?.updates).toBe(2);
    });

    it('says which of many items could not be stored; those before it are', async () => {
      const item = (key: string, value: unknown = key) => ({ key, value });
      subject.queue = await subject.fresh({ maxKeys: 2 });
      const full = () => subject.queue.storeAll([item('a'), item('b'), item('a', 2), item('c'), item('b', 2)]);
      expect(await expectCode(full, 'MMCB_QUEUE_FULL')).toMatchObject({ name: 'MmcbError', index: 3 });
      expect(pairs(subject.queue.retrieve(5))).toEqual([
        ['a', 2],
        ['b', 'b'],
      ]);
      const bad = {
        get field() {
          throw new Error('not today');
        },
      };
      const unencodable = () => subject.queue.storeAll([item('a'), item('b', bad)]);
      const error = await expectCode(unencodable, 'MMCB_CODEC');
      expect(error).toBeInstanceOf(StoreAllError);
      expect(error).toMatchObject({ index: 1, cause: { code: 'MMCB_CODEC' } });
      expect(subject.queue.size).toBe(1);
    });

    it('checks all of many items before it stores the first', () => {
      expect(() => subject.queue.storeAll([{ key: 'a', value: 1 }, { key: 5 } as never])).toThrow(TypeError);
      expect(() => subject.queue.storeAll([{ key: 'a', value: 1 }, { key: 'b', value: 1, dely: 1 } as never])).toThrow(
        /unknown field 'dely'/,
      );
      expect(() => subject.queue.storeAll(5 as never)).toThrow(TypeError);
      expect(subject.queue.size).toBe(0);
    });

    it('keeps what is behind an item that cannot be decoded, in order', async () => {
      const items = Array.from({ length: 100 }, (_, i) => ({ key: `${i}`, value: Buffer.of(i) }));
      const decode = (bytes: Uint8Array): unknown => {
        if (bytes[0] === broken) throw new Error('not this one');
        return bytes[0];
      };
      let broken = 70;
      subject.queue = await subject.fresh({ codec: { encode: (value) => value as Uint8Array, decode } });
      subject.queue.storeAll(items);
      await subject.clock.advance(1000);
      expect(subject.queue.retrieve(100).length).toBe(70);
      await expectCode(() => subject.queue.retrieve(100), 'MMCB_CODEC');
      expect(subject.queue.size).toBe(30);
      broken = -1;
      expect(subject.queue.retrieve(100).map(({ value }) => value)).toEqual(items.slice(70).map((_, i) => i + 70));
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
