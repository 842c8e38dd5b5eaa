/** mmcb/keyv: Keyv's own suite, and what it does not look at. */
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import Keyv, { type KeyvStoreAdapter } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';
import * as vitest from 'vitest';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { json } from '../../src/index.js';
import { KeyvMmcb, type KeyvMmcbOptions } from '../../src/keyv/index.js';
import { errorOf, expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';

const stores: KeyvMmcb[] = [];

function storeAt(path: string, options: Partial<KeyvMmcbOptions> = {}): KeyvMmcb {
  const store = new KeyvMmcb({ path, initialSize: 65_536, segmentSize: 65_536, ...options });
  stores.push(store);
  return store;
}

afterAll(async () => {
  await Promise.all(stores.splice(0).map((store) => store.disconnect()));
});

describe('the suite of Keyv', () => {
  const path = tempFile();
  const store = (): KeyvMmcb => storeAt(path);
  keyvTestSuite(vitest as never, Keyv as never, store as never);
  keyvIteratorTests(vitest as never, Keyv as never, store as never);
});

describe('Keyv 6', () => {
  it('wraps it, with namespaces, expiry and iteration', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const path = tempFile();
    const [a, b] = ['a', 'ab'].map((namespace) => new Keyv6({ store: storeAt(path), namespace })) as [Keyv6, Keyv6];
    await a.set('x', { n: 1 });
    await a.set('short', 2, 1000);
    await b.set('x', 3);
    await a.setMany([
      { key: 'y', value: 4 },
      { key: 'z', value: 5, ttl: 1000 },
    ]);
    expect(await a.getMany(['x', 'short', 'y', 'z', 'none'])).toEqual([{ n: 1 }, 2, 4, 5, undefined]);
    vi.setSystemTime(Date.now() + 1000);
    expect(await a.getMany(['x', 'short', 'y', 'z'])).toEqual([{ n: 1 }, undefined, 4, undefined]);
    expect([await a.has('y'), await a.has('short')]).toEqual([true, false]);
    const seen = new Map();
    for await (const [key, value] of a.iterator() as AsyncGenerator<[string, unknown]>) seen.set(key, value);
    expect(seen).toEqual(
      new Map<string, unknown>([
        ['x', { n: 1 }],
        ['y', 4],
      ]),
    );
    expect(await a.deleteMany(['x', 'none'])).toEqual([false, false]); // whether all were there
    await a.clear();
    expect([await a.get('y'), await b.get('x')]).toEqual([undefined, 3]);
    vi.useRealTimers();
  });
});

describe('KeyvMmcb', () => {
  afterEach(() => vi.useRealTimers());

  it('is a store of Keyv by its types', () => {
    const store: KeyvStoreAdapter = storeAt(tempFile());
    expect(store.opts).toMatchObject({ initialSize: 65_536 });
  });

  it('finds everything again, and what has expired meanwhile no more', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const path = tempFile();
    const first = new Keyv({ store: storeAt(path), namespace: 'a' });
    await first.set('kept', { n: 1 });
    await first.set('short', 2, 1000);
    await first.setMany([
      { key: 'x', value: 3 },
      { key: 'y', value: 4, ttl: 500 },
    ]);
    await first.disconnect();
    vi.setSystemTime(Date.now() + 999);
    const second = new Keyv({ store: storeAt(path), namespace: 'a' });
    expect(await second.getMany(['kept', 'short', 'x', 'y', 'none'])).toEqual([{ n: 1 }, 2, 3, undefined, undefined]);
    expect(await second.hasMany(['kept', 'y'])).toEqual([true, false]);
    vi.setSystemTime(Date.now() + 1);
    expect(await second.has('short')).toBe(false);
    expect(await second.deleteMany(['kept', 'x'])).toBe(true);
    expect(await second.deleteMany(['kept'])).toBe(false);
  });

  it('keeps values as they are where Keyv does not serialize them', async () => {
    const values = [new Map([[1, 2]]), Buffer.from('x'), 5n, new Date(0), { nested: [undefined] }];
    const store = storeAt(tempFile());
    for (const [i, value] of values.entries()) await store.set(`${i}`, value);
    for (const [i, value] of values.entries()) expect(await store.get(`${i}`)).toEqual(value);
    const texts = storeAt(tempFile(), { codec: json() });
    await texts.set('a', { b: 1 });
    expect(await texts.get('a')).toEqual({ b: 1 });
    await expectCode(() => texts.set('a', 1n), 'MMCB_CODEC');
  });

  it('iterates over a namespace while it changes, and clears no other', async () => {
    const path = tempFile();
    const [a, ab] = ['a', 'ab'].map((namespace) => new Keyv({ store: storeAt(path), namespace })) as [Keyv, Keyv];
    for (let i = 0; i < 100; i++) {
      await a.set(`${i}`, i);
      await ab.set(`${i}`, -i);
    }
    const seen = new Map<string, number>();
    const iterator = a.iterator as () => AsyncGenerator<[string, number]>;
    for await (const [key, value] of iterator()) {
      seen.set(key, value);
      await a.delete(key);
    }
    expect(seen).toEqual(new Map(Array.from({ length: 100 }, (_, i) => [`${i}`, i])));
    await ab.set('x', 1);
    await a.clear();
    expect(await ab.get('99')).toBe(-99);
    await ab.clear();
    expect(await ab.get('99')).toBeUndefined();
  });

  it('sweeps what has expired', async () => {
    const path = tempFile();
    const store = storeAt(path, { cleanupInterval: 5 });
    await store.set('kept', 1);
    for (let i = 0; i < 2500; i++) await store.set(`key ${i}`, i, 1);
    const { StringMap } = await import('../../src/index.js');
    const map = await StringMap.open(path, { initialSize: 65_536, segmentSize: 65_536 });
    await vi.waitFor(() => expect(map.size).toBe(1), { timeout: 5000 });
    await map.close();
  });

  it('refuses wrong options, and calls after it was disconnected', async () => {
    for (const bad of [
      undefined,
      {},
      { path: '' },
      { path: 5 },
      { path: 'x', cleanupIntervall: 5 },
      { path: 'x', codec: 5 },
    ]) {
      expect(await errorOf(() => new KeyvMmcb(bad as never))).toBeInstanceOf(TypeError);
    }
    expect(() => new KeyvMmcb({ path: 'x', cleanupInterval: 0 })).toThrow(RangeError);
    const store = storeAt(tempFile());
    await store.disconnect(); // never opened
    await store.set('a', 1);
    await Promise.all([store.disconnect(), store.disconnect()]);
    await expectCode(() => store.get('a'), 'MMCB_CLOSED');
    await expectCode(() => store.set('a', 1), 'MMCB_CLOSED');
    const nowhere = storeAt('/nowhere/at/all.mmcb');
    await expectCode(() => nowhere.get('a'), 'MMCB_IO');
    const keyv = new Keyv({ store: nowhere, throwOnErrors: true });
    keyv.on('error', () => {});
    await expectCode(() => keyv.set('a', 1), 'MMCB_IO');
  });
});
