/** Random operations on a cache, beside a Map that knows what has to come of them. The clock is the test's. */
import { describe, expect, it } from 'vitest';
import { json, LayeredCache, type LayeredCacheOptions } from '../../src/index.js';
import { ManualClock } from '../support/manual-clock.js';
import { type Random, withSeeds } from '../support/random.js';
import { removeTempFile, tempFile } from '../support/temp.js';

interface Known {
  value: unknown;
  expires: number;
  staleUntil: number;
  /** A loader said that there is nothing. */
  absent: boolean;
}

class Model {
  readonly entries = new Map<string, Known>();
  /** Entries that are gone, and how they have to be told. */
  readonly told: string[] = [];

  fresh(key: string, now: number): Known | undefined {
    const known = this.settle(key, now);
    return known !== undefined && known.expires > now ? known : undefined;
  }

  /** What is over is gone as soon as somebody looks. */
  settle(key: string, now: number): Known | undefined {
    const known = this.entries.get(key);
    if (known === undefined || known.staleUntil > now) return known;
    this.entries.delete(key);
    if (!known.absent) this.told.push(`${key} ${JSON.stringify(known.value)} expiry`);
    return undefined;
  }

  delete(key: string, now: number): boolean {
    const known = this.settle(key, now);
    this.entries.delete(key);
    if (known === undefined || known.absent) return false;
    this.told.push(`${key} ${JSON.stringify(known.value)} delete`);
    return known.expires > now;
  }
}

const weights = { put: 6, set: 3, get: 8, peek: 3, has: 2, delete: 3, load: 4, time: 4, clean: 1, reopen: 1 } as const;

async function run(random: Random, options: LayeredCacheOptions<unknown>): Promise<void> {
  const clock = new ManualClock(Date.now());
  const defaultExpiry = random.pick([LayeredCache.NoExpiry, 1000]);
  const all = { codec: json(), ...options, clock, defaultExpiry, cleanupInterval: Number.POSITIVE_INFINITY };
  const model = new Model();
  const told: string[] = [];
  const open = async (): Promise<LayeredCache<unknown>> => {
    const made = await LayeredCache.open<unknown>(all);
    made.onDelete((key, value, reason) => told.push(`${key} ${JSON.stringify(value)} ${reason}`));
    return made;
  };
  let cache = await open();
  const spans = [0, 50, 500, 5000, LayeredCache.NoExpiry, -5];
  const until = (expiry: number): number => clock.time + (expiry === 0 ? defaultExpiry : expiry);
  const write = (key: string, value: unknown, expiry: number, staleFor = 0): void => {
    model.settle(key, clock.time);
    const expires = until(expiry);
    model.entries.set(key, { value, expires, staleUntil: expires + staleFor, absent: false });
  };
  for (let i = 0; i < 300; i++) {
    const key = random.pick(['a', 'b', 'c', 'd', '', '\ud800']);
    const value = random.pick([i, `text ${i}`, [i], { i }, null, 'x'.repeat(random.size())]);
    const expiry = random.pick(spans);
    const now = clock.time;
    const action = random.weighted(weights);
    const found = model.fresh(key, now)?.value;
    switch (action) {
      case 'put':
        await cache.put(key, value, expiry);
        write(key, value, expiry);
        break;
      case 'set': {
        const free = model.fresh(key, now) === undefined || model.entries.get(key)?.absent === true;
        expect(await cache.set(key, value, expiry)).toBe(free);
        if (free) write(key, value, expiry);
        break;
      }
      case 'get':
        expect(await cache.get(key)).toEqual(found);
        break;
      case 'peek':
        expect(cache.peek(key)).toEqual(found);
        break;
      case 'has':
        expect(await cache.has(key)).toBe(found !== undefined);
        break;
      case 'delete':
        expect(await cache.delete(key)).toBe(model.delete(key, now));
        break;
      case 'load': {
        const staleFor = random.pick([0, 300]);
        const loaded = random.chance(0.8) ? value : undefined;
        const known = model.settle(key, now);
        const result = await cache.getOrLoad(key, () => loaded, { expiry, staleFor, negativeExpiry: 100 });
        await clock.advance(0);
        if (known !== undefined && known.expires > now) expect(result).toEqual(known.value);
        else {
          expect(result).toEqual(known !== undefined && !known.absent ? known.value : loaded);
          if (loaded !== undefined) write(key, loaded, expiry, staleFor);
          else model.entries.set(key, { value: undefined, expires: now + 100, staleUntil: now + 100, absent: true });
        }
        break;
      }
      case 'time':
        await clock.advance(random.pick([1, 49, 50, 51, 400, 2000]));
        break;
      case 'clean':
        await cache.deleteExpired();
        for (const one of [...model.entries.keys()]) model.settle(one, now);
        expect(cache.size).toBe(model.entries.size);
        break;
      case 'reopen':
        if (options.path === undefined || options.path === ':memory:') break;
        await cache.close();
        cache = await open();
        break;
    }
  }
  for (const key of [...model.entries.keys()]) model.settle(key, clock.time);
  await cache.deleteExpired();
  expect(told.sort()).toEqual(model.told.sort());
  await cache.close();
}

describe('random operations on a cache', () => {
  it.each([
    ['in memory', () => ({})],
    ['on a file', () => ({ path: tempFile('model') })],
    ['on a file, with next to no memory', () => ({ path: tempFile('model'), memory: { maxEntries: 2 } })],
    ["on ':memory:', with no memory", () => ({ path: ':memory:', memory: { maxBytes: 1 } })],
  ])('%s', { timeout: 120_000 }, async (_, options) => {
    await withSeeds(12, async (random) => {
      const made: LayeredCacheOptions<unknown> = options();
      await run(random, made);
      if (made.path !== undefined) removeTempFile(made.path);
    });
  });
});
