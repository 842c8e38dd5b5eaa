/** What every event store does, wherever it lives and from however many threads it is used; see test/unit/events. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Checkpoint, DomainEvent, EventStore, EventStoreOptions, StoredEvent } from '../../src/index.js';
import { errorOf, expectCode } from '../support/expect.js';

/** The calls of a store that can be made from elsewhere as well. */
export type AnyEventStore = Omit<
  Pick<
    EventStore,
    | 'store'
    | 'storeBatch'
    | 'get'
    | 'latestVersion'
    | 'aggregateVersion'
    | 'saveSnapshot'
    | 'loadSnapshot'
    | 'runGC'
    | 'close'
  >,
  never
> & {
  load(...args: Parameters<EventStore['load']>): AsyncIterableIterator<StoredEvent>;
  loadByAggregate(...args: Parameters<EventStore['loadByAggregate']>): AsyncIterableIterator<StoredEvent>;
  subscribe(...args: Parameters<EventStore['subscribe']>): AsyncIterableIterator<StoredEvent>;
  checkpoint(name: string): Pick<Checkpoint, 'load' | 'save' | 'delete'>;
};

/** Where the stores of the suite live. */
export interface EventStoreHome {
  readonly name: string;
  /** Whether what is closed can be opened again. */
  readonly persistent: boolean;
  /** A store on something new. */
  create(options?: EventStoreOptions): Promise<AnyEventStore>;
  /** The same again, after it was closed. */
  reopen(options?: EventStoreOptions): Promise<AnyEventStore>;
}

export async function collect<T>(events: AsyncIterable<T>, limit = Number.POSITIVE_INFINITY): Promise<T[]> {
  const found: T[] = [];
  if (limit === 0) return found;
  for await (const event of events) {
    found.push(event);
    if (found.length === limit) break;
  }
  return found;
}

export const versionsOf = (events: readonly StoredEvent[]): number[] => events.map(({ version }) => version);

let count = 0;
export const anEvent = (aggregateId: string, type = 'Happened', data: unknown = { n: count }): DomainEvent => ({
  id: `event ${count++}`,
  type,
  aggregateId,
  data,
});

