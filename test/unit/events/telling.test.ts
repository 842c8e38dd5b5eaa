/** Events, channels, logs, statistics and options of event stores. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import { EventStore, type EventStoreOptions } from '../../../src/index.js';
import { anEvent, collect } from '../../contract/event-store-contract.js';
import { errorOf } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

const small = { initialSize: 65_536, segmentSize: 65_536 };

const told = [
  ['stored', { first: 1, count: 2 }],
  ['committed', { version: 2, duration: expect.any(Number) }],
  ['duplicate', { id: 'x', version: 1 }],
  ['conflict', { aggregateId: 'a', expectedVersion: 7, actualVersion: 2 }],
  [
    'collected',
    {
      collected: 1,
      heldBy: undefined,
      sizeBefore: expect.any(Number),
      sizeAfter: expect.any(Number),
      ms: expect.any(Number),
    },
  ],
] as const;

async function work(store: EventStore): Promise<void> {
  const event = { ...anEvent('a'), id: 'x' };
  await store.storeBatch([event, anEvent('a')]);
  await store.store(event);
  await errorOf(() => store.store(anEvent('a'), { expectedVersion: 7 }));
  await store.runGC({ before: 2 });
  await new Promise(setImmediate);
}

describe('what happens is told', () => {
  it('to listeners, on diagnostics channels, to the logger', async () => {
    const heard: unknown[] = [];
    const published: unknown[] = [];
    const logged: unknown[] = [];
    const onMessage = (message: unknown, name: string | symbol): void => void published.push([name, message]);
    const log = (level: string) => (message: string, details: unknown) => logged.push([level, message, details]);
    const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
    const path = tempFile();
    const store = await EventStore.open(path, { ...small, logger });
    for (const [name] of told) {
      store.on(name, (detail: unknown) => heard.push([name, detail]));
      subscribe(`mmcb:event-store:${name}`, onMessage);
    }
    await work(store);
    for (const [name] of told) unsubscribe(`mmcb:event-store:${name}`, onMessage);
    expect(heard).toEqual(told);
    expect(published).toEqual(told.map(([name, detail]) => [`mmcb:event-store:${name}`, { ...detail, path }]));
    const levels = told.map(([name, detail]) => {
      return [name === 'collected' ? 'info' : 'debug', `event store: ${name}`, detail];
    });
    expect(logged).toEqual([['info', 'event store: recovery', store.recovery], ...levels]);
    await store.close();
  });

  it('from the event loop, so that no call fails by what listeners throw', async () => {
    const store = await EventStore.open(':memory:', small);
    const thrown = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
    store.once('stored', () => {
      throw new Error('listener');
    });
    expect(await store.store(anEvent('a'))).toBe(1);
    expect(String(await thrown)).toContain('listener');
    process.setUncaughtExceptionCaptureCallback(null);
    await store.close();
  });
});

describe('statistics', () => {
  it('count what was done, and say how far subscriptions are behind', async () => {
    const store = await EventStore.open(tempFile(), small);
    await work(store);
    const subscription = store.subscribe({ since: 1 });
    await store.storeBatch([anEvent('b', 'Other'), anEvent('c'), anEvent('c')]);
    await subscription.next();
    expect(store.stats()).toMatchObject({
      ...{ events: 4, latestVersion: 5, visibleVersion: 5, aggregates: 3, types: 2, missing: 0, damaged: 0 },
      ...{ stored: 5, duplicates: 1, conflicts: 1, retries: 0 },
      ...{ subscriptions: [{ position: 2, lag: 3 }] },
    });
    expect(store.stats().commits).toMatchObject({ count: 2 });
    await subscription.return?.();
    expect(store.stats().subscriptions).toEqual([]);
    expect([...store.aggregateIds()]).toEqual(['a', 'b', 'c']);
    await store.close();
  });
});

describe('options of a store', () => {
  it.each<[unknown, RegExp]>([
    [{ durability: 'sometimes' }, /'durability' of EventStore.open must be 'commit', 'interval' or 'process'/],
    [{ codec: {} }, /'codec' of EventStore.open must be an object with 'encode' and 'decode'/],
    [{ snapshots: { every: 5 } }, /unknown option 'snapshots.every' of EventStore.open/],
    [{ snapshots: { schemaVersion: 0 } }, /'snapshots.schemaVersion' of EventStore.open/],
    [{ logger: console.log }, /'logger' of EventStore.open/],
    [{ clock: 5 }, /'clock' of EventStore.open/],
    [{ compresion: true }, /unknown option 'compresion' of EventStore.open; did you mean 'compression'/],
    [{ syncInterval: 0 }, /'syncInterval' of EventStore.open/],
  ])('%o is refused', async (options, message) => {
    const error = await errorOf(() => EventStore.open(':memory:', options as EventStoreOptions));
    expect(error.message).toMatch(message);
  });

  it('clock says when events were stored', async () => {
    let now = 1000;
    const store = await EventStore.open(':memory:', { ...small, clock: () => now });
    await store.store(anEvent('a'));
    now = 500; // a clock may go back, versions do not
    await store.store(anEvent('a'));
    await store.saveSnapshot('a', 1, 2);
    expect((await collect(store.load())).map(({ timestamp }) => timestamp)).toEqual([1000, 500]);
    expect(await store.loadSnapshot('a')).toMatchObject({ timestamp: 500 });
    now = Number.NaN;
    expect(await errorOf(() => store.store(anEvent('a')))).toBeInstanceOf(RangeError);
    await store.close();
  });

  it.each<[unknown, new () => Error]>([
    [{ since: -1 }, RangeError],
    [{ since: '1' }, TypeError],
    [{ until: 0.5 }, RangeError],
    [{ types: 'T' }, TypeError],
    [{ types: [1] }, TypeError],
    [{ limit: -1 }, RangeError],
    [{ backwards: 1 }, TypeError],
    [{ from: 1 }, TypeError],
  ])('%o is refused by load', async (options, kind) => {
    const store = await EventStore.open(':memory:', small);
    expect(await errorOf(() => collect(store.load(options as object)))).toBeInstanceOf(kind);
    expect(await errorOf(() => collect(store.loadByAggregate('a', options as object)))).toBeInstanceOf(kind);
    await store.close();
  });

  it('are refused by the other calls, too', async () => {
    const store = await EventStore.open(':memory:', small);
    for (const call of [
      () => store.subscribe({ limit: 1 } as object),
      () => store.subscribe({ aggregateId: 1 } as object),
      () => store.runGC({ keepAggregates: [1] } as object),
      () => store.runGC({ before: '1' } as object),
      () => store.get(1 as never),
      () => store.aggregateVersion(undefined as never),
      () => store.checkpoint(undefined as never),
      () => store.checkpoint('c').save('1' as never),
      () => store.close({ timeout: 1 } as object),
      () => EventStore.restore(1 as never, 'x'),
    ]) {
      expect(await errorOf(async () => call())).toBeInstanceOf(TypeError);
    }
    expect(await errorOf(() => store.checkpoint(''))).toBeInstanceOf(RangeError);
    expect(() => new (EventStore as never as new () => unknown)()).toThrow(TypeError);
    await store.close();
  });
});

describe('versions', () => {
  it('go through text', async () => {
    const store = await EventStore.open(':memory:', small);
    const version = await store.store(anEvent('a'));
    expect(store.parseVersion(String(version))).toBe(version);
    expect(store.parseVersion('0')).toBe(0);
    expect(store.parseVersion(String(Number.MAX_SAFE_INTEGER))).toBe(Number.MAX_SAFE_INTEGER);
    for (const text of ['', ' 1', '1.0', '-1', '01', '1e3', '0x1', 'one', '9007199254740993']) {
      expect(() => store.parseVersion(text)).toThrow(RangeError);
    }
    expect(() => store.parseVersion(1 as never)).toThrow(TypeError);
    await store.close();
  });
});
