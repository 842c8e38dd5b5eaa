/** Several processes over one Redis: what one changes is seen by the others at once, and stale values are gone. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RedisLayerOptions } from '../../src/redis/index.js';
import { adminOf, hasRedis, RedisServer } from '../support/redis-server.js';
import { tempFile } from '../support/temp.js';
import { newPrefix } from './homes.js';
import { Instance } from './instances.js';

/** Milliseconds within which a change is to be seen elsewhere. */
const SOON = 100;

describe.skipIf(!hasRedis)('several processes over one Redis', () => {
  let server: RedisServer;
  let prefix: string;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  beforeEach(() => {
    prefix = newPrefix();
  });

  const start = (count: number, layer: RedisLayerOptions = {}): Promise<Instance[]> => {
    const settings = () => ({
      url: server.url,
      layer: { prefix, timeout: 3000, ...layer },
      options: { path: tempFile('instance'), onRedisError: 'throw' as const },
    });
    return Promise.all(Array.from({ length: count }, () => Instance.process(settings())));
  };
  const seen = (instances: readonly Instance[], key: string, value: string | null, since: number): Promise<number[]> =>
    Promise.all(instances.map((instance) => instance.call<number>('see', key, value, since)));

  it.each([
    ['two, told by Redis', 2, {}],
    ['three, told by Redis', 3, {}],
    ['three, told on a channel', 3, { invalidation: 'channel' as const }],
  ])('%s: writes are seen, and stale values gone, within 100 ms', { timeout: 60_000 }, async (_, count, layer) => {
    const instances = await start(count, layer);
    const worst: number[] = [];
    for (let round = 0; round < 20; round++) {
      const writer = instances[round % count] as Instance;
      const key = `key ${round % 3}`;
      const value = `value ${round}`;
      await writer.call('put', key, value);
      let since = Date.now();
      worst.push(...(await seen(instances, key, value, since)));
      // All have it in memory and in their file now: all of that has to go.
      if (round % 4 === 3) {
        expect(await writer.call('delete', key)).toBe(true);
        since = Date.now();
        worst.push(...(await seen(instances, key, null, since)));
      }
    }
    expect(Math.max(...worst)).toBeLessThan(SOON);
    // A reader that does not ask Redis has nothing stale either.
    await (instances[0] as Instance).call('put', 'peeked', 'new');
    await new Promise((resolve) => setTimeout(resolve, SOON));
    for (const instance of instances) expect([null, 'new']).toContain(await instance.call('peek', 'peeked'));
  });

  it('an own write stays in the own memory, and is not read back', async () => {
    const [one] = await start(1);
    await one?.call('put', 'a', 1);
    await one?.call('set', 'b', 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([await one?.call('peek', 'a'), await one?.call('peek', 'b')]).toEqual([1, 2]);
    const { redis } = (await one?.call<{ redis: { hits: number; invalidations: number } }>('stats')) ?? {};
    expect(redis).toMatchObject({ hits: 0, invalidations: 0 });
  });

  it('what other programs write, delete and flush is seen too', async () => {
    const [one] = (await start(1)) as [Instance];
    const client = await adminOf(server);
    await one.call('put', 'a', 'ours');
    const encoded = await client.get(`${prefix}a`); // nothing but what the codec made
    expect(encoded).toContain('ours');
    await client.set(`${prefix}a`, (encoded as string).replace('ours', 'hers'));
    expect(await one.call('see', 'a', 'hers', Date.now())).toBeLessThan(SOON);
    await client.del(`${prefix}a`);
    expect(await one.call('see', 'a', null, Date.now())).toBeLessThan(SOON);
    await one.call('put', 'a', 'again');
    await client.flushAll();
    expect(await one.call('see', 'a', null, Date.now())).toBeLessThan(SOON);
  });

  it('of all that set a key, one succeeds', { timeout: 60_000 }, async () => {
    const instances = await start(3);
    const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`);
    const won = await Promise.all(instances.map((instance, i) => instance.call<string[]>('race', keys, i)));
    expect(won.flat().sort()).toEqual([...keys].sort());
    for (const [i, own] of won.entries()) {
      for (const key of own.slice(0, 1)) {
        for (const instance of instances) expect(await instance.call('get', key)).toBe(i);
      }
    }
  });

  it('after random work all agree, with each other and with Redis', { timeout: 60_000 }, async () => {
    const instances = await start(3);
    const keys = Array.from({ length: 10 }, (_, i) => `key ${i}`);
    await Promise.all(instances.map((instance, i) => instance.call('work', `${i}`, keys, 1500)));
    await new Promise((resolve) => setTimeout(resolve, SOON));
    const [fresh] = (await start(1)) as [Instance];
    for (const key of keys) {
      const right = await fresh.call('get', key);
      for (const instance of instances) expect([key, await instance.call('get', key)]).toEqual([key, right]);
    }
  });
});
