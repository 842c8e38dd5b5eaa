/** One event store in several threads: the contract holds with every call going to another one, and threads that end harm nothing. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EventStore, type EventStoreOptions } from '../../src/index.js';
import { anEvent, collect, eventStoreContract, versionsOf } from '../contract/event-store-contract.js';
import { EventStoreThread, EventStoreThreads } from '../support/remote-event-store.js';
import { tempFile } from '../support/temp.js';
import { Thread } from './threads.js';

const small: EventStoreOptions = { initialSize: 65_536, segmentSize: 65_536 };

describe.each([
  { name: 'two threads', options: small },
  { name: "two threads, durability 'process'", options: { ...small, durability: 'process' as const } },
])('EventStore in $name', ({ name, options }) => {
  let path = '';
  const threads: EventStoreThread[] = [];
  beforeAll(() => void threads.push(new EventStoreThread(), new EventStoreThread()));
  afterAll(() => Promise.all(threads.map(({ worker }) => worker.terminate())));
  eventStoreContract({
    name,
    persistent: true,
    create: (more) => {
      path = tempFile();
      return EventStoreThreads.open(threads, path, { ...options, ...more });
    },
    reopen: (more) => EventStoreThreads.open(threads, path, { ...options, ...more }),
  });
});

describe('an event store in several threads', () => {
  const threads: EventStoreThread[] = [];
  const thread = async (path: string, options: EventStoreOptions = small): Promise<EventStoreThread> => {
    const made = new EventStoreThread();
    threads.push(made);
    await made.use(path, options);
    return made;
  };
  afterEach(async () => {
    await Promise.all(threads.splice(0).map(({ worker }) => worker.terminate()));
  });

  it('a thread that only waits for events stays alive, and ends when it waits no more', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    await store.store(anEvent('a'));
    const { worker } = new Thread(path, small, 'subscriber.mjs');
    const exit = once(worker, 'exit');
    expect(await once(worker, 'message')).toEqual([1]);
    expect(await Promise.race([exit, delay(300, 'alive')])).toBe('alive');
    const message = once(worker, 'message');
    await store.store(anEvent('a'));
    expect(await message).toEqual([2]);
    expect(await exit).toEqual([0]);
    await store.close();
  });

  it.each(['commit', 'interval', 'process'] as const)(
    "appends of all of them are one sequence, which all see alike, durability '%s'",
    async (durability) => {
      const path = tempFile();
      const options = { ...small, durability };
      const store = await EventStore.open(path, options);
      const others = await Promise.all([thread(path, options), thread(path, options)]);
      const total = 600;
      const seen = [collect(store.subscribe(), total), collect(others[0]?.iterate('subscribe', []) ?? [], total)];
      const write = async (who: number): Promise<number[]> => {
        const versions: number[] = [];
        for (let i = 0; i < total / 3; i += 2) {
          const events = [0, 1].map((k) => ({ ...anEvent('shared'), id: `${who} ${i} ${k}` }));
          if (who === 2) versions.push(...(await store.storeBatch(events)));
          else
            versions.push(...(await (others[who] as EventStoreThread).ask<number[]>('call', 'storeBatch', [events])));
        }
        return versions;
      };
      const versions = await Promise.all([write(0), write(1), write(2)]);
      expect(versions.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
      for (const own of versions) {
        for (let i = 0; i < own.length; i += 2) expect(own[i + 1]).toBe((own[i] as number) + 1); // batches are whole
      }
      const [mine, theirs] = await Promise.all(seen);
      expect(versionsOf(mine ?? [])).toEqual(Array.from({ length: total }, (_, i) => i + 1));
      expect(theirs).toEqual(mine);
      expect(mine?.map(({ aggregateVersion }) => aggregateVersion)).toEqual(versionsOf(mine ?? []));
      await store.close();
    },
  );

  it('one of them wins each expected version', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    const others = await Promise.all([thread(path), thread(path)]);
    for (let expectedVersion = 0; expectedVersion < 30; expectedVersion++) {
      const results = await Promise.allSettled([
        store.store(anEvent('a'), { expectedVersion }),
        ...others.map((other) => other.ask('call', 'store', [anEvent('a'), { expectedVersion }])),
      ]);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    }
    expect(await store.aggregateVersion('a')).toBe(30);
    await store.close();
  });

  it('never gives a version out twice, whoever collects meanwhile', async () => {
    const path = tempFile();
    const options = { ...small, durability: 'interval' as const };
    const store = await EventStore.open(path, options);
    const other = await thread(path, options);
    const given = new Set<number>();
    for (let round = 0; round < 60; round++) {
      // The other thread stores events and removes them again, all but a rest, before this one has looked.
      const events = Array.from({ length: 5 }, () => anEvent(`a ${round % 3}`));
      for (const version of await other.ask<number[]>('call', 'storeBatch', [events])) given.add(version);
      await other.ask('call', 'runGC', [{ before: given.size + 1, compact: false }]);
      given.add(await store.store(anEvent('mine')));
      expect(given.size).toBe((round + 1) * 6);
    }
    expect(await other.ask('call', 'latestVersion', [])).toBe(360);
    expect(store.stats()).toMatchObject({ latestVersion: 360, missing: 0 });
    await store.close();
    const again = await EventStore.open(path, options);
    expect(again.stats()).toMatchObject({ latestVersion: 360, missing: 0 });
    await again.close();
  });

  it('goes on when one is terminated while it writes; subscriptions miss nothing', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    const seen: number[] = [];
    const subscription = (async () => {
      for await (const { version, event } of store.subscribe()) {
        seen.push(version);
        if (event.type === 'End') break;
      }
    })();
    for (let round = 0; round < 8; round++) {
      const other = await thread(path);
      other.ask('flood', `round ${round}`).catch(() => {});
      const enough = seen.length + 5;
      await collect(store.subscribe({ since: await store.latestVersion() }), 5);
      await other.worker.terminate();
      await store.store(anEvent('mine'));
      expect(seen.length).toBeGreaterThanOrEqual(enough - 1);
    }
    const latest = await store.store(anEvent('mine', 'End'));
    await subscription;
    const events = await collect(store.load());
    expect(versionsOf(events)).toEqual(Array.from({ length: latest }, (_, i) => i + 1));
    expect(await store.buffer.verify()).toMatchObject({ ok: true });
    expect(seen).toEqual(versionsOf(events));
    await store.close();
  });
});
