/** Work that goes on while Redis is killed, or while the network between is bad. */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { json, LayeredCache } from '../../src/index.js';
import { redisLayer } from '../../src/redis/index.js';
import { FaultyProxy } from '../support/proxy.js';
import { Random, withSeeds } from '../support/random.js';
import { hasRedis, RedisServer } from '../support/redis-server.js';
import { tempFile } from '../support/temp.js';
import { until } from '../support/wait.js';
import { newPrefix } from './homes.js';
import { Instance } from './instances.js';

const TIMEOUT = 250;
const SLACK = 1500;

describe.skipIf(!hasRedis)('work that goes on', () => {
  let prefix: string;
  beforeEach(() => {
    prefix = newPrefix();
  });

  it('while Redis is killed and started again, twice: nothing hangs, nothing accepted is lost, all agree', {
    timeout: 60_000,
  }, async () => {
    const server = await RedisServer.start({ persistent: true });
    const instances = await Promise.all(
      [0, 1, 2].map(() =>
        Instance.process({ url: server.url, layer: { prefix, timeout: TIMEOUT }, options: { path: tempFile() } }),
      ),
    );
    const shared = Array.from({ length: 5 }, (_, i) => `shared ${i}`);
    const own = (name: string) => Array.from({ length: 5 }, (_, i) => `own ${name} ${i}`);
    const work = Promise.all(
      instances.map((instance, i) =>
        instance.call<{ accepted: Record<string, string | null>; count: number; slowest: number }>(
          'work',
          `${i}`,
          [...shared, ...own(`${i}`)],
          4000,
        ),
      ),
    );
    for (let i = 0; i < 2; i++) {
      await sleep(700);
      await server.kill();
      await sleep(500);
      await server.restart();
    }
    const results = await work;
    type Stats = { redis: { pending: number; state: string } };
    for (const instance of instances) {
      await until(async () => {
        const { redis } = await instance.call<Stats>('stats');
        return redis.state === 'up' && redis.pending === 0;
      }, 'the replay');
    }
    await sleep(100);
    for (const [i, { accepted, count, slowest }] of results.entries()) {
      expect(count).toBeGreaterThan(100);
      expect(slowest).toBeLessThan(2 * TIMEOUT + SLACK); // a write and a read
      for (const key of own(`${i}`)) {
        if (!(key in accepted)) continue;
        for (const instance of instances) expect([key, await instance.call('get', key)]).toEqual([key, accepted[key]]);
      }
    }
    for (const key of shared) {
      const all = await Promise.all(instances.map((instance) => instance.call('get', key)));
      expect([key, new Set(all).size]).toEqual([key, 1]);
      expect(results.map(({ accepted }) => accepted[key])).toContain(all[0]);
    }
  });

  it('while what Redis says is delayed, cut and corrupted: no wrong value, no wait, and all is well in the end', {
    timeout: 120_000,
  }, async () => {
    const server = await RedisServer.start();
    await withSeeds(3, async (random, seed) => {
      const proxy = await FaultyProxy.start(server.port, new Random(seed));
      const own = `${prefix}${seed} `;
      const redis = redisLayer({ url: proxy.url }, { prefix: own, timeout: TIMEOUT });
      const cache = await LayeredCache.open({ codec: json(), redis, memory: { maxEntries: 1 } });
      const last = new Map<string, string | undefined>();
      try {
        for (let i = 0; i < 150; i++) {
          if (i % 10 === 0) {
            // While the link is down nothing goes through it: let it come back, and then be bad to it.
            proxy.delay = 0;
            proxy.corruption = 0;
            await until(() => cache.stats().redis?.state === 'up', 'the connection');
            proxy.delay = random.chance(0.2) ? random.int(1, TIMEOUT * 2) : 0;
            proxy.corruption = random.chance(0.7) ? 0.2 : 0;
            if (random.chance(0.3)) proxy.cut(random.int(0, 200));
          }
          const key = `key ${random.int(0, 9)}`;
          const started = performance.now();
          const action = random.weighted({ put: 3, delete: 1, get: 6 });
          if (action === 'put') {
            const value = `${key} is ${i} ${'x'.repeat(random.int(0, 300))}`;
            await cache.put(key, value);
            last.set(key, value);
          } else if (action === 'delete') {
            await cache.delete(key);
            last.set(key, undefined);
          } else {
            // One that was lost on the way may be missing; but what is there is what was put.
            const found = await cache.get(key).catch((error: { code: string }) => {
              if (error.code !== 'MMCB_CODEC') throw error;
              return undefined;
            });
            if (found !== undefined) expect([key, found]).toEqual([key, last.get(key)]);
          }
          expect(performance.now() - started).toBeLessThan(TIMEOUT + SLACK);
        }
        proxy.delay = 0;
        proxy.corruption = 0;
        const { sessions } = cache.stats().redis as { sessions: number };
        proxy.cut();
        await until(() => {
          const { redis } = cache.stats();
          return redis?.state === 'up' && redis.pending === 0 && redis.sessions > sessions;
        }, 'the replay');
        const direct = redisLayer({ url: server.url }, { prefix: own, timeout: 5000 });
        const other = await LayeredCache.open({ codec: json(), redis: direct, onRedisError: 'throw' });
        for (const [key, value] of last) {
          expect([key, await cache.get(key), await other.get(key)]).toEqual([key, value, value]);
        }
        await other.close();
      } finally {
        await cache.close();
        proxy.close();
      }
    });
  });
});
