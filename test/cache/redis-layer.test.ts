/** redisLayer: what it takes, what it refuses, and what is in Redis. */
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { json, LayeredCache, type LayeredCacheOptions } from '../../src/index.js';
import { type RedisLayerOptions, redisLayer } from '../../src/redis/index.js';
import { keyBytes } from '../../src/redis/keys.js';
import { formatMeta, parseMeta } from '../../src/redis/meta.js';
import { expectCode } from '../support/expect.js';
import { adminOf, hasRedis, RedisServer } from '../support/redis-server.js';
import { newPrefix } from './homes.js';

describe('redisLayer', () => {
  it('refuses what is neither a client nor options of one, as bufrex panics', () => {
    const url = 'redis://localhost:1';
    for (const bad of [
      undefined,
      null,
      'redis://localhost',
      6379,
      [],
      { name: 'some name', age: 1232 },
      { duplicate: 1 },
    ]) {
      expect(() => redisLayer(bad as never)).toThrow(TypeError);
    }
    const bad = [
      { prefix: 1 },
      { encode: 1 },
      { encode: () => '' },
      { invalidation: 'often' },
      { tiemout: 1 },
      { timeout: '1' },
    ];
    for (const options of bad) expect(() => redisLayer({ url }, options as never)).toThrow(TypeError);
    for (const options of [{ timeout: 0 }, { conflictWindow: 0 }, { onRedisError: 'panic' }]) {
      expect(() => redisLayer({ url }, options as never)).toThrow(RangeError);
    }
  });

  it('is refused where another adapter is named', async () => {
    await expect(LayeredCache.open({ redis: 'postgres' } as never)).rejects.toThrow(TypeError);
  });

  it('meta that is none, or of another value, is not taken for one', () => {
    const [name, value] = [Buffer.from('ab'), Buffer.from('c')];
    const meta = { stamp: { time: 12, origin: 'ab-_cdef' }, form: 'b' as const, staleFor: 5 };
    const text = formatMeta(meta, name, value);
    expect(parseMeta(text, name, value)).toEqual(meta);
    expect(parseMeta(text, Buffer.from('a'), Buffer.from('bc'))).toBeUndefined();
    expect(parseMeta(text, name, Buffer.from('d'))).toBeUndefined();
    for (let i = 0; i < text.length; i++) {
      expect(parseMeta(`${text.slice(0, i)}7${text.slice(i + 1)}`, name, value)).toBeOneOf([undefined, meta]);
    }
    for (const bad of [
      '',
      'x',
      '1:a:b',
      '1:a:zz:s:0',
      '-1:a:0:s:0',
      '1:a:0:x:0',
      '1:a:0:s:0:',
      `${'9'.repeat(17)}:a:0:s:0`,
    ]) {
      expect(parseMeta(bad, name, value)).toBeUndefined();
    }
  });

  it('every string has bytes of its own', () => {
    const keys = ['', 'a', 'é', '😀', '\ud83d', '\ude00', '\ude00\ud83d', 'a\ud83db', '\ufffd'];
    expect(new Set(keys.map((key) => keyBytes(key).toString('hex'))).size).toBe(keys.length);
    expect(keyBytes('😀')).toEqual(Buffer.from('😀'));
  });
});

