/** What every delay queue does, wherever it lives; see test/unit/queue/contract.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { binary, DelayQueue, type DelayQueueOptions, json } from '../../src/index.js';
import type { Backend } from '../support/backends.js';
import { errorOf, expectCode } from '../support/expect.js';
import { ManualClock } from '../support/manual-clock.js';

type Options = Omit<DelayQueueOptions<unknown>, 'delay'> & { delay?: number };

const keysOf = (items: readonly { key: string }[]): string[] => items.map(({ key }) => key);
const pairs = (items: readonly { key: string; value: unknown }[]): unknown[] =>
  items.map(({ key, value }) => [key, value]);

export function delayQueueContract(backend: Backend): void {
  let clock: ManualClock;
  let path: string;
  let queue: DelayQueue;
  const opened: DelayQueue[] = [];

  const open = async (options: Options = {}): Promise<DelayQueue> => {
    const made = await DelayQueue.open(path, { ...backend.options, delay: 1000, clock, ...options });
    opened.push(made);
    return made;
  };
  const fresh = async (options: Options): Promise<DelayQueue> => {
    path = backend.path();
    return open(options);
  };

  beforeEach(async () => {
    clock = new ManualClock();
    path = backend.path();
    queue = await open();
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
  });

  describe('as in buffercompact', () => {
    it('does what its getting-started program does, step by step', async () => {
      queue = await fresh({ maxKeys: 5 });
      queue.store({ key: 'test1', value: 'testValue1' });
      queue.store({ key: 'test1', value: 'testValue2' });
      expect(queue.retrieve(10)).toEqual([]);
      await clock.advance(1000);
      expect(pairs(queue.retrieve(10))).toEqual([['test1', 'testValue2']]);
      for (let i = 1; i <= 5; i++) queue.store({ key: `test${i}`, value: `testValue${i}` });
      await expectCode(() => queue.store({ key: 'test6', value: 'testValue6' }), 'MMCB_QUEUE_FULL');
      expect(keysOf(queue.retrieve(10))).toEqual(['test1', 'test2', 'test3', 'test4', 'test5']);
      queue.store({ key: 'test6', value: 'testValue6' });
      expect(queue.retrieve(10)).toEqual([]);
    });

    it('compacts on keys, and returns them in the order in which they were first stored', async () => {
      queue.store({ key: 'test1', value: 'testValue1' });
      queue.store({ key: 'test2', value: 'testValue3' });
      queue.store({ key: 'test1', value: 'testValue2' });
      expect(queue.retrieve(10)).toEqual([]);
      await clock.advance(2000);
      expect(queue.retrieve(10)).toEqual([
        { key: 'test1', value: 'testValue2', updates: 1 },
        { key: 'test2', value: 'testValue3', updates: 0 },
      ]);
    });

    it('drops what was not retrieved within its ttl', async () => {
      queue = await fresh({ ttl: 5000 });
      queue.store({ key: 'a', value: 1 });
      await clock.advance(3000);
      queue.store({ key: 'a', value: 2 }); // begins its ttl again
      queue.store({ key: 'b', value: 3 });
      await clock.advance(4999);
      expect(queue.size).toBe(2);
      queue.store({ key: 'b', value: 4 });
      await clock.advance(1);
      expect(queue.size).toBe(1);
      expect(pairs(queue.retrieve(10))).toEqual([['b', 4]]);
      expect(queue.stats().expired).toBe(1);
    });

    it('drops repeats of what was last stored under a key, also after it was retrieved', async () => {
      queue = await fresh({ dedupeFor: 10_000 });
      expect(queue.store({ key: 'a', value: 1, uniqueId: 'x' })).toBe(true);
      expect(queue.store({ key: 'a', value: 2, uniqueId: 'x' })).toBe(false);
      await clock.advance(1000);
      expect(pairs(queue.retrieve(1))).toEqual([['a', 1]]);
      expect(queue.store({ key: 'a', value: 3, uniqueId: 'x' })).toBe(false);
      expect(queue.size).toBe(0);
      expect(queue.store({ key: 'a', value: 4, uniqueId: 'y' })).toBe(true);
      expect(queue.store({ key: 'a', value: 5, uniqueId: 'x' })).toBe(true); // x was not the last
      await clock.advance(9999);
      expect(queue.store({ key: 'a', value: 6, uniqueId: 'x' })).toBe(false);
      expect(pairs(queue.retrieve(1))).toEqual([['a', 5]]);
      await clock.advance(1);
      expect(queue.stats().remembered).toBe(0);
      expect(queue.store({ key: 'a', value: 7, uniqueId: 'x' })).toBe(true);
    });
  });

  describe('storing', () => {
    it('knows the next due time to the millisecond', async () => {
      expect(queue.nextDue).toBeUndefined();
      queue.store({ key: 'a', value: 1, delay: 1500.5 });
      expect(queue.nextDue).toBe(clock.now() + 1500.5);
      queue.store({ key: 'b', value: 1 });
      const due = clock.now() + 1000;
      expect(queue.nextDue).toBe(due);
      await clock.advance(999);
      expect(queue.retrieve(10)).toEqual([]);
      await clock.advance(1);
      expect(keysOf(queue.retrieve(10))).toEqual(['b']);
    });

    it('merges instead of replacing, and is unchanged when merge throws', async () => {
      const merge = (a: unknown, b: unknown): unknown => {
        // biome-ignore lint/style/useThrowOnlyError: whatever is thrown
        if (b === 'bad') throw null;
        return [...(a as number[]), ...(b as number[])];
      };
      queue = await fresh({ merge });
      queue.store({ key: 'a', value: [1] });
      queue.store({ key: 'a', value: [2, 3] });
      const error = await expectCode(() => queue.store({ key: 'a', value: 'bad' }), 'MMCB_CODEC');
      expect(error.cause).toBeNull();
      await clock.advance(1000);
      expect(queue.retrieve(1)).toEqual([{ key: 'a', value: [1, 2, 3], updates: 1 }]);
    });

    it('does not let merge call the queue', async () => {
      queue = await fresh({ merge: () => queue.size });
      queue.store({ key: 'a', value: 1 });
      await expectCode(() => queue.store({ key: 'a', value: 2 }), 'MMCB_CODEC');
      expect(queue.size).toBe(1);
    });

    it("restarts the timer with 'last', up to maxWait", async () => {
      queue = await fresh({ timer: 'last', maxWait: 2500 });
      const start = clock.now();
      queue.store({ key: 'a', value: 1 });
      await clock.advance(900);
      queue.store({ key: 'b', value: 1 });
      queue.store({ key: 'a', value: 2 });
      expect(queue.nextDue).toBe(start + 1900);
      await clock.advance(900);
      queue.store({ key: 'a', value: 3 });
      await clock.advance(100);
      expect(keysOf(queue.retrieve(10))).toEqual(['b']);
      expect(queue.nextDue).toBe(start + 2500);
      await clock.advance(600);
      expect(queue.retrieve(10)).toEqual([{ key: 'a', value: 3, updates: 2 }]);
    });

    it('holds as many keys as it is told, and says so', async () => {
      queue = await fresh({ maxKeys: 2 });
      queue.store({ key: 'a', value: 1 });
      queue.store({ key: 'b', value: 1 });
      await expectCode(() => queue.store({ key: 'c', value: 1 }), 'MMCB_QUEUE_FULL');
      expect(queue.store({ key: 'a', value: 2 })).toBe(true);
      expect(pairs(queue.retrieve(1))).toEqual([['a', 2]]);
      expect(queue.retrieve(1)).toEqual([]);
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
      for (const [i, key] of keys.entries()) queue.store({ key, value: i, uniqueId: key });
      for (const [i, key] of keys.entries()) queue.store({ key, value: i + 100 });
      expect(queue.size).toBe(keys.length);
      await clock.advance(1000);
      expect(pairs(queue.retrieve(100))).toEqual(keys.map((key, i) => [key, i + 100]));
      await expectCode(() => queue.store({ key: 'x'.repeat(65_536), value: 1 }), 'MMCB_TOO_LARGE');
      await expectCode(() => queue.store({ key: '漢'.repeat(32_768), value: 1 }), 'MMCB_TOO_LARGE');
    });

    it('takes values of any size', async () => {
      queue = await fresh({ codec: binary() as never });
      const sizes = [0, 1, 8000, 8192, 65_000, 65_536, 300_000];
      for (const size of sizes) queue.store({ key: String(size), value: Buffer.alloc(size, size) });
      for (const size of sizes) queue.store({ key: String(size), value: Buffer.alloc(size, 7) });
      await clock.advance(1000);
      const items = queue.retrieve(Number.POSITIVE_INFINITY);
      expect(items.map(({ value }) => (value as Buffer).length)).toEqual(sizes);
      for (const { value } of items) expect((value as Buffer).every((byte) => byte === 7)).toBe(true);
    });
  });

  describe('leases', () => {
    it('end with ack; nothing is left', async () => {
      queue.store({ key: 'a', value: 1 });
      await clock.advance(1000);
      const [lease] = queue.lease(10, { timeout: 500 });
      expect(lease).toMatchObject({ key: 'a', value: 1, updates: 0, attempt: 1 });
      expect([queue.size, queue.retrieve(10).length, queue.nextDue]).toEqual([1, 0, undefined]);
      expect([lease?.ack(), lease?.ack(), lease?.nack()]).toEqual([true, false, false]);
      expect(queue.size).toBe(0);
      expect(queue.stats()).toMatchObject({ waiting: 0, inFlight: 0, remembered: 0 });
    });

    it('come back after nack, at once or later', async () => {
      queue.store({ key: 'a', value: 1 });
      queue.store({ key: 'b', value: 2 });
      await clock.advance(1000);
      const [a] = queue.lease(1);
      expect(a?.nack()).toBe(true);
      expect(keysOf(queue.lease(1))).toEqual(['a']);
      const [b] = queue.lease(1);
      b?.nack({ delay: 300 });
      expect(queue.nextDue).toBe(clock.now() + 300);
      expect(queue.retrieve(10)).toEqual([]);
      await clock.advance(300);
      expect(keysOf(queue.retrieve(10))).toEqual(['b']);
    });

    it('come back after their timeout, and the late ack is refused', async () => {
      queue.store({ key: 'a', value: 1 });
      await clock.advance(1000);
      const [first] = queue.lease(1, { timeout: 500 });
      await clock.advance(499);
      expect(queue.lease(1)).toEqual([]);
      await clock.advance(1);
      const [second] = queue.lease(1, { timeout: 500 });
      expect(second).toMatchObject({ key: 'a', value: 1, attempt: 2 });
      expect(first?.ack()).toBe(false);
      expect(second?.ack()).toBe(true);
      expect(queue.size).toBe(0);
    });

    it('hold updates of their key, which become an item of their own after the ack', async () => {
      queue.store({ key: 'a', value: 1 });
      await clock.advance(1000);
      const [lease] = queue.lease(1);
      queue.store({ key: 'a', value: 2 });
      await clock.advance(600);
      queue.store({ key: 'a', value: 3 });
      expect(queue.size).toBe(1);
      expect(lease?.ack()).toBe(true);
      expect(queue.nextDue).toBe(clock.now() + 400);
      await clock.advance(400);
      const [next] = queue.lease(1);
      expect(next).toMatchObject({ key: 'a', value: 3, updates: 1, attempt: 1 });
      expect(lease?.ack()).toBe(false);
      expect(next?.ack()).toBe(true);
    });

    it('keep what they hold through nack and timeout', async () => {
      queue.store({ key: 'a', value: 1 });
      await clock.advance(1000);
      const [lease] = queue.lease(1, { timeout: 100 });
      queue.store({ key: 'a', value: 2 });
      lease?.nack();
      expect(queue.lease(1, { timeout: 100 })).toMatchObject([{ value: 1, attempt: 2 }]);
      await clock.advance(1000);
      queue.store({ key: 'a', value: 3 });
      const items = queue.retrieve(10);
      expect(pairs(items)).toEqual([
        ['a', 1],
        ['a', 3],
      ]);
    });

    it('end when their key is deleted', async () => {
      queue.store({ key: 'a', value: 1, uniqueId: 'x' });
      await clock.advance(1000);
      const [lease] = queue.lease(1);
      expect([queue.has('a'), queue.delete('a'), queue.delete('a'), queue.has('a')]).toEqual([
        true,
        true,
        false,
        false,
      ]);
      expect(lease?.ack()).toBe(false);
      expect(queue.store({ key: 'a', value: 2, uniqueId: 'x' })).toBe(true);
    });
  });

  describe('consumers', () => {
    it('wait for what is due, with one timer, and acknowledge what they are done with', async () => {
      const got: unknown[] = [];
      const loop = (async () => {
        for await (const { key, value } of queue) got.push([key, value, clock.now()]);
      })();
      await clock.advance(0);
      expect(clock.timers.size).toBe(0); // nothing to wait for
      const start = clock.now();
      queue.store({ key: 'a', value: 1 });
      queue.store({ key: 'b', value: 1, delay: 400 });
      expect(clock.timers.size).toBe(1);
      const { timersSet } = clock;
      await clock.advance(10_000);
      expect(got).toEqual([
        ['b', 1, start + 400],
        ['a', 1, start + 1000],
      ]);
      expect(clock.timersSet - timersSet).toBe(1); // for a, after b
      expect(queue.size).toBe(0);
      await queue.close();
      await loop;
    });

    it('get each item once, however many there are', async () => {
      const got: string[][] = [[], [], []];
      const loops = got.map(async (mine) => {
        for await (const { key } of queue) {
          mine.push(key);
          await Promise.resolve();
        }
      });
      for (let i = 0; i < 300; i++) queue.store({ key: `k${i}`, value: i, delay: i % 7 });
      await clock.advance(10);
      expect(got.flat().sort()).toEqual(Array.from({ length: 300 }, (_, i) => `k${i}`).sort());
      expect(got.every((mine) => mine.length > 50)).toBe(true);
      await queue.close();
      await Promise.all(loops);
    });

    it('give back what they leave the loop with, unless they have said that it is done', async () => {
      for (const key of ['a', 'b', 'c']) queue.store({ key, value: 1 });
      await clock.advance(1000);
      for await (const item of queue) if (item.key === 'b') break;
      expect(queue.size).toBe(2);
      const failing = (async () => {
        for await (const item of queue) throw new Error(item.key);
      })();
      await expect(failing).rejects.toThrow('b');
      for await (const item of queue) {
        item.ack();
        break;
      }
      expect(keysOf(queue.retrieve(10))).toEqual(['c']);
    });

    it('stop waiting at a signal, and lose nothing', async () => {
      const controller = new AbortController();
      const waiting = queue.consume({ signal: controller.signal }).next();
      queue.store({ key: 'a', value: 1 });
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
      expect(clock.timers.size).toBe(0);
      await clock.advance(1000);
      expect(queue.size).toBe(1);
    });

    it('wake for a lease that has run out', async () => {
      queue.store({ key: 'a', value: 1 });
      await clock.advance(1000);
      queue.lease(1, { timeout: 700 });
      const next = queue.consume().next();
      await clock.advance(700);
      expect((await next).value).toMatchObject({ key: 'a', attempt: 2 });
    });
  });

  it('goes on where it was when the clock is set back', async () => {
    queue.store({ key: 'a', value: 1 });
    await clock.advance(400);
    expect(queue.retrieve(1)).toEqual([]);
    clock.time -= 3_600_000;
    expect(queue.nextDue).toBe(clock.now() + 600);
    await clock.advance(599);
    expect(queue.retrieve(1)).toEqual([]);
    await clock.advance(1);
    expect(keysOf(queue.retrieve(1))).toEqual(['a']);
  });

  describe('bad input', () => {
    const wrong: [string, unknown, typeof TypeError | typeof RangeError][] = [
      ['no item', undefined, TypeError],
      ['a key that is no string', { key: 1, value: 1 }, TypeError],
      ['a negative delay', { key: 'a', value: 1, delay: -1 }, RangeError],
      ['a NaN delay', { key: 'a', value: 1, delay: Number.NaN }, RangeError],
      ['an infinite delay', { key: 'a', value: 1, delay: Number.POSITIVE_INFINITY }, RangeError],
      ['a unique id that is no string', { key: 'a', value: 1, uniqueId: 5 }, TypeError],
      ['an unknown field', { key: 'a', value: 1, dealy: 5 }, TypeError],
    ];
    it.each(wrong)('%s is refused', async (_, item, type) => {
      expect(await errorOf(() => queue.store(item as never))).toBeInstanceOf(type);
      expect(queue.size).toBe(0);
    });

    it('wrong limits and options are refused', async () => {
      queue.store({ key: 'a', value: 1 });
      await clock.advance(1000);
      for (const limit of [-1, Number.NaN, 1.5]) expect(() => queue.retrieve(limit)).toThrow(RangeError);
      expect(() => queue.retrieve('1' as never)).toThrow(TypeError);
      expect(() => queue.lease(1, { timeout: -1 })).toThrow(RangeError);
      expect(() => queue.lease(1, { timeuot: 1 } as never)).toThrow(/timeout/);
      const [lease] = queue.lease(1);
      expect(() => lease?.nack({ delay: Number.NaN })).toThrow(RangeError);
      expect(lease?.ack()).toBe(true);
      for (const bad of [{ delay: -1 }, { delay: Number.NaN }, { delay: 1, ttl: 0 }, { delay: 1, maxKeys: 0 }]) {
        expect(await errorOf(() => DelayQueue.open(':memory:', bad))).toBeInstanceOf(RangeError);
      }
      for (const bad of [{}, undefined, { delay: 1, mrege: 1 }, { delay: 1, merge: 1 }, { delay: 1, readOnly: true }]) {
        expect(await errorOf(() => DelayQueue.open(':memory:', bad as never))).toBeInstanceOf(TypeError);
      }
    });

    it('values that do not encode or decode lose nothing', async () => {
      queue = await fresh({ codec: json() });
      queue.store({ key: 'a', value: 1 });
      const circular: unknown[] = [];
      circular.push(circular);
      await expectCode(() => queue.store({ key: 'a', value: circular }), 'MMCB_CODEC');
      await expectCode(() => queue.store({ key: 'b', value: 1n }), 'MMCB_CODEC');
      await clock.advance(1000);
      expect(pairs(queue.retrieve(10))).toEqual([['a', 1]]);
      queue = await fresh({
        codec: {
          encode: (value) => Buffer.from(String(value)),
          decode: (bytes) => {
            if (bytes.length > 1) throw new Error('too long');
            return bytes.toString();
          },
        },
      });
      queue.store({ key: 'a', value: '1' });
      queue.store({ key: 'b', value: '22' });
      await clock.advance(1000);
      expect(keysOf(queue.retrieve(10))).toEqual(['a']);
      await expectCode(() => queue.retrieve(10), 'MMCB_CODEC');
      await expectCode(() => queue.lease(10), 'MMCB_CODEC');
      await expect(queue.consume().next()).rejects.toMatchObject({ code: 'MMCB_CODEC' });
      expect(queue.size).toBe(1);
    });

    it('every call after close is MMCB_CLOSED', async () => {
      queue.store({ key: 'a', value: 1 });
      await clock.advance(1000);
      const [lease] = queue.lease(1);
      const waiting = queue.consume().next();
      await Promise.all([queue.close(), queue.close()]);
      expect(await waiting).toEqual({ done: true, value: undefined });
      const calls = [
        () => queue.store({ key: 'a', value: 1 }),
        () => queue.retrieve(1),
        () => queue.lease(1),
        () => lease?.ack(),
        () => lease?.nack(),
        () => queue.size,
        () => queue.nextDue,
        () => queue.has('a'),
        () => queue.delete('a'),
        () => queue.stats(),
        () => queue.consume(),
        () => queue.flush(),
      ];
      for (const call of calls) await expectCode(call, 'MMCB_CLOSED');
    });
  });

  it.skipIf(!backend.persistent)('is open once: a second opening is refused', async () => {
    await expectCode(() => open(), 'MMCB_LOCKED');
    queue.store({ key: 'a', value: 1 });
    await queue.close();
    queue = await open();
    expect(queue.size).toBe(1);
  });

  describe.skipIf(!backend.persistent)('a restart', () => {
    it('finds every item with its due time, every lease and every unique id', async () => {
      queue.store({ key: 'waiting', value: 1 });
      queue.store({ key: 'waiting', value: 2 });
      queue.store({ key: 'leased', value: 3, delay: 0 });
      queue.store({ key: 'taken', value: 4, delay: 1, uniqueId: 'x' });
      queue.store({ key: 'looped', value: 5, delay: 2 });
      queue.lease(1, { timeout: 5000 });
      queue.store({ key: 'leased', value: 6 });
      await clock.advance(2);
      queue.retrieve(1);
      expect((await queue.consume().next()).value).toMatchObject({ key: 'looped' });
      const due = queue.nextDue;
      await queue.close();

      queue = await open();
      expect(queue.size).toBe(3);
      expect(keysOf(queue.retrieve(10))).toEqual(['looped']);
      expect(queue.nextDue).toBe(due);
      expect(queue.store({ key: 'taken', value: 7, uniqueId: 'x' })).toBe(false);
      await clock.advance(998);
      expect(queue.retrieve(10)).toEqual([{ key: 'waiting', value: 2, updates: 1 }]);
      await clock.advance(3999);
      expect(queue.retrieve(10)).toEqual([]);
      await clock.advance(1);
      expect(pairs(queue.retrieve(10))).toEqual([
        ['leased', 3],
        ['leased', 6],
      ]);
    });

    it('with the clock set back lets nothing wait longer than it was to wait', async () => {
      queue.store({ key: 'a', value: 1 });
      await queue.close();
      clock.time -= 3_600_000;
      queue = await open();
      expect(queue.nextDue).toBe(clock.now() + 1000);
    });

    it('keeps the order of what is due at the same time', async () => {
      for (let i = 0; i < 50; i++) queue.store({ key: `k${(i * 7) % 50}`, value: i });
      await queue.close();
      queue = await open();
      for (let i = 50; i < 60; i++) queue.store({ key: `k${i}`, value: i });
      await clock.advance(1000);
      expect(queue.retrieve(100).map(({ value }) => value)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    });
  });
}
