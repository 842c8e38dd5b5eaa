/** Two threads with a store: in the middle of what one does, between any two calls to the engine, the other does everything. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CompactableBuffer, EventStore } from '../../../src/index.js';
import { anEvent, collect, versionsOf } from '../../contract/event-store-contract.js';
import { Interruption, NEVER } from '../../support/interrupt.js';
import { tempFile } from '../../support/temp.js';

const options = {
  ...{ initialSize: 65_536, segmentSize: 65_536, durability: 'process' as const },
  compaction: { policy: 'disabled' as const },
};

/** What the one who is interrupted does; the versions that it has been given. */
const works: { name: string; work: (store: EventStore) => Promise<unknown> }[] = [
  { name: 'store', work: (store) => store.store(anEvent('mine')) },
  { name: 'storeBatch', work: (store) => store.storeBatch([anEvent('mine'), anEvent('b'), anEvent('a')]) },
  { name: 'saveSnapshot', work: (store) => store.saveSnapshot('b', { n: 1 }, 2) },
  { name: 'runGC', work: (store) => store.runGC({ before: 4, ignoreCheckpoints: true }) },
  { name: 'load', work: (store) => collect(store.load()) },
  { name: 'aggregateVersion', work: (store) => store.aggregateVersion('a') },
];

/** Another thread, which stores, saves snapshots and collects. All of a call happens before it waits for anything. */
class Other {
  readonly versions: number[] = [];
  readonly #store: EventStore;
  readonly #rounds: number;
  readonly #pending: Promise<unknown>[] = [];

  constructor(store: EventStore, rounds: number) {
    this.#store = store;
    this.#rounds = rounds;
  }

  readonly act = (): void => {
    const keep = (versions: number[]): void => void this.versions.push(...versions);
    for (let i = 0; i < this.#rounds; i++) {
      this.#pending.push(this.#store.storeBatch([anEvent('a'), anEvent('b')]).then(keep));
      this.#pending.push(this.#store.saveSnapshot('b', { i }, 2));
    }
    this.#pending.push(this.#store.runGC({ before: 8, ignoreCheckpoints: true }));
  };

  async done(): Promise<void> {
    await Promise.all(this.#pending);
  }
}

afterEach(() => vi.restoreAllMocks());

/** Events of two aggregates in turn. */
const inTurn = (length: number) => Array.from({ length }, (_, i) => anEvent(i % 2 === 0 ? 'a' : 'b'));

const open = CompactableBuffer.open.bind(CompactableBuffer);

/** Opens a store; the calls that it makes from the first one on count. */
async function openInterrupted(path: string, interruption: Interruption): Promise<EventStore> {
  vi.spyOn(CompactableBuffer, 'open').mockImplementation(async (...asked) => {
    const buffer = await open(...asked);
    interruption.watch(buffer);
    return buffer;
  });
  const store = await EventStore.open(path, options);
  interruption.end();
  vi.restoreAllMocks();
  return store;
}

/** Each finds out what the others do from now on. */
async function expectSound(stores: EventStore[], given: number[], what: string): Promise<void> {
  for (const store of [...stores, ...stores]) {
    given.push(...(await store.storeBatch([anEvent('a'), anEvent('a'), anEvent('b')])));
    await store.runGC({ before: given.length, ignoreCheckpoints: true });
  }
  given.sort((a, b) => a - b);
  expect(given, what).toEqual(Array.from(given, (_, i) => i + 1));
  for (const store of stores) {
    expect(await store.latestVersion(), what).toBe(given.length);
    expect(versionsOf(await collect(store.load())), what).toEqual(given.slice(-1));
    expect(store.stats(), what).toMatchObject({ missing: 0, damaged: 0 });
  }
}

describe('in the middle of it another thread stores, saves snapshots and collects', () => {
  it.each(works)('$name', async ({ name, work }) => {
    for (let at = NEVER, calls = 0; at < calls; at++) {
      for (const rounds of [1, 2, 3]) {
        const path = tempFile('events');
        const [store, second] = [await EventStore.open(path, options), await EventStore.open(path, options)];
        const given = await store.storeBatch(inTurn(6));
        const other = new Other(second, rounds);
        const interruption = new Interruption(at, other.act);
        interruption.watch(store.buffer);
        const result = await work(store);
        interruption.end();
        calls = Math.max(calls, interruption.calls);
        await other.done();
        if (name.startsWith('store')) given.push(...([result].flat() as number[]));
        await expectSound([store, second], [...given, ...other.versions], `call ${at}, ${rounds} rounds`);
        await store.close();
        await second.close();
      }
    }
  });

  it('open', async () => {
    for (let at = NEVER, calls = 0; at < calls; at++) {
      for (const rounds of [1, 2, 3]) {
        const path = tempFile('events');
        const first = await EventStore.open(path, options);
        const given = await first.storeBatch(inTurn(6));
        const other = new Other(first, rounds);
        const interruption = new Interruption(at, other.act);
        const store = await openInterrupted(path, interruption);
        calls = Math.max(calls, interruption.calls);
        await other.done();
        await expectSound([store, first], [...given, ...other.versions], `call ${at}, ${rounds} rounds`);
        await store.close();
        await first.close();
      }
    }
  });

  it('open, of more than is listed in one go, with room in front where something was collected', async () => {
    for (let at = NEVER, calls = 0; at < calls; at++) {
      const path = tempFile('events');
      const first = await EventStore.open(path, options);
      await first.storeBatch(inTurn(6000));
      await first.runGC({ before: 5000, keepAggregates: ['b'] });
      const stored: Promise<unknown>[] = [];
      const interruption = new Interruption(at, () => {
        stored.push(first.storeBatch(Array.from({ length: 400 }, (_, i) => anEvent(i < 200 ? 'a' : 'b'))));
      });
      const store = await openInterrupted(path, interruption);
      calls = Math.max(calls, interruption.calls);
      await Promise.all(stored);
      const events = 3000 + 200 * stored.length;
      expect([await store.aggregateVersion('a'), await store.aggregateVersion('b')], `call ${at}`).toEqual([
        events,
        events,
      ]);
      expect(store.stats(), `call ${at}`).toMatchObject({ latestVersion: 2 * events, missing: 0 });
      await store.close();
      await first.close();
    }
  });
});
