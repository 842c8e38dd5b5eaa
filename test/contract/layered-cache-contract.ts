/** What every cache does, whatever layers it has; see test/unit/cache/contract.test.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { json, LayeredCache, type LayeredCacheOptions, type RemoteLayer } from '../../src/index.js';
import { errorOf, expectCode } from '../support/expect.js';
import { ManualClock } from '../support/manual-clock.js';
import { deferred } from '../support/wait.js';

/** The layers of a cache. */
export interface CacheHome {
  readonly name: string;
  /** The path of its file, a new one for each test. */
  path?(): string;
  /** Its remote layer, with a prefix of its own for each test. */
  remote?(): RemoteLayer;
}

type Options = LayeredCacheOptions<unknown>;
type Gone = [key: string, value: unknown, reason: string];

export function layeredCacheContract(home: CacheHome): void {
  let clock: ManualClock;
  let options: Options;
  let cache: LayeredCache;
  let gone: Gone[];
  const opened: LayeredCache[] = [];

  const open = async (more: Options = {}): Promise<LayeredCache> => {
    const made = await LayeredCache.open({ ...options, ...more });
    made.onDelete((key, value, reason) => gone.push([key, value, reason]));
    opened.push(made);
    return made;
  };
  /** A new cache with other options, and nothing in it. */
  const fresh = async (more: Options = {}): Promise<LayeredCache> => {
    const path = home.path?.();
    const redis = home.remote?.();
    options = {
      clock,
      cleanupInterval: Number.POSITIVE_INFINITY,
      onRedisError: 'throw',
      ...(path && { path, file: { initialSize: 65_536, segmentSize: 65_536 } }),
      ...(redis && { redis }),
    };
    cache = await open(more);
    return cache;
  };
  /** Lets time go by: for the cache, and for Redis, which has a clock of its own. */
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    if (home.remote !== undefined) await sleep(ms);
  };

  beforeEach(async () => {
    clock = new ManualClock(Date.now());
    gone = [];
    await fresh();
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
  });

  describe('as in bufrex', () => {
    it('put with the default expiry: there, not there, updated', async () => {
      await fresh({ defaultExpiry: 2000 });
      for (let i = 0; i < 100; i++) await cache.put(`key_${i}`, i, LayeredCache.DefaultExpiry);
      expect(await cache.get('key_90')).toBe(90);
      expect(await cache.get('key_99999')).toBeUndefined();
      await cache.put('key_90', 11, LayeredCache.DefaultExpiry);
      expect(await cache.get('key_90')).toBe(11);
    });

    it('set fails on a key that exists', async () => {
      expect(await cache.set('key_1', 1, LayeredCache.DefaultExpiry)).toBe(true);
      expect(await cache.set('key_1', 2, LayeredCache.DefaultExpiry)).toBe(false);
      expect(await cache.get('key_1')).toBe(1);
    });

    it('what has expired is not found', async () => {
      await fresh({ defaultExpiry: -2000 });
      await cache.put('key_1', 1, LayeredCache.DefaultExpiry);
      expect(await cache.get('key_1')).toBeUndefined();
    });

    it('what does not expire is found', async () => {
      await fresh({ defaultExpiry: -2000 });
      await cache.put('key_1', 1, LayeredCache.NoExpiry);
      expect(await cache.get('key_1')).toBe(1);
    });

    it('deleteExpired takes away all that has expired', async () => {
      await fresh({ defaultExpiry: 100_000 });
      for (let i = 0; i < 20; i++) await cache.put(`key_${i}`, i, LayeredCache.DefaultExpiry);
      expect(cache.size).toBe(20);
      await clock.advance(110_000); // the local layers' time, not that of Redis
      expect(await cache.deleteExpired()).toBe(20);
      expect(cache.size).toBe(0);
    });

    it('the janitor does so each cleanupInterval, until it is stopped', async () => {
      await fresh({ defaultExpiry: 100_000, cleanupInterval: 200_000 });
      for (let i = 0; i < 20; i++) await cache.put(`key_${i}`, i, LayeredCache.DefaultExpiry);
      expect(cache.size).toBe(20);
      await clock.advance(500_000);
      expect(cache.size).toBe(0);
      cache.stopCleaner();
      for (let i = 0; i < 20; i++) await cache.put(`key_${i}`, i, LayeredCache.DefaultExpiry);
      await clock.advance(500_000);
      expect(cache.size).toBe(20);
    });

    it('delete, and its callback', async () => {
      await cache.set('expiry_data', 'hello world', 100_000);
      expect(await cache.delete('expiry_data')).toBe(true);
      expect(await cache.get('expiry_data')).toBeUndefined();
      expect(await cache.delete('not existing')).toBe(false);
      expect(gone).toEqual([['expiry_data', 'hello world', 'delete']]);
    });
  });

  describe('values and keys', () => {
    it('come back as they were', async () => {
      const values = [0, -1.5, '', 'text', null, false, [1, [2]], { a: { b: 1 } }, new Date(5), Buffer.from([1, 2, 3])];
      for (const [i, value] of values.entries()) await cache.put(`${i}`, value);
      for (const [i, value] of values.entries()) expect(await cache.get(`${i}`)).toEqual(value);
    });

    it('any string is a key of its own', async () => {
      const keys = [
        '',
        '\0',
        'a',
        'a\0',
        ' a',
        '\u00e9',
        'e\u0301',
        '😀',
        '\ud83d',
        '\ude00',
        '\ud83dx',
        '\ufffd',
        'x'.repeat(60_000),
      ];
      keys.push('mmcb:kind', 'mmcb:opener', '__proto__', 'constructor', 'ea', 'ca', '\r\n', '*');
      for (const [i, key] of keys.entries()) expect(await cache.set(key, i)).toBe(true);
      for (const [i, key] of keys.entries())
        expect([key.slice(0, 9), await cache.get(key)]).toEqual([key.slice(0, 9), i]);
      for (const key of keys) expect(await cache.delete(key)).toBe(true);
      for (const key of keys) expect(await cache.has(key)).toBe(false);
    });

    it('has and peek look without changing anything', async () => {
      await cache.put('a', 1);
      expect([await cache.has('a'), await cache.has('b'), cache.peek('a'), cache.peek('b')]).toEqual([
        true,
        false,
        1,
        undefined,
      ]);
      const { hits, misses } = cache.stats();
      expect([hits, misses]).toEqual([0, 0]);
    });

    it('pass encode and decode with their key, as strings or as bytes', async () => {
      if (home.path === undefined && home.remote === undefined) return; // nothing is encoded
      const seen: unknown[] = [];
      for (const make of [(text: string) => text, (text: string) => Buffer.from(text)]) {
        await fresh({
          encode: (key, value) => make(`${key}=${String(value)}`),
          decode: (key, data: string | Buffer) => {
            seen.push(typeof data);
            return data.toString().slice(key.length + 1);
          },
          memory: { maxBytes: 1 }, // everything is decoded
        });
        await cache.put('k', 'v');
        expect(await cache.get('k')).toBe('v');
      }
      expect(seen).toEqual(['string', 'object']);
    });
  });

  describe('expiry', () => {
    it('is that of the entry, of the cache, or none', async () => {
      await fresh({ defaultExpiry: 600 });
      await cache.put('default', 1);
      await cache.put('long', 1, 100_000);
      await cache.put('never', 1, LayeredCache.NoExpiry);
      expect(await cache.get('default')).toBe(1);
      await pass(630);
      expect([await cache.get('default'), await cache.has('default'), cache.peek('default')]).toEqual([
        undefined,
        false,
        undefined,
      ]);
      expect([await cache.get('long'), await cache.get('never')]).toEqual([1, 1]);
    });

    it('begins again with each put, and lets set in', async () => {
      await cache.put('a', 1, 200);
      await cache.put('a', 2, 100_000);
      await cache.put('b', 1, 200);
      await pass(230);
      expect(await cache.get('a')).toBe(2);
      expect(await cache.set('b', 2)).toBe(true);
      expect(await cache.get('b')).toBe(2);
    });

    it('is told once for each entry, whoever notices', async () => {
      for (const key of ['a', 'b', 'c', 'd']) await cache.put(key, key.toUpperCase(), 800);
      await pass(830);
      await cache.get('a');
      await cache.get('a');
      await cache.put('b', 'new');
      await cache.delete('c');
      await cache.deleteExpired();
      await cache.deleteExpired();
      expect(gone.sort()).toEqual(['a', 'b', 'c', 'd'].map((key) => [key, key.toUpperCase(), 'expiry']));
    });

    it('varies by jitter, downwards only', async () => {
      await fresh({ jitter: 0.5 });
      for (let i = 0; i < 200; i++) await cache.put(`${i}`, i, 100_000);
      await clock.advance(49_000);
      await cache.deleteExpired();
      expect(cache.size).toBe(200);
      await clock.advance(26_000);
      await cache.deleteExpired();
      expect(cache.size).toBeGreaterThan(50);
      expect(cache.size).toBeLessThan(150);
      await clock.advance(26_000);
      await cache.deleteExpired();
      expect(cache.size).toBe(0);
    });
  });

  describe('getOrLoad', () => {
    it('loads once for many, and then no more', async () => {
      let calls = 0;
      const load = async (key: string) => {
        calls += 1;
        await sleep(5);
        return `value of ${key}`;
      };
      const all = await Promise.all(Array.from({ length: 1000 }, () => cache.getOrLoad('a', load)));
      expect(new Set(all)).toEqual(new Set(['value of a']));
      expect(await cache.getOrLoad('a', load)).toBe('value of a');
      expect(calls).toBe(1);
      expect(cache.stats().loads).toBe(1);
    });

    it('rejects with the error of the loader, and tries again', async () => {
      const failure = new Error('no');
      await expect(cache.getOrLoad('a', () => Promise.reject(failure))).rejects.toBe(failure);
      expect(await cache.getOrLoad('a', () => 1)).toBe(1);
      expect(cache.stats()).toMatchObject({ loads: 2, failedLoads: 1 });
    });

    it('serves stale while it loads again', async () => {
      let version = 0;
      const load = () => `v${++version}`;
      const settings = { expiry: 200, staleFor: 100_000 };
      expect(await cache.getOrLoad('a', load, settings)).toBe('v1');
      await pass(230);
      expect(await cache.get('a')).toBeUndefined();
      expect(await cache.has('a')).toBe(false);
      const both = await Promise.all([cache.getOrLoad('a', load, settings), cache.getOrLoad('a', load, settings)]);
      expect(both).toEqual(['v1', 'v1']);
      expect(version).toBe(2);
      for (let i = 0; (await cache.get('a')) !== 'v2'; i++) {
        expect(i).toBeLessThan(1000);
        await sleep(1);
      }
      expect(cache.stats().staleServed).toBe(2);
      expect(gone).toEqual([]);
      await pass(230);
      expect(await cache.set('a', 'set')).toBe(true); // stale is as good as gone
    });

    it('remembers that there is nothing, if told to', async () => {
      let calls = 0;
      const nothing = (): undefined => {
        calls += 1;
      };
      await cache.getOrLoad('a', nothing);
      await cache.getOrLoad('a', nothing);
      expect(calls).toBe(2);
      for (let i = 0; i < 3; i++) expect(await cache.getOrLoad('b', nothing, { negativeExpiry: 60 })).toBeUndefined();
      expect(calls).toBe(3);
      expect([await cache.get('b'), await cache.has('b'), cache.peek('b')]).toEqual([undefined, false, undefined]);
      await pass(70);
      await cache.getOrLoad('b', nothing);
      expect(calls).toBe(4);
      await cache.getOrLoad('c', nothing, { negativeExpiry: 100_000 });
      expect(await cache.set('c', 1)).toBe(true);
      expect(await cache.get('c')).toBe(1);
      expect(gone).toEqual([]);
    });

    it('does not store what was loaded before a change', async () => {
      for (const change of ['put', 'delete'] as const) {
        const { promise, resolve } = deferred<string>();
        const loading = cache.getOrLoad(change, () => promise);
        for (let i = 0; cache.stats().loads === 0 || i < 20; i++) await sleep(1);
        await (change === 'put' ? cache.put(change, 'newer') : cache.delete(change));
        resolve('older');
        expect(await loading).toBe('older');
        expect(await cache.get(change)).toBe(change === 'put' ? 'newer' : undefined);
      }
    });

    it('stops waiting on a signal, with its reason', async () => {
      const controller = new AbortController();
      const { promise, resolve } = deferred<number>();
      const load = () => promise;
      const waiting = cache.getOrLoad('a', load, { signal: controller.signal });
      const other = cache.getOrLoad('a', load);
      for (let i = 0; i < 20; i++) await sleep(1);
      const reason = new Error('enough');
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);
      await expect(cache.getOrLoad('a', load, { signal: controller.signal })).rejects.toBe(reason);
      resolve(7);
      expect(await other).toBe(7);
    });
  });

  describe('bounds', () => {
    it('hold for entries, in every local layer, and are told once', async () => {
      await fresh({ maxEntries: 100 });
      for (let i = 0; i < 1000; i++) await cache.put(`${i}`, i);
      const { memory, file } = cache.stats();
      expect(memory.entries).toBeLessThanOrEqual(100);
      expect(file?.entries ?? 100).toBeLessThanOrEqual(100);
      expect(cache.size).toBeGreaterThan(90);
      expect(gone.length).toBe(1000 - cache.size);
      expect(new Set(gone.map(([key]) => key)).size).toBe(gone.length);
      expect(gone.every(([key, value, reason]) => key === `${value}` && reason === 'eviction')).toBe(true);
      expect(await cache.get('999')).toBe(999);
    });

    it('hold for bytes', async () => {
      await fresh({ maxBytes: 20_000, codec: json() });
      for (let i = 0; i < 300; i++) await cache.put(`${i}`, 'x'.repeat(i));
      const { memory, file } = cache.stats();
      expect(memory.bytes).toBeLessThanOrEqual(20_000);
      expect(file?.bytes ?? 0).toBeLessThanOrEqual(20_000);
      expect(memory.entries).toBeGreaterThan(10);
      expect(await cache.get('299')).toBe('x'.repeat(299));
    });

    it('let go of what was not used first', async () => {
      await fresh({ maxEntries: 50 });
      for (let i = 0; i < 50; i++) await cache.put(`hot ${i % 10}`, i);
      for (let i = 0; i < 500; i++) {
        await cache.put(`cold ${i}`, i);
        for (let j = 0; j < 10; j++) await cache.get(`hot ${j}`);
      }
      for (let j = 0; j < 10; j++) expect(await cache.get(`hot ${j}`)).toBe(40 + j);
      const { memory } = cache.stats();
      expect(memory.hits).toBeGreaterThan(4500);
    });

    it('a value beyond all bounds is refused, or left to Redis', async () => {
      await fresh({ maxBytes: 1000, codec: json() });
      await cache.put('a', 'small');
      const large = 'x'.repeat(2000);
      if (home.remote === undefined) {
        await expectCode(() => cache.put('a', large), 'MMCB_TOO_LARGE');
        expect(await cache.get('a')).toBe('small');
      } else {
        await cache.put('a', large);
        expect(await cache.get('a')).toBe(large);
        expect(cache.stats().memory.entries).toBe(0);
      }
    });
  });

  describe('bad input', () => {
    it('options', async () => {
      const types = [
        { redis: {} },
        { redis: { url: 'redis://localhost' } },
        { codec: {} },
        { encode: () => '' },
        { decode: () => 1 },
        { encode: 1, decode: 1 },
        { codec: json(), encode: () => '', decode: () => 1 },
        { defaultExpiry: '1' },
        { maxEntreis: 1 },
        { path: 1 },
        { path: '' },
        { file: { maxEntries: 1 } },
        { path: ':memory:', file: { readOnly: true } },
        { memory: { maxEntires: 1 } },
        { cleanupInterval: 'often' },
        { clock: 1 },
        { name: 1 },
        { signal: 1 },
        'cache.mmcb',
      ];
      for (const bad of types) {
        const error = await errorOf(() => LayeredCache.open(bad as never));
        expect([bad, error.constructor]).toEqual([bad, TypeError]);
      }
      const ranges = [
        { defaultExpiry: Number.NaN },
        { maxEntries: 0 },
        { maxBytes: -1 },
        { maxEntries: 1.5 },
        { cleanupInterval: 0 },
        { cleanupInterval: 2 ** 31 },
        { jitter: 2 },
        { negativeExpiry: -1 },
        { loadTimeout: 0 },
        { maxPending: -1 },
        { onRedisError: 'panic' },
        { memory: { maxBytes: 0 } },
      ];
      for (const bad of ranges) {
        const error = await errorOf(() => LayeredCache.open(bad as never));
        expect([bad, error.constructor]).toEqual([bad, RangeError]);
      }
    });

    it('arguments', async () => {
      for (const key of [1, undefined, null, {}, Symbol('a'), Buffer.from('a')] as never[]) {
        const calls = [
          () => cache.get(key),
          () => cache.put(key, 1),
          () => cache.set(key, 1),
          () => cache.has(key),
          () => cache.peek(key),
          () => cache.delete(key),
          () => cache.getOrLoad(key, () => 1),
        ];
        for (const call of calls) expect(await errorOf(call)).toBeInstanceOf(TypeError);
      }
      for (const call of [
        () => cache.put('a', undefined),
        () => cache.set('a', undefined),
        () => cache.put('a', 1, '5' as never),
        () => cache.put('a', 1, null as never),
        () => cache.getOrLoad('a', 1 as never),
        () => cache.getOrLoad('a', () => 1, { expriy: 1 } as never),
        () => cache.onDelete(1 as never),
      ]) {
        expect(await errorOf(call)).toBeInstanceOf(TypeError);
      }
      for (const call of [
        () => cache.put('a', 1, Number.NaN),
        () => cache.set('a', 1, 1e300),
        () => cache.getOrLoad('a', () => 1, { staleFor: -1 }),
        () => cache.getOrLoad('a', () => 1, { expiry: Number.NaN }),
      ]) {
        expect(await errorOf(call)).toBeInstanceOf(RangeError);
      }
      expect([cache.size, await cache.has('a')]).toEqual([0, false]);
    });

    it('an encoder or decoder that throws, or makes nothing', async () => {
      if (home.path === undefined && home.remote === undefined) return;
      let broken = '';
      await fresh({
        memory: { maxBytes: 1 },
        encode: (_, value) => {
          if (broken === 'encode') throw new Error('cannot encode');
          return broken === 'nothing' ? (undefined as never) : String(value);
        },
        decode: (_, data: string) => {
          if (broken === 'decode') throw new Error('cannot decode');
          return data;
        },
      });
      await cache.put('a', 'first');
      for (broken of ['encode', 'nothing']) {
        await expectCode(() => cache.put('a', 'second'), 'MMCB_CODEC');
        await expectCode(() => cache.set('b', 'second'), 'MMCB_CODEC');
        await expectCode(() => cache.getOrLoad('b', () => 'third'), 'MMCB_CODEC');
      }
      broken = 'decode';
      const error = await expectCode(() => cache.get('a'), 'MMCB_CODEC');
      expect((error.cause as Error).message).toBe('cannot decode');
      broken = '';
      expect([await cache.get('a'), await cache.has('b')]).toEqual(['first', false]);
      broken = 'decode';
      await cache.delete('a');
      expect(gone).toEqual([['a', undefined, 'delete']]);
      broken = '';
      expect(await cache.get('a')).toBeUndefined();
    });

    it('every call after close is MMCB_CLOSED', async () => {
      await cache.put('a', 1);
      await Promise.all([cache.close(), cache.close()]);
      await cache.close();
      const calls = [
        () => cache.get('a'),
        () => cache.get('b'),
        () => cache.put('a', 1),
        () => cache.set('a', 1),
        () => cache.has('a'),
        () => cache.peek('a'),
        () => cache.delete('a'),
        () => cache.getOrLoad('a', () => 1),
        () => cache.onDelete(() => {}),
        () => cache.deleteExpired(),
        () => cache.stats(),
        () => cache.size,
        () => cache.flush(),
      ];
      for (const call of calls) await expectCode(call, 'MMCB_CLOSED');
      cache.stopCleaner();
    });
  });

  it('onDelete can be ended', async () => {
    const heard: string[] = [];
    const end = cache.onDelete((key) => heard.push(key));
    await cache.put('a', 1);
    await cache.delete('a');
    end();
    await cache.put('b', 1);
    await cache.delete('b');
    expect(heard).toEqual(['a']);
  });
}
