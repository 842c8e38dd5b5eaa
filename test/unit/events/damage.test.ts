/** Files that are damaged, full or something else: what is whole loads, what is not is told, and no version comes again. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CompactableBuffer, DelayQueue, EventStore, IntMap, MmcbError } from '../../../src/index.js';
import { anEvent, collect, versionsOf } from '../../contract/event-store-contract.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

const small = { initialSize: 65_536, segmentSize: 65_536 };

/** Changes a byte of each place where the text stands in the file. */
function damage(path: string, text: string): void {
  const bytes = readFileSync(path);
  let found = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    bytes[at] = (bytes[at] as number) ^ 0xff;
    found += 1;
  }
  expect(found).toBeGreaterThan(0);
  writeFileSync(path, bytes);
}

const named = (aggregateId: string, i: number) => ({
  ...anEvent(aggregateId),
  id: `id ${i}`,
  data: `data number ${i};`,
});

async function storeOf(path: string, count: number): Promise<void> {
  const store = await EventStore.open(path, small);
  for (let i = 1; i <= count; i++) await store.store(named(`a ${i % 3}`, i));
  await store.close();
}

describe('a damaged event', () => {
  it('in the middle is reported by the salvage, and the rest loads', async () => {
    const path = tempFile();
    await storeOf(path, 9);
    damage(path, 'data number 5;');
    await expectCode(() => EventStore.open(path, small), 'MMCB_CORRUPT');
    const store = await EventStore.open(path, { ...small, recovery: 'salvage' });
    expect(store.recovery.status).toBe('salvaged');
    expect(store.recovery.damage.map(({ key }) => key)).toContain(5);
    expect(versionsOf(await collect(store.load()))).toEqual([1, 2, 3, 4, 6, 7, 8, 9]);
    expect(versionsOf(await collect(store.loadByAggregate('a 2')))).toEqual([2, 8]);
    expect(versionsOf(await collect(store.subscribe(), 8))).toEqual([1, 2, 3, 4, 6, 7, 8, 9]);
    expect(store.stats()).toMatchObject({ events: 8, latestVersion: 9, missing: 1 });
    await expectCode(() => store.get('id 5'), 'MMCB_EVENT_NOT_FOUND');
    expect(await store.aggregateVersion('a 2')).toBe(3);
    expect(await store.store(anEvent('a 2'), { expectedVersion: 3 })).toBe(10);
    await store.runGC({ before: 10 });
    expect(versionsOf(await collect(store.load()))).toEqual([10]);
    await store.close();
  });

  it('at the end does not give its version to another one', async () => {
    const path = tempFile();
    await storeOf(path, 4);
    damage(path, 'data number 4;');
    const store = await EventStore.open(path, { ...small, recovery: 'salvage' });
    expect(await store.latestVersion()).toBe(4);
    expect(await store.store(anEvent('a'))).toBe(5);
    expect(versionsOf(await collect(store.subscribe({ since: 3 }), 1))).toEqual([5]);
    await store.close();
  });

  it('that is found while the store is open is told once, and left out', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    const told: unknown[] = [];
    store.on('damage', ({ version, error }) => told.push([version, (error as MmcbError).code]));
    for (let i = 1; i <= 5; i++) await store.store(named('a', i));
    damage(path, 'data number 2;');
    for (let round = 0; round < 2; round++) {
      expect(versionsOf(await collect(store.load()))).toEqual([1, 3, 4, 5]);
      expect(versionsOf(await collect(store.loadByAggregate('a')))).toEqual([1, 3, 4, 5]);
    }
    await new Promise(setImmediate);
    expect(told).toEqual([[2, 'MMCB_CORRUPT']]);
    expect(store.stats().damaged).toBe(1);
    await expectCode(() => store.get('id 2'), 'MMCB_CORRUPT');
    await expectCode(() => store.get('id 6'), 'MMCB_EVENT_NOT_FOUND');
    expect((await store.get('id 3')).version).toBe(3);
    expect(await store.store(anEvent('a'), { expectedVersion: 5 })).toBe(6);
    // Another store of the file meets it when it makes its index.
    const other = await EventStore.open(path, small);
    expect(versionsOf(await collect(other.load()))).toEqual([1, 3, 4, 5, 6]);
    expect(other.stats()).toMatchObject({ events: 5, latestVersion: 6, damaged: 1 });
    await other.close();
    // Collecting leaves alone what it cannot read.
    expect(await store.runGC({ before: 3, compact: false })).toMatchObject({ collected: 1 });
    expect(versionsOf(await collect(store.load()))).toEqual([3, 4, 5, 6]);
    await store.close();
  });

  it('that is no record is told as well', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    await store.storeBatch([anEvent('a'), anEvent('a'), anEvent('a')]);
    const map = await IntMap.open<Uint8Array>(path, { codec: { encode: (b) => b, decode: (b) => b } });
    map.set(2, Buffer.from('something else, of more than thirty-two bytes')); // whoever writes to the buffer is to blame
    await map.close();
    expect(versionsOf(await collect(store.load()))).toEqual([1, 3]);
    expect(store.stats().damaged).toBe(1);
    await store.close();
  });
});

describe('a file that is full', () => {
  it('refuses events, batches whole, and goes on when there is room', async () => {
    const store = await EventStore.open(tempFile(), {
      ...small,
      maxSize: 1_000_000,
      compaction: { policy: 'disabled' },
    });
    const data = 'x'.repeat(10_000);
    let stored = 0;
    const full = await (async () => {
      for (;;) {
        await store.storeBatch([
          { ...anEvent('a'), data },
          { ...anEvent('b'), data },
        ]);
        stored += 2;
      }
    })().catch((error) => error);
    expect(full).toBeInstanceOf(MmcbError);
    expect(full.code).toBe('MMCB_FULL');
    expect(await store.latestVersion()).toBe(stored);
    expect(versionsOf(await collect(store.load()))).toHaveLength(stored);
    const events = Array.from({ length: 300 }, () => ({ ...anEvent('c'), data }));
    await expectCode(() => store.storeBatch(events), 'MMCB_FULL');
    expect(await store.aggregateVersion('c')).toBe(0);
    await store.flush();
    await store.runGC({ before: stored - 10 });
    expect(await store.store(anEvent('c'), { expectedVersion: 'none' })).toBe(stored + 1);
    await store.close();
  });
});

describe('a file of something else', () => {
  it('is MMCB_NOT_MMCB, and left as it is', async () => {
    const path = tempFile();
    const queue = await DelayQueue.open(path, { ...small, delay: 0 });
    queue.store({ key: 'k', value: 1 });
    await queue.close();
    await expectCode(() => EventStore.open(path, small), 'MMCB_NOT_MMCB');
    const plain = tempFile();
    const buffer = await CompactableBuffer.open(plain, small);
    buffer.add('x');
    await buffer.close();
    await expectCode(() => EventStore.open(plain, small), 'MMCB_NOT_MMCB');
    const text = tempFile();
    writeFileSync(text, 'no store at all'.repeat(1000));
    await expectCode(() => EventStore.open(text, small), 'MMCB_NOT_MMCB');
    const events = tempFile();
    await storeOf(events, 1);
    await expectCode(() => DelayQueue.open(events, { delay: 0 }), 'MMCB_NOT_MMCB');
    expect(await (await DelayQueue.open(path, { ...small, delay: 0 })).size).toBe(1);
  });
});
