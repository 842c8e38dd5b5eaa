/**
 * mmcb/emmett: what Emmett does with an event store it does on ours. Its own contract is not published, so the cases here run on
 * its in-memory store as well: both must do the same.
 */
import {
  CommandHandler,
  DeciderCommandHandler,
  type EventStore as EmmettStore,
  type Event,
  ExpectedVersionConflictError,
  getInMemoryEventStore,
  isExpectedVersionConflictError,
  NO_CONCURRENCY_CHECK,
  STREAM_DOES_NOT_EXIST,
  STREAM_EXISTS,
  WrapEventStore,
} from '@event-driven-io/emmett';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emmettEventStore, type MmcbReadEventMetadata } from '../../src/emmett/index.js';
import { EventStore } from '../../src/index.js';
import { collect } from '../contract/event-store-contract.js';
import { errorOf } from '../support/expect.js';
import { tempFile } from '../support/temp.js';

type Added = Event<'ProductAdded', { quantity: number }>;
type Confirmed = Event<'Confirmed', { by: string }>;
type CartEvent = Added | Confirmed;
interface Cart {
  count: number;
  confirmed: boolean;
}

const initialState = (): Cart => ({ count: 0, confirmed: false });
const evolve = (cart: Cart, { type, data }: CartEvent): Cart =>
  type === 'ProductAdded' ? { ...cart, count: cart.count + data.quantity } : { ...cart, confirmed: true };
const added = (quantity: number): Added => ({ type: 'ProductAdded', data: { quantity } });
const confirmed: Confirmed = { type: 'Confirmed', data: { by: 'Ada' } };
const small = { initialSize: 65_536, segmentSize: 65_536 };

type Stored = EmmettStore<MmcbReadEventMetadata>;