export function eventStoreContract(home: EventStoreHome): void {
  let store: AnyEventStore;

  beforeEach(async () => {
    store = await home.create();
  });

  afterEach(async () => {
    await store.close();
  });

  const fill = async (...aggregates: string[]): Promise<DomainEvent[]> => {
    const events = aggregates.map((aggregateId) => anEvent(aggregateId));
    for (const event of events) await store.store(event);
    return events;
  };

  describe('storing', () => {
    it('gives out versions 1, 2, 3, without gaps, whoever they happen to', async () => {
      expect(await store.latestVersion()).toBe(0);
      expect(await store.store(anEvent('a'))).toBe(1);
      expect(await store.store(anEvent('b'))).toBe(2);
      expect(await store.storeBatch([anEvent('a'), anEvent('c'), anEvent('a')])).toEqual([3, 4, 5]);
      expect(await store.storeBatch([])).toEqual([]);
      expect(await store.latestVersion()).toBe(5);
      expect(await store.aggregateVersion('a')).toBe(3);
      expect(await store.aggregateVersion('c')).toBe(1);
      expect(await store.aggregateVersion('nobody')).toBe(0);
    });

    it('returns what was stored, with its places and its time', async () => {
      const before = Date.now();
      const event = {
        id: 'ид',
        type: 'Geändert',
        aggregateId: '東京',
        data: { n: [1, null, 'x'] },
        metadata: { by: 'Ada' },
      };
      await store.store(anEvent('東京'));
      await store.store(event);
      const found = await store.get('ид');
      expect(found).toEqual({ event, version: 2, aggregateVersion: 2, timestamp: expect.any(Number) });
      expect(found.timestamp).toBeGreaterThanOrEqual(before);
      expect(found.timestamp).toBeLessThanOrEqual(Date.now());
      expect(await collect(store.load({ since: 1 }))).toEqual([found]);
    });

    it('keeps events of no data, of much, and names of any characters', async () => {
      const events = [
        { ...anEvent('\ud800'), data: null },
        { ...anEvent('\0'), data: 'x'.repeat(300_000), metadata: { large: 'y'.repeat(70_000) } },
        { ...anEvent('x'.repeat(16_383), '\u0100'.repeat(16_383)), data: [] },
        { ...anEvent('ÿ'), id: 'ÿ'.repeat(16_383), data: 0 },
      ];
      await store.storeBatch(events);
      expect((await collect(store.load())).map(({ event }) => event)).toEqual(events);
      for (const event of events) expect((await store.get(event.id)).event).toEqual(event);
    });

    it('stores all events of a batch, or none', async () => {
      await fill('a');
      await store.store({ id: 'taken', type: 'T', aggregateId: 'a', data: 1 });
      const batch = [anEvent('b'), { id: 'taken', type: 'T', aggregateId: 'a', data: 2 }];
      await expectCode(() => store.storeBatch(batch), 'MMCB_EVENT_EXISTS');
      await expectCode(
        () => store.storeBatch([anEvent('b'), anEvent('a')], { expectedVersion: 'none' }),
        'MMCB_VERSION_CONFLICT',
      );
      expect(await store.latestVersion()).toBe(2);
      expect(await store.aggregateVersion('b')).toBe(0);
    });
  });

  describe('the same event again', () => {
    it('is acknowledged with the version that it has', async () => {
      const [event] = (await fill('a', 'b')) as [DomainEvent];
      expect(await store.store(event)).toBe(1);
      expect(await store.store({ ...event, data: structuredClone(event.data) }, { expectedVersion: 'none' })).toBe(1);
      expect(await store.storeBatch([event, event])).toEqual([1, 1]);
      expect(await store.latestVersion()).toBe(2);
    });

    it('is stored once in a batch, with what is new', async () => {
      const [known] = (await fill('a')) as [DomainEvent];
      const fresh = anEvent('a');
      expect(await store.storeBatch([fresh, known, fresh, anEvent('b')])).toEqual([2, 1, 2, 3]);
      expect(await store.latestVersion()).toBe(3);
    });

    it('is the same if its data is, in whatever order it stands', async () => {
      const event = { ...anEvent('a'), data: { x: 1, y: { z: [2] } }, metadata: { u: 1 } };
      await store.store(event);
      expect(await store.store({ ...event, data: { y: { z: [2] }, x: 1 } })).toBe(1);
      expect(await store.store({ ...event, metadata: { u: 1 } })).toBe(1);
    });

    it.each<[string, Partial<DomainEvent>]>([
      ['data', { data: { n: 'other' } }],
      ['metadata', { metadata: { by: 'Eve' } }],
      ['type', { type: 'Other' }],
      ['aggregate', { aggregateId: 'b' }],
    ])('is MMCB_EVENT_EXISTS with other %s', async (_, change) => {
      const [event] = (await fill('a')) as [DomainEvent];
      await expectCode(() => store.store({ ...event, ...change }), 'MMCB_EVENT_EXISTS');
      await expectCode(() => store.storeBatch([anEvent('c'), { ...event, ...change }]), 'MMCB_EVENT_EXISTS');
      const twin = anEvent('d');
      await expectCode(() => store.storeBatch([twin, { ...twin, data: 'other' }]), 'MMCB_EVENT_EXISTS');
      expect(await store.latestVersion()).toBe(1);
    });
  });

  describe('expected versions', () => {
    it('are those of the aggregate', async () => {
      await store.store(anEvent('a'), { expectedVersion: 'none' });
      await store.store(anEvent('b'), { expectedVersion: 0 });
      await store.store(anEvent('b'), { expectedVersion: 1 });
      await store.store(anEvent('a'), { expectedVersion: await store.aggregateVersion('a') });
      await store.store(anEvent('a'), { expectedVersion: 'any' });
      expect(await store.aggregateVersion('a')).toBe(3);
    });

    it.each([
      ['none', 2],
      [0, 2],
      [1, 2],
      [3, 2],
    ] as const)('%s is a conflict at 2, which says both', async (expectedVersion, actualVersion) => {
      await fill('other', 'a', 'a');
      const error = await expectCode(() => store.store(anEvent('a'), { expectedVersion }), 'MMCB_VERSION_CONFLICT');
      expect(error).toMatchObject({ expectedVersion, actualVersion, aggregateId: 'a' });
      expect(error.message).toContain(String(expectedVersion));
      expect(await store.latestVersion()).toBe(3);
    });

    it('of a batch are those before it: one for all aggregates, or for each its own', async () => {
      await fill('a', 'a');
      await store.storeBatch([anEvent('a'), anEvent('a')], { expectedVersion: 2 });
      await store.storeBatch([anEvent('b'), anEvent('c')], { expectedVersion: 'none' });
      const batch = [anEvent('a'), anEvent('b'), anEvent('d')];
      const wrong = { expectedVersion: { a: 4, b: 2 } };
      const error = await expectCode(() => store.storeBatch(batch, wrong), 'MMCB_VERSION_CONFLICT');
      expect(error).toMatchObject({ expectedVersion: 2, actualVersion: 1, aggregateId: 'b' });
      expect(await store.storeBatch(batch, { expectedVersion: { a: 4, b: 1 } })).toEqual([7, 8, 9]);
    });

    it('can be asked for the event itself', async () => {
      await fill('a');
      await expectCode(() => store.store(anEvent('a'), { version: 1 }), 'MMCB_VERSION_CONFLICT');
      expect(await store.store(anEvent('a'), { version: 2 })).toBe(2);
      const error = await expectCode(() => store.store(anEvent('a'), { version: 9 }), 'MMCB_VERSION_CONFLICT');
      expect(error).toMatchObject({ expectedVersion: 9, actualVersion: 3 });
    });

    it('let one of many win', async () => {
      await fill('a');
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, () => store.store(anEvent('a'), { expectedVersion: 1 })),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await store.aggregateVersion('a')).toBe(2);
    });
  });

  describe('loading', () => {
    beforeEach(async () => {
      const events = Array.from({ length: 700 }, (_, i) => anEvent(`aggregate ${i % 7}`, `Type ${i % 5}`));
      await store.storeBatch(events);
    });

    it('goes from after since to until', async () => {
      expect(versionsOf(await collect(store.load()))).toEqual(Array.from({ length: 700 }, (_, i) => i + 1));
      expect(versionsOf(await collect(store.load({ since: 697 })))).toEqual([698, 699, 700]);
      expect(versionsOf(await collect(store.load({ since: 0, until: 2 })))).toEqual([1, 2]);
      expect(versionsOf(await collect(store.load({ since: 5, until: 5 })))).toEqual([]);
      expect(versionsOf(await collect(store.load({ since: 700 })))).toEqual([]);
      expect(versionsOf(await collect(store.load({ since: 698, until: 9999 })))).toEqual([699, 700]);
    });

    it('goes backwards, to a limit, by type', async () => {
      expect(versionsOf(await collect(store.load({ backwards: true, limit: 3 })))).toEqual([700, 699, 698]);
      expect(versionsOf(await collect(store.load({ backwards: true, since: 2, until: 4 })))).toEqual([4, 3]);
      expect(await collect(store.load({ limit: 0 }))).toEqual([]);
      const typed = await collect(store.load({ types: ['Type 1', 'Type 3', 'unknown'], limit: 200 }));
      expect(versionsOf(typed)).toEqual(
        Array.from({ length: 700 }, (_, i) => i + 1)
          .filter((version) => [1, 3].includes((version - 1) % 5))
          .slice(0, 200),
      );
      expect(await collect(store.load({ types: [] }))).toEqual([]);
    });

    it('of an aggregate finds its events, and no others', async () => {
      const found = await collect(store.loadByAggregate('aggregate 3'));
      expect(versionsOf(found)).toEqual(Array.from({ length: 100 }, (_, i) => i * 7 + 4));
      expect(found.map(({ aggregateVersion }) => aggregateVersion)).toEqual(
        Array.from({ length: 100 }, (_, i) => i + 1),
      );
      expect(versionsOf(await collect(store.loadByAggregate('aggregate 3', { since: 683 })))).toEqual([690, 697]);
      expect(versionsOf(await collect(store.loadByAggregate('aggregate 3', { since: 4, until: 18 })))).toEqual([
        11, 18,
      ]);
      const last = await collect(store.loadByAggregate('aggregate 3', { backwards: true, limit: 2 }));
      expect(versionsOf(last)).toEqual([697, 690]);
      const typed = await collect(store.loadByAggregate('aggregate 3', { types: ['Type 0'], limit: 1 }));
      expect(typed[0]?.version).toBe(11);
      expect(await collect(store.loadByAggregate('nobody'))).toEqual([]);
    });

    it('sees what there was when it began', async () => {
      const events = store.load({ since: 690 })[Symbol.asyncIterator]();
      const found = [(await events.next()).value?.version];
      await store.storeBatch(Array.from({ length: 500 }, () => anEvent('later')));
      for (let next = await events.next(); !next.done; next = await events.next()) found.push(next.value.version);
      expect(found).toEqual([691, 692, 693, 694, 695, 696, 697, 698, 699, 700]);
      expect(await events.next()).toEqual({ done: true, value: undefined });
    });

    it('answers several calls of next in their order', async () => {
      const events = store.load()[Symbol.asyncIterator]();
      const asked = await Promise.all(Array.from({ length: 705 }, () => events.next()));
      expect(asked.slice(0, 700).map(({ value }) => value?.version)).toEqual(
        Array.from({ length: 700 }, (_, i) => i + 1),
      );
      expect(asked.slice(700).every(({ done }) => done)).toBe(true);
    });

    it('ends where the loop is left', async () => {
      const events = store.load();
      expect(versionsOf(await collect(events, 3))).toEqual([1, 2, 3]);
      expect(await collect(events)).toEqual([]);
    });

    it('of one event by its id says when there is none', async () => {
      await expectCode(() => store.get('nothing'), 'MMCB_EVENT_NOT_FOUND');
    });
  });

  describe('subscribing', () => {
    it('gives history, then what comes, each once', async () => {
      await fill('a', 'b', 'c');
      const found = collect(store.subscribe({ since: 1 }), 302);
      for (let i = 0; i < 100; i++) {
        await store.store(anEvent('a'));
        await store.storeBatch([anEvent('b'), anEvent('c')]);
      }
      expect(versionsOf(await found)).toEqual(Array.from({ length: 302 }, (_, i) => i + 2));
    });

    it('by type, and by aggregate', async () => {
      await store.storeBatch([anEvent('a', 'X'), anEvent('a', 'Y'), anEvent('b', 'X')]);
      const typed = collect(store.subscribe({ types: ['X', 'Z'] }), 3);
      const ofB = collect(store.subscribe({ aggregateId: 'b', since: 1 }), 2);
      await store.storeBatch([anEvent('c', 'Y'), anEvent('b', 'Z')]);
      expect(versionsOf(await typed)).toEqual([1, 3, 5]);
      expect(versionsOf(await ofB)).toEqual([3, 5]);
    });

    it('goes on from a checkpoint', async () => {
      const checkpoint = store.checkpoint('reader');
      expect(await checkpoint.load()).toBe(0);
      await fill('a', 'a', 'a', 'a');
      const found: number[] = [];
      for (let round = 0; round < 2; round++) {
        for (const { version } of await collect(store.subscribe({ since: await checkpoint.load() }), 2)) {
          found.push(version);
          await checkpoint.save(version);
        }
      }
      expect(found).toEqual([1, 2, 3, 4]);
      expect(await store.checkpoint('reader').load()).toBe(4);
      expect(await store.checkpoint('another').load()).toBe(0);
      expect(await checkpoint.delete()).toBe(true);
      expect(await checkpoint.delete()).toBe(false);
      expect(await checkpoint.load()).toBe(0);
    });

    it('ends when the store is closed', async () => {
      const waiting = collect(store.subscribe());
      await fill('a');
      await store.close();
      expect((await waiting).length).toBeLessThanOrEqual(1);
    });
  });

  describe('snapshots', () => {
    it('are those saved last, of the latest version', async () => {
      await fill('a', 'b', 'a', 'a');
      expect(await store.loadSnapshot('a')).toBeUndefined();
      expect(await store.saveSnapshot('a', { total: 2 }, 3)).toBe(true);
      expect(await store.loadSnapshot('a')).toMatchObject({ state: { total: 2 }, version: 3 });
      expect(await store.saveSnapshot('a', { total: 3 }, 4)).toBe(true);
      expect(await store.saveSnapshot('a', { total: 1 }, 1)).toBe(false);
      const snapshot = await store.loadSnapshot('a');
      expect(snapshot).toEqual({ state: { total: 3 }, version: 4, timestamp: expect.any(Number) });
      expect(await collect(store.loadByAggregate('a', { since: snapshot?.version }))).toEqual([]);
      expect(await store.loadSnapshot('b')).toBeUndefined();
    });

    it('are refused at versions that are not of the aggregate', async () => {
      await fill('a', 'b');
      expect(await errorOf(() => store.saveSnapshot('a', 1, 2))).toBeInstanceOf(RangeError);
      expect(await errorOf(() => store.saveSnapshot('a', 1, 3))).toBeInstanceOf(RangeError);
      expect(await errorOf(() => store.saveSnapshot('a', 1, 0))).toBeInstanceOf(RangeError);
      expect(await errorOf(() => store.saveSnapshot('nobody', 1, 1))).toBeInstanceOf(RangeError);
    });
  });

  describe('garbage collection', () => {
    it('removes what snapshots cover, and keeps all versions', async () => {
      await fill('a', 'b', 'a', 'a', 'b', 'a');
      await store.saveSnapshot('a', 'state', 4);
      expect(await store.runGC()).toMatchObject({ collected: 3, heldBy: undefined });
      expect(versionsOf(await collect(store.load()))).toEqual([2, 5, 6]);
      expect(await collect(store.loadByAggregate('a'))).toMatchObject([{ version: 6, aggregateVersion: 4 }]);
      expect(await store.runGC()).toMatchObject({ collected: 0 });
      expect(await store.store(anEvent('a'), { expectedVersion: 4 })).toBe(7);
      await store.saveSnapshot('a', 'later', 7);
      expect(await store.runGC()).toMatchObject({ collected: 2 });
      expect(versionsOf(await collect(store.load()))).toEqual([2, 5]);
      expect(await store.aggregateVersion('a')).toBe(5);
    });

    it('removes what is before a version, but of aggregates that are to be kept', async () => {
      const [first] = (await fill('a', 'b', 'c', 'a', 'b', 'c')) as [DomainEvent];
      expect(await store.runGC({ before: 6, keepAggregates: ['c'] })).toMatchObject({ collected: 4 });
      expect(versionsOf(await collect(store.load()))).toEqual([3, 6]);
      await expectCode(() => store.get(first.id), 'MMCB_EVENT_NOT_FOUND');
      expect(await store.runGC({ before: 7 })).toMatchObject({ collected: 2 });
      expect(await collect(store.load())).toEqual([]);
      expect(await store.latestVersion()).toBe(6);
      expect(await store.aggregateVersion('b')).toBe(2);
      expect(await store.store(anEvent('new'))).toBe(7);
      expect(versionsOf(await collect(store.subscribe(), 1))).toEqual([7]);
    });

    it('acknowledges the last event that was collected of an aggregate', async () => {
      const events = await fill('a', 'a');
      await store.runGC({ before: 3 });
      expect(await store.store(events[1] as DomainEvent)).toBe(2);
      expect(await store.latestVersion()).toBe(2);
    });

    it('stops at checkpoints, unless told otherwise', async () => {
      await fill('a', 'a', 'a', 'a');
      await store.checkpoint('slow').save(2);
      expect(await store.runGC({ before: 4 })).toMatchObject({ collected: 2, heldBy: 'checkpoint slow' });
      expect(versionsOf(await collect(store.load()))).toEqual([3, 4]);
      expect(await store.runGC({ before: 3 })).toMatchObject({ collected: 0, heldBy: undefined });
      expect(await store.runGC({ before: 4, ignoreCheckpoints: true })).toMatchObject({ collected: 1 });
      await store.checkpoint('slow').delete();
      expect(await store.runGC({ before: 5 })).toMatchObject({ collected: 1 });
    });

    it('of many events goes through batches', async () => {
      for (let i = 0; i < 10; i++) await store.storeBatch(Array.from({ length: 1000 }, () => anEvent('a')));
      expect(await store.runGC({ before: 9_990 })).toMatchObject({ collected: 9_989 });
      expect(versionsOf(await collect(store.load()))).toEqual(Array.from({ length: 11 }, (_, i) => 9_990 + i));
      expect(await store.aggregateVersion('a')).toBe(10_000);
    });
  });

  it.runIf(home.persistent)('is all there when it is opened again', async () => {
    const events = await fill('a', 'b', 'a', 'c');
    await store.saveSnapshot('a', 'state', 1);
    await store.checkpoint('reader').save(3);
    await store.runGC();
    const before = await collect(store.load());
    for (let round = 0; round < 2; round++) {
      await store.close();
      store = await home.reopen();
      expect(await collect(store.load())).toEqual(before);
      expect(await store.latestVersion()).toBe(4 + round);
      expect(await store.aggregateVersion('a')).toBe(2);
      expect(await store.checkpoint('reader').load()).toBe(3);
      expect(await store.loadSnapshot('a')).toMatchObject({ state: 'state', version: 1 });
      expect(await store.store(events[2] as DomainEvent)).toBe(3);
      await expectCode(() => store.store({ ...events[2], data: 'x' } as DomainEvent), 'MMCB_EVENT_EXISTS');
      before.push(await store.get((await fill('d'))[0]?.id ?? ''));
    }
  });

  it.runIf(home.persistent)('gives no version out again when everything was collected', async () => {
    await fill('a', 'b');
    await store.runGC({ before: 3 });
    await store.close();
    store = await home.reopen();
    expect(await store.latestVersion()).toBe(2);
    expect(await store.store(anEvent('a'), { expectedVersion: 1 })).toBe(3);
  });

  describe('what is wrong', () => {
    const good = { id: 'x', type: 'T', aggregateId: 'a', data: 1 };

    it.each<[string, unknown, new () => Error]>([
      ['event', undefined, TypeError],
      ['event', 'event', TypeError],
      ['event', [], TypeError],
      ['event.id', { ...good, id: undefined }, TypeError],
      ['event.id', { ...good, id: '' }, RangeError],
      ['event.id', { ...good, id: 7 }, TypeError],
      ['event.type', { ...good, type: null }, TypeError],
      ['event.type', { ...good, type: '' }, RangeError],
      ['event.aggregateId', { ...good, aggregateId: '' }, RangeError],
      ['event.aggregateId', { ...good, aggregateId: {} }, TypeError],
    ])('%s in %o is refused by name', async (name, event, kind) => {
      const error = await errorOf(() => store.store(event as DomainEvent));
      expect(error).toBeInstanceOf(kind);
      expect(error.message).toContain(name);
      const ofBatch = await errorOf(() => store.storeBatch([{ ...good }, event as DomainEvent]));
      expect(ofBatch).toBeInstanceOf(kind);
      expect(ofBatch.message).toContain(name.replace('event', 'events[1]'));
      expect(await store.latestVersion()).toBe(0);
    });

    it('names of more than 16,383 characters are MMCB_TOO_LARGE', async () => {
      await expectCode(() => store.store({ ...good, id: 'x'.repeat(16_384) }), 'MMCB_TOO_LARGE');
      await expectCode(() => store.store({ ...good, type: 'x'.repeat(16_384) }), 'MMCB_TOO_LARGE');
      await expectCode(() => store.store({ ...good, aggregateId: 'x'.repeat(16_384) }), 'MMCB_TOO_LARGE');
    });

    it.each<[unknown, new () => Error]>([
      [{ expectedVersion: -1 }, RangeError],
      [{ expectedVersion: 1.5 }, RangeError],
      [{ expectedVersion: 'some' }, TypeError],
      [{ expectedVersion: '1' }, TypeError],
      [{ expectedVersion: 1n }, TypeError],
      [{ expected: 1 }, TypeError],
      [{ version: -1 }, RangeError],
      [{ signal: 'now' }, TypeError],
    ])('options %o of store are refused', async (options, kind) => {
      expect(await errorOf(() => store.store(good, options as object))).toBeInstanceOf(kind);
    });

    it('batches that are no arrays are refused', async () => {
      expect(await errorOf(() => store.storeBatch(good as never))).toBeInstanceOf(TypeError);
    });

    it('versions of another store are refused', async () => {
      await fill('a');
      expect(await errorOf(() => collect(store.load({ since: 2 })))).toBeInstanceOf(RangeError);
      expect(await errorOf(() => collect(store.subscribe({ since: 2 })))).toBeInstanceOf(RangeError);
      expect(await errorOf(() => collect(store.loadByAggregate('a', { since: 2 })))).toBeInstanceOf(RangeError);
      expect(await errorOf(() => store.checkpoint('c').save(2))).toBeInstanceOf(RangeError);
    });
  });
}
