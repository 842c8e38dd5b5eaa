/** What becomes of calls when Redis refuses, hangs, dies, or answers with errors. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { json, LayeredCache, type LayeredCacheOptions } from '../../src/index.js';
import { type RedisLayerOptions, redisLayer } from '../../src/redis/index.js';
import { expectCode } from '../support/expect.js';
import { FaultyProxy } from '../support/proxy.js';
import { Random } from '../support/random.js';
import { adminOf, hasRedis, RedisServer } from '../support/redis-server.js';
import { tempFile } from '../support/temp.js';
import { until } from '../support/wait.js';
import { newPrefix } from './homes.js';

/** Milliseconds that a call may take, and what comes on top on a busy machine. */
const TIMEOUT = 400;
const SLACK = 1500;
/** For where nothing hangs. */
const patient = { timeout: 5000 };

const opened: LayeredCache<unknown>[] = [];
let prefix: string;

async function open(
  url: string,
  options: LayeredCacheOptions<unknown> = {},
  layer: RedisLayerOptions = {},
): Promise<LayeredCache<unknown>> {
  const redis = redisLayer({ url }, { prefix, timeout: TIMEOUT, ...layer });
  const cache = await LayeredCache.open({ codec: json(), redis, ...options });
  opened.push(cache);
  return cache;
}
const isUp = (cache: LayeredCache<unknown>) => until(() => cache.stats().redis?.state === 'up', 'the connection');
const isDown = (cache: LayeredCache<unknown>) => until(() => cache.stats().redis?.state === 'down', 'the loss');
const isSent = (cache: LayeredCache<unknown>) => until(() => cache.stats().redis?.pending === 0, 'the replay');

/** Expects a call to end within the deadline, one way or the other. */
async function inTime<T>(call: () => Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    return await call();
  } finally {
    expect(performance.now() - start).toBeLessThan(TIMEOUT + SLACK);
  }
}

beforeEach(() => {
  prefix = newPrefix();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((cache) => cache.close()));
});

