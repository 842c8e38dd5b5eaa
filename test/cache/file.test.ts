/** The file layer: what a cache has after a restart, and what becomes of files that are damaged, or not ours. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CompactableBuffer,
  DelayQueue,
  json,
  LayeredCache,
  type LayeredCacheOptions,
  StringMap,
} from '../../src/index.js';
import { expectCode } from '../support/expect.js';
import { ManualClock } from '../support/manual-clock.js';
import { tempFile } from '../support/temp.js';
import { Instance } from './instances.js';

const opened: LayeredCache<unknown>[] = [];
async function open(options: LayeredCacheOptions<unknown>): Promise<LayeredCache<unknown>> {
  const cache = await LayeredCache.open({ codec: json(), ...options });
  opened.push(cache);
  return cache;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((cache) => cache.close()));
});

describe('after a restart', () => {
  it('entries are there, with their deadlines, and those that are over are not', async () => {
    const path = tempFile();
    const clock = new ManualClock(Date.now());
    let cache = await open({ path, clock });
    await cache.put('never', 1);
    await cache.put('long', 2, 10_000);
    await cache.put('short', 3, 1000);
    await cache.getOrLoad('stale', () => 4, { expiry: 1000, staleFor: 10_000 });
    await cache.getOrLoad('nothing', () => undefined, { negativeExpiry: 10_000 });
    await cache.close();
    clock.time += 5000;
    const gone: unknown[] = [];
    cache = await open({ path, clock });
    cache.onDelete((...detail) => gone.push(detail));
    expect(cache.recovery).toMatchObject({ status: 'clean', rebuilt: undefined });
    const keys = ['never', 'long', 'short', 'stale', 'nothing'];
    expect(await Promise.all(keys.map((key) => cache.get(key)))).toEqual([1, 2, undefined, undefined, undefined]);
    expect(gone).toEqual([['short', 3, 'expiry']]);
    let loads = 0;
    const load = () => ++loads;
    expect([await cache.getOrLoad('stale', load, { staleFor: 1 }), await cache.getOrLoad('nothing', load)]).toEqual([
      4,
      undefined,
    ]);
    clock.time += 6000;
    expect(await cache.get('long')).toBeUndefined();
    expect(cache.stats()).toMatchObject({ file: { hits: 3 }, memory: { promotions: 4 } });
  });

  it('of a process that was killed, everything that had returned is there', async () => {
    const path = tempFile();
    const instance = await Instance.process({ options: { path } });
    for (let i = 0; i < 100; i++) await instance.call('put', `${i}`, i);
    await instance.kill();
    const cache = await open({ path });
    for (let i = 0; i < 100; i++) expect(await cache.get(`${i}`)).toBe(i);
  });

  it('many entries are warm at once', { timeout: 120_000 }, async () => {
    // A million with MMCB_ENTRIES=1000000, in less than a second on a machine with nothing else to do.
    const count = Number(process.env['MMCB_ENTRIES'] ?? 50_000);
    const path = tempFile();
    let cache = await open({ path, memory: { maxEntries: 1000 } });
    for (let i = 0; i < count; i++) await cache.put(`key ${i}`, { id: i, text: 'x'.repeat(60) });
    await cache.close();
    const started = performance.now();
    cache = await open({ path });
    const size = cache.size;
    const last = await cache.get(`key ${count - 1}`);
    const took = performance.now() - started;
    expect([size, (last as { id: number }).id]).toEqual([count, count - 1]);
    expect(took).toBeLessThan(1000);
  });
});

describe('a file that', () => {
  it('is damaged in an entry loses that entry, and says so', async () => {
    const path = tempFile();
    let cache = await open({ path });
    for (let i = 0; i < 50; i++) await cache.put(`key ${i}`, `value ${i} ${'x'.repeat(200)}`);
    await cache.close();
    const bytes = readFileSync(path);
    const at = bytes.indexOf('value 25 ');
    expect(at).toBeGreaterThan(0);
    bytes[at + 20] = 0x21;
    writeFileSync(path, bytes);
    cache = await open({ path });
    expect(cache.recovery).toMatchObject({ status: 'salvaged', lost: 1, rebuilt: undefined });
    const found = await Promise.all(Array.from({ length: 50 }, (_, i) => cache.get(`key ${i}`)));
    expect(found.map((value) => value !== undefined).filter(Boolean)).toHaveLength(49);
    expect(found[25]).toBeUndefined();
    await cache.put('key 25', 'again');
    expect(await cache.get('key 25')).toBe('again');
  });

  it('is damaged beyond salvage is put aside, begun anew, and reported', async () => {
    const path = tempFile();
    let cache = await open({ path });
    await cache.put('a', 1);
    await cache.close();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 64, 8192); // both superblocks, but for their magic
    writeFileSync(path, bytes);
    cache = await open({ path });
    const { rebuilt } = cache.recovery ?? {};
    expect(rebuilt?.error.code).toBe('MMCB_CORRUPT');
    expect(existsSync(rebuilt?.keptAs ?? '')).toBe(true);
    expect([cache.size, await cache.get('a'), cache.stats().file?.errors]).toEqual([0, undefined, 1]);
    await cache.put('a', 2);
    await cache.close();
    cache = await open({ path });
    expect([await cache.get('a'), cache.recovery?.rebuilt]).toEqual([2, undefined]);
  });

  it('is of something else is refused, and left alone', async () => {
    const text = tempFile();
    writeFileSync(text, 'not ours');
    await expectCode(() => open({ path: text }), 'MMCB_NOT_MMCB');
    expect(readFileSync(text, 'utf8')).toBe('not ours');
    const map = tempFile();
    const strings = await StringMap.open(map);
    strings.set('a', 1);
    await strings.close();
    await expectCode(() => open({ path: map }), 'MMCB_NOT_MMCB');
    const queue = tempFile();
    await (await DelayQueue.open(queue, { delay: 1 })).close();
    await expectCode(() => open({ path: queue }), 'MMCB_NOT_MMCB');
    const path = tempFile();
    await (await open({ path })).close();
    await expectCode(() => DelayQueue.open(path, { delay: 1 }), 'MMCB_NOT_MMCB');
  });

  it('another process has open is MMCB_LOCKED', async () => {
    const path = tempFile();
    const instance = await Instance.process({ options: { path } });
    await expectCode(() => open({ path }), 'MMCB_LOCKED');
    await instance.kill();
    await open({ path });
  });

  it('is full refuses writes, with nothing changed', async () => {
    const path = tempFile();
    const cache = await open({ path, file: { maxSize: 2 ** 20, initialSize: 2 ** 16, segmentSize: 2 ** 16 } });
    await cache.put('a', 'first');
    let error: unknown;
    for (let i = 0; i < 5000 && error === undefined; i++) {
      error = await cache.put(`${i}`, 'x'.repeat(1000)).catch((reason: unknown) => reason);
    }
    expect(error).toMatchObject({ code: 'MMCB_FULL' });
    await expectCode(() => cache.put('a', 'x'.repeat(200_000)), 'MMCB_FULL');
    expect(await cache.get('a')).toBe('first');
  });

  it('takes and loses many entries does not grow beyond its bounds', async () => {
    const path = tempFile();
    const cache = await open({ path, maxBytes: 2 ** 20, memory: { maxEntries: 10 } });
    for (let i = 0; i < 20_000; i++) await cache.put(`${i}`, 'x'.repeat(500));
    expect(cache.stats().file?.bytes).toBeLessThanOrEqual(2 ** 20);
    expect(cache.stats().file?.entries).toBeGreaterThan(1500);
    await (opened.at(-1) as LayeredCache<unknown>).close();
    const buffer = await CompactableBuffer.open(path);
    await buffer.compact();
    expect(statSync(path).blocks * 512).toBeLessThan(8 * 2 ** 20);
    await buffer.close();
  });

  it('cannot hold a key refuses it', async () => {
    const path = tempFile();
    const cache = await open({ path });
    await expectCode(() => cache.put('x'.repeat(70_000), 1), 'MMCB_TOO_LARGE');
    expect(await cache.get('x'.repeat(70_000))).toBeUndefined();
  });
});
