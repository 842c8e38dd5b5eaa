/** Signals, and calls after the end: nothing is half-stored, and who is told no is told why. */
import { describe, expect, it } from 'vitest';
import { EventStore, StoredError } from '../../../src/index.js';
import { anEvent, collect, versionsOf } from '../../contract/event-store-contract.js';
import { errorOf, expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

const small = { initialSize: 65_536, segmentSize: 65_536 };
const reason = new Error('enough');

/** Every call of a store that takes a signal. */
const calls: [string, (store: EventStore, signal: AbortSignal) => Promise<unknown>][] = [
  ['store', (store, signal) => store.store(anEvent('a'), { signal })],
  ['storeBatch', (store, signal) => store.storeBatch([anEvent('a'), anEvent('b')], { signal })],
  ['load', (store, signal) => collect(store.load({ signal }))],
  ['loadByAggregate', (store, signal) => collect(store.loadByAggregate('a', { signal }))],
  ['get', (store, signal) => store.get('first', { signal })],
  ['latestVersion', (store, signal) => store.latestVersion({ signal })],
  ['aggregateVersion', (store, signal) => store.aggregateVersion('a', { signal })],
  ['subscribe', (store, signal) => collect(store.subscribe({ signal }))],
  ['saveSnapshot', (store, signal) => store.saveSnapshot('a', 'state', 1, { signal })],
  ['loadSnapshot', (store, signal) => store.loadSnapshot('a', { signal })],
  ['runGC', (store, signal) => store.runGC({ before: 2, signal })],
  ['checkpoint.load', (store, signal) => store.checkpoint('c').load({ signal })],
  ['checkpoint.save', (store, signal) => store.checkpoint('c').save(1, { signal })],
  ['checkpoint.delete', (store, signal) => store.checkpoint('c').delete({ signal })],
  ['flush', (store, signal) => store.flush({ signal })],
  ['backup', (store, signal) => store.backup(tempFile('backup'), { signal })],
];

describe.each(calls)('%s', (name, call) => {
  it('with an aborted signal rejects with its reason, and does nothing', async () => {
    const store = await EventStore.open(':memory:', small);
    await store.store({ ...anEvent('a'), id: 'first' });
    const before = store.stats().buffer.adds;
    expect(await errorOf(() => call(store, AbortSignal.abort(reason)))).toBe(reason);
    expect(await store.latestVersion()).toBe(1);
    expect(store.stats().buffer.adds).toBe(before);
    expect(await collect(store.load())).toHaveLength(1);
    await store.close();
  });

  it('with a signal that is never aborted is as without, and leaves no listener', async () => {
    const store = await EventStore.open(tempFile(), small);
    await store.store({ ...anEvent('a'), id: 'first' });
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    if (name === 'subscribe') {
      const events = store.subscribe({ signal });
      await events.next();
      const waiting = events.next();
      await store.store(anEvent('a'));
      await waiting;
      await events.return?.();
    } else await call(store, signal);
    await new Promise(setImmediate);
    expect(listeners).toBe(0);
    await store.close();
  });

  it('after close is MMCB_CLOSED', async () => {
    const store = await EventStore.open(':memory:', small);
    await store.close();
    await expectCode(() => call(store, new AbortController().signal), 'MMCB_CLOSED');
    const closing = await EventStore.open(':memory:', small);
    const closed = closing.close();
    await expectCode(() => call(closing, new AbortController().signal), 'MMCB_CLOSED');
    await closed;
  });
});

describe('a store that is aborted', () => {
  it('while it waits for the disk has been stored, and says so', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    const controller = new AbortController();
    const storing = store.storeBatch([anEvent('a'), anEvent('a')], { signal: controller.signal });
    controller.abort(reason);
    const error = (await expectCode(() => storing, 'MMCB_STORED')) as StoredError;
    expect(error).toBeInstanceOf(StoredError);
    expect(error).toMatchObject({ stored: true, versions: [1, 2], cause: reason });
    await store.close();
    const again = await EventStore.open(path, small);
    expect(versionsOf(await collect(again.load()))).toEqual([1, 2]);
    await again.close();
  });

  it('at any moment is stored or not, as it says', async () => {
    const store = await EventStore.open(tempFile(), small);
    const said = { stored: 0, not: 0, aborted: 0 };
    for (let i = 0; i < 40; i++) {
      const controller = new AbortController();
      const event = anEvent('a');
      if (i % 4 === 0) controller.abort(reason);
      const storing = store.store(event, { signal: controller.signal }).then(
        () => 'stored',
        (error) => (error === reason ? 'not' : error.code === 'MMCB_STORED' && error.cause === reason && 'aborted'),
      );
      if (i % 4 === 1) controller.abort(reason);
      if (i % 4 === 2) queueMicrotask(() => controller.abort(reason));
      if (i % 4 === 3) setImmediate(() => controller.abort(reason));
      const what = (await storing) as keyof typeof said;
      said[what] += 1;
      await store.flush();
      const isThere = await store.get(event.id).then(
        () => true,
        () => false,
      );
      expect({ i, isThere }).toEqual({ i, isThere: what !== 'not' });
    }
    expect(said.not).toBe(10);
    expect(said.aborted).toBeGreaterThan(0);
    await store.close();
  });

  it('is a deadline with AbortSignal.timeout', async () => {
    const store = await EventStore.open(':memory:', small);
    const waiting = await errorOf(() => collect(store.subscribe({ signal: AbortSignal.timeout(5) })));
    expect(waiting.name).toBe('TimeoutError');
    await store.storeBatch(Array.from({ length: 20_000 }, () => anEvent('a')));
    const loading = errorOf(async () => {
      for (;;) await collect(store.load({ signal: AbortSignal.timeout(5) }));
    });
    expect((await loading).name).toBe('TimeoutError'); // a load lets timers run
    await store.close();
  });
});

describe('closing', () => {
  it('waits for events that are on their way', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    const storing = [store.store(anEvent('a')), store.storeBatch([anEvent('b'), anEvent('c')])];
    await Promise.all([store.close(), store.close()]);
    expect(await Promise.all(storing)).toEqual([1, [2, 3]]);
    const again = await EventStore.open(path, small);
    expect(again.recovery.status).toBe('clean');
    expect(await again.latestVersion()).toBe(3);
    await again[Symbol.asyncDispose]();
  });

  it('ends loads under way with MMCB_CLOSED, and subscriptions in peace', async () => {
    const store = await EventStore.open(':memory:', small);
    await store.storeBatch(Array.from({ length: 1000 }, () => anEvent('a')));
    const loading = store.load();
    const subscription = store.subscribe();
    await loading.next();
    await subscription.next();
    const waiting = collect(store.subscribe({ since: 1000 }));
    await store.close();
    await expectCode(() => collect(loading), 'MMCB_CLOSED');
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual([]);
  });
});