describe.skipIf(!hasRedis)('redisLayer, with a server', () => {
  let server: RedisServer;
  let prefix: string;
  const opened: LayeredCache<unknown>[] = [];
  const ended: (() => void)[] = [];

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  beforeEach(() => {
    prefix = newPrefix();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((cache) => cache.close()));
    for (const end of ended.splice(0)) end();
  });

  const open = async (layer: RedisLayerOptions = {}, options: LayeredCacheOptions<unknown> = {}) => {
    const redis = redisLayer({ url: server.url }, { prefix, timeout: 3000, ...layer });
    const cache = await LayeredCache.open<unknown>({ redis, onRedisError: 'throw', ...options });
    opened.push(cache);
    return cache;
  };
  const text: Pick<RedisLayerOptions, 'encode' | 'decode'> = {
    encode: (_, value) => String(value),
    decode: (_, data: string) => data,
  };

  it('bufrex: what is set is in Redis too, and what is deleted is not', async () => {
    const admin = await adminOf(server);
    const cache = await open(text);
    expect(await cache.set('expiry_data', 'hellew_world', 5000)).toBe(true);
    expect(await admin.get(`${prefix}expiry_data`)).toBe('hellew_world');
    const left = await admin.pTTL(`${prefix}expiry_data`);
    expect(left).toBeGreaterThan(3000);
    expect(left).toBeLessThanOrEqual(5000);
    await cache.delete('expiry_data');
    expect(await admin.get(`${prefix}expiry_data`)).toBeNull();
  });

  it('bufrex: what is in Redis and not in memory is found', async () => {
    const admin = await adminOf(server);
    const cache = await open(text);
    await admin.set(`${prefix}persisted_not_memory`, 'hello world', { PX: 3000 });
    expect(await cache.get('persisted_not_memory')).toBe('hello world');
    expect(cache.peek('persisted_not_memory')).toBe('hello world');
    expect(await cache.has('persisted_not_memory')).toBe(true);
    expect(await cache.set('persisted_not_memory', 'x')).toBe(false);
  });

  it('bufrex: what has expired in Redis is not found, and deleting what is not there is false', async () => {
    const cache = await open(text);
    await cache.put('some_key', 'hello world', 300);
    expect(await cache.get('some_key')).toBe('hello world');
    await new Promise((resolve) => setTimeout(resolve, 330));
    expect(await cache.get('some_key')).toBeUndefined();
    expect(await cache.delete('not existing')).toBe(false);
  });

  it('bufrex: an encoder or decoder that fails is MMCB_CODEC', async () => {
    const failing = {
      encode: () => {
        throw new Error('failed to encode');
      },
      decode: (_: string, data: string) => data,
    };
    const cache = await open(failing);
    await expectCode(() => cache.put('a', 'hello'), 'MMCB_CODEC');
    expect(await cache.get('a')).toBeUndefined();
    const other = await open({
      encode: text.encode,
      decode: () => {
        throw new Error('failed to decode');
      },
    });
    await other.put('b', 'hello');
    expect(await other.get('b')).toBe('hello'); // from memory
    const third = await open({
      encode: text.encode,
      decode: () => {
        throw new Error('failed to decode');
      },
    });
    await expectCode(() => third.get('b'), 'MMCB_CODEC');
  });

  it('bufrex: another instance has it, after a restart too', async () => {
    const one = await open();
    await one.put('a', { deep: [1, 2] }, 60_000);
    await one.close();
    const two = await open();
    expect(await two.get('a')).toEqual({ deep: [1, 2] });
    expect(two.stats()).toMatchObject({ redis: { hits: 1 }, memory: { promotions: 1 } });
  });

  it('keeps what has been promoted no longer than Redis does', async () => {
    const one = await open();
    const two = await open({}, { defaultExpiry: 60_000 });
    await one.put('a', 1, 300);
    expect(await two.get('a')).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 330));
    expect(await two.get('a')).toBeUndefined();
  });

  it('tells listeners the value of what only Redis had', async () => {
    await (await open()).put('a', 'there');
    const two = await open();
    const gone: unknown[] = [];
    two.onDelete((...detail) => gone.push(detail));
    expect(await two.delete('a')).toBe(true);
    expect(gone).toEqual([['a', 'there', 'delete']]);
  });

  it('encodes differently than the cache, where told to', async () => {
    const admin = await adminOf(server);
    const cache = await open(text, { path: ':memory:', codec: json(), memory: { maxBytes: 1 } });
    await cache.put('a', 'xyz');
    expect(await admin.get(`${prefix}a`)).toBe('xyz');
    expect(await cache.get('a')).toBe('xyz'); // from the file
    const other = await open(text, { path: ':memory:', codec: json(), memory: { maxBytes: 1 } });
    expect([await other.get('a'), await other.get('a')]).toEqual(['xyz', 'xyz']);
    expect(other.stats()).toMatchObject({ redis: { hits: 1 }, file: { hits: 1 } });
  });

  it('takes clients of node-redis and of ioredis, and leaves them as they are', async () => {
    const node = createClient({ url: server.url, name: 'mine' });
    const io = new Redis(server.port, '127.0.0.1', { lazyConnect: true });
    ended.push(() => io.disconnect());
    for (const redis of [redisLayer(node, { prefix }), redisLayer(io, { prefix })]) {
      const cache = await LayeredCache.open({ redis, onRedisError: 'throw' });
      await cache.put('a', 1);
      expect(await cache.get('a')).toBe(1);
      await cache.close();
    }
    expect([node.isOpen, io.status]).toEqual([false, 'wait']);
    await node.connect();
    expect(await node.exists(`${prefix}a`)).toBe(1);
    node.destroy();
  });

  it('leaves no connection behind', async () => {
    const admin = await adminOf(server);
    const clients = async () => (await admin.sendCommand<string>(['CLIENT', 'LIST'])).trim().split('\n').length;
    const before = await clients();
    const cache = await open({ invalidation: 'channel' });
    expect(await clients()).toBe(before + 2);
    await cache.close();
    for (let i = 0; (await clients()) > before; i++) expect(i).toBeLessThan(500);
  });

  it('is told by Redis where that is asked for, and says so where it cannot be', async () => {
    await (await open({ invalidation: 'tracking' })).put('a', 1);
    const redis = redisLayer({ url: server.url, RESP: 2 }, { prefix, invalidation: 'tracking' });
    await expectCode(() => LayeredCache.open({ redis, onRedisError: 'throw' }), 'MMCB_LAYER');
    const channel = await LayeredCache.open({
      redis: redisLayer({ url: server.url, RESP: 2 }, { prefix }),
      onRedisError: 'throw',
    });
    expect(await channel.get('a')).toBe(1);
    await channel.close();
  });

  it('without invalidation, serves what it has until it expires', async () => {
    const one = await open({ invalidation: false });
    const two = await open();
    await two.put('a', 1);
    expect(await one.get('a')).toBe(1);
    await two.put('a', 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await one.get('a')).toBe(1);
  });

  it('with an empty prefix, too', async () => {
    const one = await open({ prefix: '' });
    const two = await open({ prefix: '' });
    await one.put(`${prefix}a`, 1);
    expect(await two.get(`${prefix}a`)).toBe(1);
    await one.put(`${prefix}a`, 2);
    for (let i = 0; (await two.get(`${prefix}a`)) !== 2; i++) {
      expect(i).toBeLessThan(100);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
});