describe('without a server', () => {
  it("opens and serves what is local, with 'serve-local'", async () => {
    const cache = await inTime(() => open('redis://127.0.0.1:1'));
    expect(cache.stats().redis).toMatchObject({ state: 'down', pending: 0 });
    expect(await cache.set('a', 1)).toBe(true);
    expect(await cache.set('a', 2)).toBe(false);
    await cache.put('b', 2);
    expect([await cache.get('a'), await cache.get('b'), await cache.get('c'), cache.peek('a')]).toEqual([
      1,
      2,
      undefined,
      1,
    ]);
    expect([await cache.has('a'), await cache.has('c'), await cache.delete('a'), await cache.delete('a')]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(await cache.getOrLoad('c', () => 3)).toBe(3);
    expect(cache.stats().redis).toMatchObject({ pending: 3 });
  });

  it("does not open with 'throw', as bufrex panics", async () => {
    const error = await inTime(() =>
      expectCode(() => open('redis://127.0.0.1:1', { onRedisError: 'throw' }), 'MMCB_LAYER'),
    );
    expect((error.cause as { code: string }).code).toBe('ECONNREFUSED');
    await expectCode(() => open('redis://127.0.0.1:1', {}, { onRedisError: 'throw' }), 'MMCB_LAYER');
  });

  it('refuses writes beyond maxPending, with nothing changed', async () => {
    const cache = await open('redis://127.0.0.1:1', { maxPending: 2 });
    await cache.put('a', 1);
    await cache.put('b', 1);
    await cache.put('a', 2);
    await expectCode(() => cache.put('c', 1), 'MMCB_LAYER');
    await expectCode(() => cache.delete('c'), 'MMCB_LAYER');
    expect([await cache.get('a'), await cache.get('c')]).toEqual([2, undefined]);
  });

  it('stops trying when it is closed', async () => {
    const cache = await open('redis://127.0.0.1:1');
    await cache.put('a', 1);
    await cache.close();
    await expectCode(() => cache.get('a'), 'MMCB_CLOSED');
  });
});

describe.skipIf(!hasRedis)('a server that', () => {
  let server: RedisServer;
  const servers: RedisServer[] = [];
  const start = async (options?: Parameters<typeof RedisServer.start>[0]): Promise<RedisServer> => {
    server = await RedisServer.start(options);
    servers.push(server);
    return server;
  };
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((one) => one.kill()));
  });

  it('hangs: no call waits beyond its deadline, and after some none waits at all', async () => {
    await start();
    const local = await open(server.url);
    const strict = await open(server.url, { onRedisError: 'throw' });
    await local.put('a', 1);
    server.pause();
    await inTime(() => expectCode(() => strict.get('b'), 'MMCB_LAYER'));
    expect(await inTime(() => local.get('b'))).toBeUndefined();
    await inTime(() => local.put('b', 2));
    expect(await inTime(() => local.get('b'))).toBe(2);
    for (let i = 0; i < 3; i++) {
      await inTime(() => expectCode(() => strict.put('c', 3), 'MMCB_LAYER'));
      await inTime(() => local.put('c', 3));
    }
    await Promise.all([isDown(local), isDown(strict)]);
    const started = performance.now();
    for (let i = 0; i < 50; i++) {
      await expectCode(() => strict.get('a'), 'MMCB_LAYER');
      expect([await local.get('a'), await local.get('d')]).toEqual([1, undefined]);
    }
    expect(performance.now() - started).toBeLessThan(50 * TIMEOUT); // not one deadline each
    expect(local.stats().redis?.timeouts).toBeGreaterThanOrEqual(1);
    server.resume();
    await Promise.all([isUp(local), isUp(strict), isSent(local)]);
    expect([await strict.get('b'), await strict.get('c')]).toEqual([2, 3]);
  });

  it('is killed and comes back: what was written meanwhile gets there, from all, newest wins', async () => {
    await start({ persistent: true });
    const path = tempFile();
    const a = await open(server.url, { path });
    const b = await open(server.url);
    await a.put('kept', 1);
    await a.put('gone', 1);
    await server.kill();
    await Promise.all([isDown(a), isDown(b)]);
    await a.put('both', 'older');
    await sleep(5);
    await b.put('both', 'newer');
    await b.put('other', 'older');
    await sleep(5);
    await a.put('other', 'newer');
    expect(await a.delete('gone')).toBe(true);
    await a.put('mine', 'a');
    expect(a.stats().redis).toMatchObject({ state: 'down', pending: 4 });
    await server.restart();
    await Promise.all([isUp(a), isUp(b)]);
    await Promise.all([isSent(a), isSent(b)]);
    for (const cache of [a, b]) {
      const found = await Promise.all(['kept', 'both', 'other', 'gone', 'mine'].map((key) => cache.get(key)));
      expect(found).toEqual([1, 'newer', 'newer', undefined, 'a']);
    }
    const stats = [a.stats().redis, b.stats().redis];
    expect((stats[0]?.replayed ?? 0) + (stats[1]?.replayed ?? 0)).toBeGreaterThanOrEqual(4);
  });

  it('was away for one instance only: its older writes do not replace newer ones, nor bring back what was deleted', async () => {
    await start();
    const proxy = await FaultyProxy.start(server.port, new Random(1));
    const cut = await open(proxy.url);
    const other = await open(server.url);
    await other.put('deleted', 1);
    proxy.refuses = true;
    proxy.cut();
    await isDown(cut);
    await cut.put('changed', 'older');
    await cut.put('deleted', 'older');
    await cut.put('newest', 'newer');
    await sleep(5);
    await other.put('changed', 'newer');
    await other.delete('deleted');
    proxy.refuses = false;
    await isUp(cut);
    await isSent(cut);
    for (const cache of [cut, other]) {
      expect([await cache.get('changed'), await cache.get('deleted'), await cache.get('newest')]).toEqual([
        'newer',
        undefined,
        'newer',
      ]);
    }
    expect(cut.stats().redis).toMatchObject({ replayed: 1, outdated: 2 });
  });

  it('was away: what is local is suspect, and nothing stale is served afterwards', async () => {
    await start();
    const proxy = await FaultyProxy.start(server.port, new Random(1));
    const cut = await open(proxy.url, { path: tempFile() });
    const strict = await open(proxy.url, { onRedisError: 'throw', path: tempFile() });
    const other = await open(server.url);
    for (const key of ['changed', 'deleted', 'same']) await other.put(key, 'old');
    for (const cache of [cut, strict]) for (const key of ['changed', 'deleted', 'same']) await cache.get(key);
    proxy.refuses = true;
    proxy.cut();
    await Promise.all([isDown(cut), isDown(strict)]);
    await other.put('changed', 'new');
    await other.delete('deleted');
    expect([cut.peek('changed'), await cut.get('changed'), await cut.has('deleted')]).toEqual(['old', 'old', true]);
    expect(strict.peek('same')).toBeUndefined();
    await expectCode(() => strict.get('same'), 'MMCB_LAYER');
    proxy.refuses = false;
    for (const cache of [cut, strict]) {
      await isUp(cache);
      expect([cache.peek('changed'), cache.peek('same')]).toEqual([undefined, undefined]); // get would ask
      expect([await cache.get('changed'), await cache.get('deleted'), await cache.get('same')]).toEqual([
        'new',
        undefined,
        'old',
      ]);
      expect(cache.peek('same')).toBe('old'); // asked, and found to be right
    }
  });

  it('hangs silently while nobody calls: that is noticed', async () => {
    await start();
    const proxy = await FaultyProxy.start(server.port, new Random(1));
    const cache = await open(proxy.url);
    await cache.put('a', 1);
    expect(cache.peek('a')).toBe(1);
    proxy.silent = true;
    await isDown(cache);
    proxy.silent = false;
    await isUp(cache);
    expect(cache.peek('a')).toBeUndefined();
    expect(await cache.get('a')).toBe(1);
  });

  it('is back after a restart of the cache: what waited in the file is sent', async () => {
    await start({ persistent: true });
    const path = tempFile();
    let cache = await open(server.url, { path });
    await cache.put('deleted', 1);
    await server.kill();
    await isDown(cache);
    await cache.put('a', 1, 100_000);
    await cache.put('a', 2, 100_000);
    await cache.put('\ud83d', 3);
    await cache.delete('deleted');
    await cache.close();
    cache = await open(server.url, { path });
    expect(cache.stats().redis).toMatchObject({ state: 'down', pending: 3 });
    expect([await cache.get('a'), await cache.get('\ud83d'), await cache.get('deleted')]).toEqual([2, 3, undefined]);
    await server.restart();
    await isUp(cache);
    await isSent(cache);
    const other = await open(server.url);
    expect([await other.get('a'), await other.get('\ud83d'), await other.get('deleted')]).toEqual([2, 3, undefined]);
  });

  it.each([
    ['READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
    ['OOM', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['NOAUTH', ['CONFIG', 'SET', 'requirepass', 'secret'], ['CONFIG', 'SET', 'requirepass', '']],
  ])('answers %s: writes are kept, and sent later', async (code, begin, end) => {
    await start();
    const admin = await adminOf(server);
    const cache = await open(server.url, {}, patient);
    const strict = await open(server.url, { onRedisError: 'throw' }, patient);
    await cache.put('a', 1);
    await admin.sendCommand(begin);
    if (code === 'NOAUTH') {
      // Those who are in stay in; the others cannot come back.
      await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
      await until(() => String(strict.stats().redis?.lastError).includes(code));
    }
    const error = await expectCode(() => strict.put('a', 2), 'MMCB_LAYER');
    expect(String(error.cause)).toContain(code);
    await cache.put('a', 3);
    await cache.put('b', 3);
    expect([await cache.get('a'), await cache.get('b')]).toEqual([3, 3]);
    expect(cache.stats().redis).toMatchObject({ pending: 2 });
    await admin.sendCommand(end);
    await isSent(cache);
    await isUp(strict);
    expect([await strict.get('a'), await strict.get('b')]).toEqual([3, 3]);
  });

  it('holds something else under the key: MMCB_LAYER, or as if it were not there', async () => {
    await start();
    const admin = await adminOf(server);
    await admin.rPush(`${prefix}list`, 'a');
    const cache = await open(server.url, {}, patient);
    const strict = await open(server.url, { onRedisError: 'throw' }, patient);
    await expectCode(() => strict.get('list'), 'MMCB_LAYER');
    expect(await cache.get('list')).toBeUndefined();
    await cache.put('list', 1);
    expect(await strict.get('list')).toBe(1);
  });

  it('has lost its scripts: they are sent again', async () => {
    await start();
    const admin = await adminOf(server);
    const cache = await open(server.url, { onRedisError: 'throw' }, patient);
    await admin.sendCommand(['SCRIPT', 'FLUSH']);
    expect([await cache.set('a', 1), await cache.set('a', 2), await cache.get('a')]).toEqual([true, false, 1]);
  });
});
