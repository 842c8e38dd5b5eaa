/** Calls for many items whose records do not all get into the file, or out of it. */
import { describe, expect, it } from 'vitest';
import { DelayQueue, StoreAllError } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { fullSoon } from '../../support/full-soon.js';
import { type Random, withSeeds } from '../../support/random.js';
import { tempFile } from '../../support/temp.js';

const item = (key: string, size: number) => ({ key, value: key.padEnd(size, '.') });

/** Items of new keys and of some that wait, of all sizes: records that go alone among them. */
function someItems(random: Random, known: readonly string[], call: number) {
  return Array.from({ length: random.int(1, 200) }, (_, i) => {
    const isKnown = known.length > 0 && random.chance(0.1);
    const key = isKnown ? random.pick(known) : `${call} ${i - random.int(0, 1)}`;
    return item(key, random.chance(0.02) ? random.int(20_000, 40_000) : random.int(0, 900));
  });
}

describe('storeAll', () => {
  it('stores all that comes before the item for which there is no space, and nothing behind it', () =>
    withSeeds(20, async (random) => {
      const path = tempFile();
      const options = { delay: 1, clock: () => 0, ...fullSoon };
      let queue = await DelayQueue.open<string>(path, options);
      const expected = new Map<string, string>();
      let error: unknown;
      for (let call = 0; error === undefined; call++) {
        const items = someItems(random, [...expected.keys()], call);
        let stored = items.length;
        try {
          expect(queue.storeAll(items)).toBe(items.length);
        } catch (thrown) {
          error = thrown;
          expect(error).toBeInstanceOf(StoreAllError);
          expect(['MMCB_FULL', 'MMCB_NO_SPACE']).toContain((error as StoreAllError).code);
          stored = (error as StoreAllError).index;
        }
        for (const { key, value } of items.slice(0, stored)) expected.set(key, value);
        expect(queue.size).toBe(expected.size);
      }
      expect(queue.stats().stored - queue.stats().coalesced).toBe(expected.size);
      await queue.close();
      queue = await DelayQueue.open<string>(path, { ...options, clock: () => 1e6 });
      const found = queue.retrieve(1e6).map(({ key, value }) => [key, value]);
      expect(found).toEqual([...expected]);
      await queue.close();
    }));

  it('says which of many new items it is that does not get into the file', async () => {
    const queue = await DelayQueue.open<string>(tempFile(), { delay: 1, ...fullSoon });
    const huge = item('huge', 300_000);
    const items = Array.from({ length: 100 }, (_, i) => (i === 37 ? huge : item(`${i}`, 100)));
    const error = await expectCode(() => queue.storeAll(items), 'MMCB_FULL');
    expect(error).toMatchObject({ index: 37 });
    expect(queue.size).toBe(37);
    expect(queue.stats()).toMatchObject({ stored: 37, waiting: 37 });
    for (const [i, { key }] of items.entries()) expect(queue.has(key)).toBe(i < 37);
    expect(queue.storeAll(items.slice(38))).toBe(62);
    await queue.close();
  });

  it('does no update of an item in flight behind an item that does not get into the file', async () => {
    const queue = await DelayQueue.open<string>(tempFile(), { delay: 0, ...fullSoon });
    queue.store(item('a', 1));
    const [lease] = queue.lease(1, { timeout: 1e6 });
    await expectCode(() => queue.storeAll([item('huge', 300_000), item('a', 10)]), 'MMCB_FULL');
    await expectCode(() => queue.store(item('huge', 300_000)), 'MMCB_FULL');
    expect(queue.size).toBe(1);
    lease?.ack();
    expect(queue.size).toBe(0);
    expect(queue.stats()).toMatchObject({ stored: 1, waiting: 0 });
    queue.store(item('b', 1));
    expect(queue.retrieve(2).map(({ key }) => key)).toEqual(['b']);
    await queue.close();
  });

  it('stores nothing more once its codec has closed the queue', async () => {
    const path = tempFile();
    const encode = (value: number): Uint8Array => {
      if (value === 5) closed = queue.close();
      return Buffer.of(value);
    };
    let closed: Promise<void> | undefined;
    const codec = { encode, decode: (bytes: Uint8Array) => bytes[0] as number };
    const queue = await DelayQueue.open<number>(path, { delay: 1, codec });
    const items = Array.from({ length: 10 }, (_, i) => ({ key: `${i}`, value: i }));
    const error = await expectCode(() => queue.storeAll(items), 'MMCB_CLOSED');
    await closed;
    const again = await DelayQueue.open<number>(path, { delay: 1, codec });
    expect(again.size).toBe((error as StoreAllError).index);
    await again.close();
  });
});

describe('retrieve', () => {
  it('hands out what comes before an item that cannot be removed; it and those behind it wait', async () => {
    let missing = -1;
    const decode = (bytes: Uint8Array): number => {
      if (bytes[0] === 50 && missing >= 0) queue.buffer.remove(addresses[missing] as number);
      return bytes[0] as number;
    };
    const codec = { encode: (value: number) => Buffer.of(value), decode };
    const queue = await DelayQueue.open<number>(tempFile(), { delay: 0, codec });
    queue.storeAll(Array.from({ length: 60 }, (_, i) => ({ key: `${i}`, value: i })));
    const addresses = [...queue.buffer.entries()].filter(([, bytes]) => bytes.length > 80).map(([address]) => address);
    missing = 30;
    expect(queue.retrieve(60).map(({ value }) => value)).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(queue.stats()).toMatchObject({ retrieved: 30, waiting: 30 });
    await expectCode(() => queue.retrieve(60), 'MMCB_NOT_FOUND');
    expect(queue.size).toBe(30);
    await queue.close();
  });
});
