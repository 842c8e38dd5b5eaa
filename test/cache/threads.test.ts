/** Caches over one file in several threads: one file, but a memory layer each. */
import { afterEach, describe, expect, it } from 'vitest';
import { json, LayeredCache } from '../../src/index.js';
import { tempFile } from '../support/temp.js';
import { until } from '../support/wait.js';
import { Instance } from './instances.js';

const opened: LayeredCache<unknown>[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((cache) => cache.close()));
});

describe('threads over one file', () => {
  const start = (count: number, path = tempFile()): Promise<Instance[]> =>
    Promise.all(Array.from({ length: count }, () => Instance.thread({ options: { path, loadTimeout: 2000 } })));

  it('see what the others write and delete', async () => {
    const threads = await start(3);
    for (let round = 0; round < 20; round++) {
      await threads[round % 3]?.call('put', 'a', round);
      const since = Date.now();
      for (const thread of threads) expect(await thread.call<number>('see', 'a', round, since)).toBeLessThan(100);
    }
    expect(await threads[0]?.call('delete', 'a')).toBe(true);
    for (const thread of threads) expect(await thread.call<number>('see', 'a', null, Date.now())).toBeLessThan(100);
  });

  it('set a key once', async () => {
    const threads = await start(3);
    const keys = Array.from({ length: 500 }, (_, i) => `key ${i}`);
    const won = await Promise.all(threads.map((thread, i) => thread.call<string[]>('race', keys, i)));
    expect(won.flat().sort()).toEqual([...keys].sort());
  });

  it('call one loader of a key at a time', async () => {
    const threads = await start(3);
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all(
        threads.flatMap((t) => [t.call('load', `${round}`, 30), t.call('load', `${round}`, 30)]),
      );
      expect(new Set(all)).toEqual(new Set([`loaded ${round}`]));
    }
    const loads = await Promise.all(threads.map((thread) => thread.call<number>('loads')));
    expect(loads.reduce((sum, count) => sum + count)).toBe(5);
  });

  it('do not wait for ever for one that died, or whose loader never ends', { timeout: 30_000 }, async () => {
    const [dead, stuck, alive] = (await start(3)) as [Instance, Instance, Instance];
    await dead.call('hang', 'a');
    await stuck.call('hang', 'b');
    await dead.kill();
    const started = performance.now();
    expect(await Promise.all([alive.call('load', 'a', 1), alive.call('load', 'b', 1)])).toEqual([
      'loaded a',
      'loaded b',
    ]);
    expect(performance.now() - started).toBeLessThan(6000);
  });

  it('one after the other, in one thread, too', async () => {
    const path = tempFile();
    const one = await LayeredCache.open({ path, codec: json() });
    await one.put('a', 1);
    const two = await LayeredCache.open({ path, codec: json() });
    opened.push(one, two);
    expect(await two.get('a')).toBe(1);
    await one.put('a', 2);
    await until(async () => (await two.get('a')) === 2);
    await two.put('a', 3);
    await until(async () => (await one.get('a')) === 3);
    expect([one.size, two.size]).toEqual([1, 1]);
  });
});
