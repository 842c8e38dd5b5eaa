/** What a file at `maxSize` still does: everything that leaves as much garbage as it takes. */
import { describe, expect, it } from 'vitest';
import { DelayQueue, EventStore, PartitionedQueue, type QueueEntry, StringMap } from '../../src/index.js';
import { expectCode } from '../support/expect.js';
import { fullSoon } from '../support/full-soon.js';
import { tempFile } from '../support/temp.js';

const small = { maxSize: 2 ** 20, initialSize: 65_536, segmentSize: 65_536 };
const value = 'v'.repeat(100);

async function fill(add: (i: number) => unknown): Promise<number> {
  let added = 0;
  await expectCode(() => {
    for (; ; added++) add(added);
  }, 'MMCB_FULL');
  return added;
}

describe.each(['interval', 'process'] as const)('a full file, durability %s', (durability) => {
  const options = { ...small, durability };

  it('of a map: values are replaced, over and over', async () => {
    const map = await StringMap.open<string>(tempFile(), { ...options, syncInterval: 10 });
    const count = await fill((i) => map.set(`${i}`, value));
    for (let round = 0; round < 5; round++) {
      await map.flush();
      for (let i = 0; i < count; i++) map.set(`${(i * 7919) % count}`, `${round}`.padEnd(100, 'w'));
    }
    await expectCode(() => map.set('one more', value), 'MMCB_FULL');
    expect([...map.values()].every((found) => found === '4'.padEnd(100, 'w'))).toBe(true);
    expect(map.size).toBe(count);
    await map.close();
  });

  it('of a DelayQueue: items are replaced, leased, given back, and consumed by a loop', async () => {
    const path = tempFile();
    let queue = await DelayQueue.open<string>(path, { ...options, delay: 0 });
    const count = await fill((i) => queue.store({ key: `${i}`, value }));
    await queue.flush();
    queue.storeAll(Array.from({ length: count }, (_, i) => ({ key: `${i}`, value: value.replace('v', 'w') })));
    await expectCode(() => queue.store({ key: 'one more', value }), 'MMCB_FULL');
    await queue.close();
    queue = await DelayQueue.open<string>(path, { ...options, delay: 0 });
    for (const lease of queue.lease(count, { timeout: 1e6 })) lease.nack();
    const seen: QueueEntry<string>[] = [];
    for await (const item of queue) {
      seen.push(item);
      if (seen.length === count) break;
    }
    expect(new Set(seen.map(({ key }) => key)).size).toBe(count);
    expect(seen.every((item) => item.value.startsWith('wv'))).toBe(true);
    await queue.close();
  });

  it('of an event store: checkpoints move on, and garbage collection makes room', async () => {
    const path = tempFile();
    let store = await EventStore.open(path, options);
    const place = (i: number) => ({ id: `e${i}`, type: 'Placed', aggregateId: `a${i % 7}`, data: { value } });
    let stored = await store.store(place(0));
    await store.checkpoint('mailer').save(1);
    await expectCode(async () => {
      for (; ; stored++) await store.store(place(stored));
    }, 'MMCB_FULL');
    await store.close();
    store = await EventStore.open(path, options);
    for (let version = 2; version < 1000; version++) await store.checkpoint('mailer').save(version);
    expect(await store.runGC({ before: 1000 })).toMatchObject({ collected: 999 });
    expect(await store.store(place(stored))).toBe(stored + 1);
    expect(await store.checkpoint('mailer').load()).toBe(999);
    expect(await store.load().toArray()).toHaveLength(stored - 998);
    await store.close();
  });
});

describe('a full file opens again, and can be emptied', () => {
  it('of a DelayQueue', async () => {
    const options = { ...fullSoon, delay: 0 };
    const path = tempFile();
    let queue = await DelayQueue.open(path, options);
    const count = await fill((i) => queue.store({ key: `${i}`, value }));
    await queue.close();
    queue = await DelayQueue.open(path, options);
    expect(queue.retrieve(1e6)).toHaveLength(count);
    await queue.close();
  });

  it('of a PartitionedQueue', async () => {
    const options = { path: tempFile(), buffer: fullSoon, processingInterval: 2 ** 31 - 1 };
    let queue = await PartitionedQueue.start<string>({ ...options, processor: () => {} });
    const count = await fill(() => queue.push(value));
    await queue.stop({ timeout: 0 });
    const seen: string[] = [];
    queue = await PartitionedQueue.start({ ...options, processor: (batch) => void seen.push(...batch) });
    await queue.stop();
    expect(seen).toHaveLength(count);
  });
});