describe.each<[string, (onAfterCommit?: (messages: unknown[]) => void) => Promise<[Stored, () => Promise<void>]>]>([
  [
    'mmcb',
    async (onAfterCommit) => {
      const store = await EventStore.open(tempFile(), small);
      const options = onAfterCommit === undefined ? {} : { hooks: { onAfterCommit } };
      return [emmettEventStore(store, options), () => store.close()];
    },
  ],
  [
    "Emmett's own, in memory",
    async (onAfterCommit) => [
      getInMemoryEventStore(onAfterCommit === undefined ? {} : { hooks: { onAfterCommit } }),
      async () => {},
    ],
  ],
])('an event store for Emmett: %s', (_, create) => {
  let store: Stored;
  let close: () => Promise<void>;

  beforeEach(async () => {
    [store, close] = await create();
  });
  afterEach(() => close());

  const append = (...events: CartEvent[]) => store.appendToStream<CartEvent>('cart-1', events);

  it('has no streams at first', async () => {
    expect(await store.streamExists('cart-1')).toBe(false);
    expect(await store.readStream('cart-1')).toEqual({ currentStreamVersion: 0n, events: [], streamExists: false });
    const aggregate = await store.aggregateStream<Cart, CartEvent>('cart-1', { evolve, initialState });
    expect(aggregate).toMatchObject({ currentStreamVersion: 0n, state: initialState(), streamExists: false });
  });

  it('appends, and says where', async () => {
    expect(await append(added(1), added(2))).toMatchObject({ nextExpectedStreamVersion: 2n, createdNewStream: true });
    expect(await store.appendToStream('other', [added(9)])).toMatchObject({ nextExpectedStreamVersion: 1n });
    expect(await append(confirmed)).toMatchObject({ nextExpectedStreamVersion: 3n, createdNewStream: false });
    expect(await store.streamExists('cart-1')).toBe(true);
  });

  it('reads what was appended, with its places', async () => {
    await store.appendToStream('other', [added(9)]);
    await append(added(1), confirmed);
    const { events, currentStreamVersion, streamExists } = await store.readStream<CartEvent>('cart-1');
    expect({ currentStreamVersion, streamExists }).toEqual({ currentStreamVersion: 2n, streamExists: true });
    expect(events).toEqual([
      {
        ...{ type: 'ProductAdded', data: { quantity: 1 }, kind: 'Event' },
        metadata: { streamName: 'cart-1', streamPosition: 1n, globalPosition: 2n, messageId: expect.any(String) },
      },
      {
        ...{ type: 'Confirmed', data: { by: 'Ada' }, kind: 'Event' },
        metadata: { streamName: 'cart-1', streamPosition: 2n, globalPosition: 3n, messageId: expect.any(String) },
      },
    ]);
  });

  it('keeps metadata of events beside its own', async () => {
    await store.appendToStream('cart-1', [{ ...added(1), metadata: { by: 'Ada' } } as Event]);
    const { events } = await store.readStream('cart-1');
    expect(events[0]?.metadata).toMatchObject({ by: 'Ada', streamPosition: 1n });
  });

  it.each([
    [{ from: 1n }, [2, 3, 4]],
    [{ to: 2n }, [1, 2]],
    [{ from: 1n, to: 3n }, [2, 3]],
    [{ maxCount: 2n }, [1, 2]],
    [{ from: 2n, maxCount: 1n }, [3]],
    [{ from: 9n }, []],
  ])('reads %o of a stream', async (options, quantities) => {
    await append(added(1), added(2), added(3), added(4));
    const { events, currentStreamVersion } = await store.readStream<Added>('cart-1', options);
    expect(events.map(({ data }) => data.quantity)).toEqual(quantities);
    expect(currentStreamVersion).toBe(4n);
  });

  it('aggregates a stream', async () => {
    await append(added(1), added(2), confirmed);
    const aggregate = await store.aggregateStream<Cart, CartEvent>('cart-1', { evolve, initialState });
    expect(aggregate).toMatchObject({
      currentStreamVersion: 3n,
      state: { count: 3, confirmed: true },
      streamExists: true,
    });
  });

  it.each([
    [STREAM_DOES_NOT_EXIST, 0, 2],
    [STREAM_EXISTS, 2, 0],
    [1n, 1, 0],
    [1n, 1, 2],
    [2n, 2, 3],
    [NO_CONCURRENCY_CHECK, 2, undefined],
    [NO_CONCURRENCY_CHECK, 0, undefined],
  ] as const)('expected version %s is right at %i events, wrong at %s', async (expected, right, wrong) => {
    const options = { expectedStreamVersion: expected };
    for (let i = 0; i < right; i++) await append(added(1));
    await store.readStream('cart-1', options);
    await store.appendToStream('cart-1', [added(1)], options);
    if (wrong === undefined) return;
    for (let i = 0; i < wrong; i++) await store.appendToStream('cart-2', [added(1)]);
    for (const call of [
      () => store.appendToStream('cart-2', [added(1)], options),
      () => store.readStream('cart-2', options),
      () => store.aggregateStream<Cart, CartEvent>('cart-2', { evolve, initialState, read: options }),
    ]) {
      const error = await errorOf(call);
      expect(error).toBeInstanceOf(ExpectedVersionConflictError);
      expect(isExpectedVersionConflictError(error)).toBe(true);
      expect(error).toMatchObject({ current: String(wrong), expected: String(expected) });
    }
    expect((await store.readStream('cart-2')).currentStreamVersion).toBe(BigInt(wrong));
  });

  it('runs command handlers', async () => {
    const handle = CommandHandler<Cart, CartEvent>({ evolve, initialState });
    const first = await handle(store, 'cart-1', () => added(2));
    expect(first).toMatchObject({
      ...{ newState: { count: 2 }, createdNewStream: true, nextExpectedStreamVersion: 1n, newEvents: [added(2)] },
    });
    const second = await handle(store, 'cart-1', ({ count }) => [added(count * 10), confirmed]);
    expect(second).toMatchObject({ newState: { count: 22, confirmed: true }, nextExpectedStreamVersion: 3n });
    const nothing = await handle(store, 'cart-1', () => []);
    expect(nothing).toMatchObject({ newState: { count: 22 }, newEvents: [], nextExpectedStreamVersion: 3n });
  });

  it('lets command handlers retry when somebody was faster', async () => {
    const handle = CommandHandler<Cart, CartEvent>({ evolve, initialState, retry: { onVersionConflict: 20 } });
    let attempts = 0;
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        handle(store, 'cart-1', async () => {
          attempts += 1;
          await new Promise((resolve) => setTimeout(resolve, i % 3));
          return added(1);
        }),
      ),
    );
    const { state, currentStreamVersion } = await store.aggregateStream<Cart, CartEvent>('cart-1', {
      evolve,
      initialState,
    });
    expect({ count: state.count, currentStreamVersion }).toEqual({ count: 10, currentStreamVersion: 10n });
    expect(attempts).toBeGreaterThan(10);
  });

  it('runs deciders', async () => {
    type Confirm = Readonly<{ type: 'Confirm'; data: { by: string }; kind?: 'Command' }>;
    const decide = ({ data }: Confirm, { count, confirmed }: Cart): CartEvent[] => {
      if (confirmed) return [];
      if (count === 0) throw new Error('nothing in it');
      return [{ type: 'Confirmed', data }];
    };
    const handle = DeciderCommandHandler<Cart, Confirm, CartEvent>({ decide, evolve, initialState });
    const command: Confirm = { type: 'Confirm', data: { by: 'Grace' } };
    expect((await errorOf(() => handle(store, 'cart-1', command))).message).toBe('nothing in it');
    await append(added(1));
    expect(await handle(store, 'cart-1', command)).toMatchObject({ newState: { confirmed: true } });
    expect(await handle(store, 'cart-1', command)).toMatchObject({ newEvents: [] });
  });

  it('upcasts and downcasts by the schema that a call gives', async () => {
    type Old = Event<'ProductAdded', { count: number }>;
    const downcast = ({ type, data }: Added): Old => ({ type, data: { count: data.quantity } });
    const upcast = ({ type, data }: Old): Added => ({ type, data: { quantity: data.count } });
    await store.appendToStream<Added, Old>('cart-1', [added(3)], { schema: { versioning: { downcast } } });
    const asStored = await store.readStream<Old>('cart-1');
    expect(asStored.events[0]?.data).toEqual({ count: 3 });
    const asNow = await store.readStream<Added, Old>('cart-1', { schema: { versioning: { upcast } } });
    expect(asNow.events[0]?.data).toEqual({ quantity: 3 });
  });

  it('tells after each append what was stored', async () => {
    const told: unknown[] = [];
    const [other, closeOther] = await create((messages) => void told.push(messages));
    await other.appendToStream('cart-1', [added(1)]);
    await other.appendToStream('cart-1', [added(2), confirmed]);
    expect(told).toEqual([(await other.readStream('cart-1', { to: 1n })).events, expect.any(Array)]);
    expect(told[1]).toEqual((await other.readStream('cart-1', { from: 1n })).events);
    await closeOther();
  });

  it('can be wrapped for specifications', async () => {
    const wrapped = WrapEventStore(store);
    await wrapped.setup('cart-1', [added(1)]);
    await wrapped.appendToStream('cart-1', [confirmed]);
    expect(wrapped.appendedEvents.get('cart-1')).toEqual(['cart-1', [confirmed]]);
  });
});

