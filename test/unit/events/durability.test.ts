/** What is shown to whom, and when: with durability 'commit' nothing that a power cut could take back. */
import { copyFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EventStore } from '../../../src/index.js';
import { anEvent, collect, versionsOf } from '../../contract/event-store-contract.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

const small = { initialSize: 65_536, segmentSize: 65_536, syncInterval: 1_000_000 };

describe("with durability 'commit'", () => {
  it('an event is shown once it is on the disk', async () => {
    const store = await EventStore.open(tempFile(), small);
    const seen = collect(store.subscribe(), 1);
    const flush = store.buffer.flush.bind(store.buffer);
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    store.buffer.flush = () => held.then(() => flush()); // a slow disk
    const storing = store.store({ ...anEvent('a'), id: 'x' });
    // It is stored, and decides about others already.
    await expectCode(() => store.store(anEvent('a'), { expectedVersion: 'none' }), 'MMCB_VERSION_CONFLICT');
    expect(store.stats()).toMatchObject({ latestVersion: 1, visibleVersion: 0 });
    expect(await store.latestVersion()).toBe(0);
    expect(await store.aggregateVersion('a')).toBe(0);
    expect(await collect(store.load())).toEqual([]);
    await expectCode(() => store.get('x'), 'MMCB_EVENT_NOT_FOUND');
    goOn();
    await storing;
    expect(await store.latestVersion()).toBe(1);
    expect(await store.aggregateVersion('a')).toBe(1);
    expect(versionsOf(await seen)).toEqual([1]);
    await store.close();
  });

  it('what has resolved is in a copy of the file that only has its last sync point', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    for (let i = 0; i < 20; i++) {
      const version = await store.store(anEvent('a'));
      const copy = tempFile('copy');
      copyFileSync(path, copy); // another inode: what is newer than the last sync point is rolled back
      const other = await EventStore.open(copy, small);
      expect(await other.latestVersion()).toBe(version);
      await other.close();
    }
    await store.close();
  });

  it('many writers share sync points', async () => {
    const store = await EventStore.open(tempFile(), small);
    const writers = Array.from({ length: 64 }, async (_, writer) => {
      for (let i = 0; i < 5; i++) await store.store(anEvent(`a ${writer}`));
    });
    await Promise.all(writers);
    const { commits, buffer } = store.stats();
    expect(commits.count).toBeLessThan(40);
    expect(buffer.syncs).toBeLessThan(60);
    expect(commits.longest).toBeGreaterThanOrEqual(commits.last);
    expect(commits.total).toBeGreaterThan(0);
    await store.close();
  });

  it('two stores of one file in a thread see each other', async () => {
    const path = tempFile();
    const [one, two] = [await EventStore.open(path, small), await EventStore.open(path, small)];
    const seen = collect(two.subscribe(), 50);
    for (let i = 0; i < 50; i++) {
      const version = await (i % 2 === 0 ? one : two).store(anEvent('a'), { expectedVersion: i });
      expect(await two.latestVersion()).toBe(version);
      expect(await one.latestVersion()).toBe(version);
    }
    expect(versionsOf(await seen)).toHaveLength(50);
    await one.close();
    await two.store(anEvent('a'));
    await two.close();
  });
});

describe.each(['interval', 'process'] as const)("with durability '%s'", (durability) => {
  it('an event is shown at once', async () => {
    const store = await EventStore.open(tempFile(), { ...small, durability });
    const storing = store.store(anEvent('a'));
    expect(await store.latestVersion()).toBe(1);
    await storing;
    expect(store.stats().commits.count).toBe(0);
    await store.flush();
    await store.close();
  });
});

it('a store that is read only can be read, and no more', async () => {
  const path = tempFile();
  const store = await EventStore.open(path, small);
  await store.storeBatch([anEvent('a'), anEvent('b')]);
  await store.saveSnapshot('a', 'state', 1);
  await store.checkpoint('c').save(2);
  await store.close();
  const reader = await EventStore.open(path, { readOnly: true });
  const other = await EventStore.open(path, { readOnly: true });
  expect(versionsOf(await collect(reader.load()))).toEqual([1, 2]);
  expect(await reader.loadSnapshot('a')).toMatchObject({ state: 'state' });
  expect(await reader.checkpoint('c').load()).toBe(2);
  expect(versionsOf(await collect(other.subscribe(), 2))).toEqual([1, 2]);
  await expectCode(() => reader.store(anEvent('a')), 'MMCB_READ_ONLY');
  await expectCode(() => reader.checkpoint('c').save(1), 'MMCB_READ_ONLY');
  await expectCode(() => reader.saveSnapshot('b', 'state', 2), 'MMCB_READ_ONLY');
  await expectCode(() => reader.runGC({ before: 2 }), 'MMCB_READ_ONLY');
  await reader.close();
  await other.close();
});

describe('backup and restore', () => {
  it('make a store of what was there, while others write', async () => {
    const [path, backup, restored] = [tempFile(), tempFile('backup'), tempFile('restored')];
    const store = await EventStore.open(path, small);
    await store.storeBatch(Array.from({ length: 500 }, () => anEvent('a')));
    const backingUp = store.backup(backup);
    const later = store.storeBatch(Array.from({ length: 500 }, () => anEvent('a')));
    await Promise.all([backingUp, later]);
    await EventStore.restore(backup, restored);
    const again = await EventStore.open(restored, small);
    const latest = await again.latestVersion();
    expect([500, 1000]).toContain(latest);
    expect(await collect(again.load())).toEqual(await collect(store.load({ until: latest })));
    await again.close();
    await expectCode(() => EventStore.restore(backup, restored), 'MMCB_IO');
    await EventStore.restore(backup, restored, { overwrite: true });
    await store.close();
  });

  it('refuse what is damaged, or no event store', async () => {
    const path = tempFile();
    await expectCode(() => EventStore.restore(path, tempFile()), 'MMCB_IO');
    await expectCode(() => EventStore.restore(new URL(import.meta.url).pathname, tempFile()), 'MMCB_NOT_MMCB');
  });
});