describe('mmcb/emmett', () => {
  it('keeps streams over a restart, next to what the store is used for otherwise', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    await store.store({ id: 'x', type: 'Other', aggregateId: 'a', data: 1 });
    await emmettEventStore(store).appendToStream('cart-1', [added(1), added(2)]);
    await store.close();
    const again = await EventStore.open(path, small);
    const { events } = await emmettEventStore(again).readStream<Added>('cart-1');
    expect(events.map(({ data, metadata }) => [data.quantity, metadata.globalPosition])).toEqual([
      [1, 2n],
      [2, 3n],
    ]);
    expect(await collect(again.loadByAggregate('cart-1'))).toMatchObject([{ version: 2 }, { version: 3 }]);
    await again.close();
  });

  it('stores an event with a message id of its own once', async () => {
    const store = await EventStore.open(':memory:', small);
    const emmett = emmettEventStore(store);
    const event = { ...added(1), metadata: { messageId: 'message 1' } } as Event;
    const first = await emmett.appendToStream('cart-1', [event]);
    expect(await emmett.appendToStream('cart-1', [event])).toEqual(first);
    expect(await store.latestVersion()).toBe(1);
    expect(await emmett.appendToStream('cart-1', [])).toMatchObject({ nextExpectedStreamVersion: 1n });
    await store.close();
  });

  it('passes other errors on', async () => {
    const store = await EventStore.open(':memory:', small);
    await store.close();
    const error = await errorOf(() => emmettEventStore(store).appendToStream('cart-1', [added(1)]));
    expect(error).toMatchObject({ code: 'MMCB_CLOSED' });
  });
});
