/**
 * The event store that Emmett asks for. A stream is an aggregate, a stream position the number of an event in it, a global
 * position its version, a message id its id.
 */
import { randomUUID } from 'node:crypto';
import {
  type AfterEventStoreCommitHandler,
  type AggregateStreamOptions,
  type AggregateStreamResult,
  type AppendToStreamOptions,
  type AppendToStreamResultWithGlobalPosition,
  assertExpectedVersionMatchesCurrent,
  type BigIntStreamPosition,
  downcastRecordedMessages,
  type EventStore as EmmettStore,
  type Event,
  type ExpectedStreamVersion,
  ExpectedVersionConflictError,
  NO_CONCURRENCY_CHECK,
  type ReadEvent,
  type ReadEventMetadataWithGlobalPosition,
  type ReadStreamOptions,
  type ReadStreamResult,
  STREAM_DOES_NOT_EXIST,
  STREAM_EXISTS,
  tryPublishMessagesAfterCommit,
  upcastRecordedMessages,
} from '@event-driven-io/emmett';
import { VersionConflictError } from '../events/errors.js';
import type { DomainEvent, ExpectedVersion, StoredEvent } from '../events/event.js';
import type { EventStoreLike } from '../events/event-store-like.js';

/** What Emmett is told of an event besides its own metadata. */
export type MmcbReadEventMetadata = ReadEventMetadataWithGlobalPosition;

/** Options of {@link emmettEventStore}. */
export interface EmmettOptions {
  hooks?: {
    /** Called after events were stored, once for each append; what it throws does not undo that. */
    onAfterCommit?: AfterEventStoreCommitHandler<EmmettStore<MmcbReadEventMetadata>>;
  };
}

/** Events as they are read; Emmett's types say more than can be checked here. */
type Read = ReadEvent<Event, MmcbReadEventMetadata>;

/** An event store for Emmett over one of mmcb's. */
export class MmcbEmmettEventStore implements EmmettStore<MmcbReadEventMetadata> {
  readonly #store: EventStoreLike;
  readonly #hooks: EmmettOptions['hooks'];

  /** Not for use: see `emmettEventStore`. */
  constructor(store: EventStoreLike, options: EmmettOptions = {}) {
    this.#store = store;
    this.#hooks = options.hooks;
  }

  /** What `evolve` makes of the events of a stream. They are read a page at a time, and not kept. */
  async aggregateStream<State, EventType extends Event, EventPayloadType extends Event = EventType>(
    streamName: string,
    options: AggregateStreamOptions<State, EventType, MmcbReadEventMetadata, EventPayloadType>,
  ): Promise<AggregateStreamResult<State>> {
    const evolve = options.evolve as (state: State, event: ReadEvent<EventType, MmcbReadEventMetadata>) => State;
    const current = await this.#current(streamName, options.read?.expectedStreamVersion);
    let state = options.initialState();
    for await (const event of this.#read<EventType, EventPayloadType>(streamName, current, options.read)) {
      state = evolve(state, event);
    }
    return { currentStreamVersion: current, state, streamExists: current > 0n };
  }

  /** The events of a stream after position `from`, up to `to`, at most `maxCount`. */
  async readStream<EventType extends Event, EventPayloadType extends Event = EventType>(
    streamName: string,
    options?: ReadStreamOptions<BigIntStreamPosition, EventType, EventPayloadType>,
  ): Promise<ReadStreamResult<EventType, MmcbReadEventMetadata>> {
    const current = await this.#current(streamName, options?.expectedStreamVersion);
    const events: ReadEvent<EventType, MmcbReadEventMetadata>[] = [];
    for await (const event of this.#read<EventType, EventPayloadType>(streamName, current, options)) events.push(event);
    return { currentStreamVersion: current, events, streamExists: current > 0n };
  }

  /** Stores events, all or none. Rejects with Emmett's ExpectedVersionConflictError, which its command handlers know. */
  async appendToStream<EventType extends Event, EventPayloadType extends Event = EventType>(
    streamName: string,
    events: EventType[],
    options?: AppendToStreamOptions<BigIntStreamPosition, EventType, EventPayloadType>,
  ): Promise<AppendToStreamResultWithGlobalPosition> {
    const expected = options?.expectedStreamVersion ?? NO_CONCURRENCY_CHECK;
    if (expected === STREAM_EXISTS) await this.#current(streamName, expected); // once it does, it always does
    const payloads = downcastRecordedMessages<EventType, EventPayloadType>(events, options?.schema?.versioning);
    const drafts = payloads.map((event) => draft(streamName, event as Event));
    const last = drafts.at(-1);
    if (last === undefined) {
      const current = await this.#current(streamName, expected);
      const latest = BigInt(await this.#store.latestVersion());
      return { nextExpectedStreamVersion: current, createdNewStream: false, lastEventGlobalPosition: latest };
    }
    try {
      await this.#store.storeBatch(drafts, { expectedVersion: expectedVersion(expected) });
    } catch (error) {
      if (!(error instanceof VersionConflictError)) throw error;
      throw new ExpectedVersionConflictError(BigInt(error.actualVersion), expected);
    }
    const { version, aggregateVersion } = await this.#store.get(last.id);
    const first = aggregateVersion - drafts.length + 1;
    await this.#publish(streamName, events, drafts, first, version - drafts.length + 1);
    return {
      nextExpectedStreamVersion: BigInt(aggregateVersion),
      createdNewStream: first === 1,
      lastEventGlobalPosition: BigInt(version),
    };
  }

  async streamExists(streamName: string): Promise<boolean> {
    return (await this.#store.aggregateVersion(streamName)) > 0;
  }

  /** The version of a stream. Throws Emmett's ExpectedVersionConflictError if it is not as expected. */
  async #current(streamName: string, expected: ExpectedStreamVersion | undefined): Promise<bigint> {
    const current = BigInt(await this.#store.aggregateVersion(streamName));
    assertExpectedVersionMatchesCurrent(current, expected, 0n);
    return current;
  }

  async *#read<EventType extends Event, EventPayloadType extends Event>(
    streamName: string,
    current: bigint,
    options: ReadStreamOptions<BigIntStreamPosition, EventType, EventPayloadType> | undefined,
  ): AsyncGenerator<ReadEvent<EventType, MmcbReadEventMetadata>> {
    const { from = 0n, maxCount, schema } = options ?? {};
    const to = options?.to ?? (maxCount === undefined ? current : from + maxCount);
    for await (const stored of this.#store.loadByAggregate(streamName)) {
      const position = BigInt(stored.aggregateVersion);
      if (position > to || position > current) return;
      if (position <= from) continue;
      const [event] = upcastRecordedMessages<EventType, EventPayloadType, MmcbReadEventMetadata>(
        [recorded(stored) as unknown as ReadEvent<EventPayloadType, MmcbReadEventMetadata>],
        schema?.versioning,
      );
      if (event !== undefined) yield event as ReadEvent<EventType, MmcbReadEventMetadata>;
    }
  }

  async #publish(
    streamName: string,
    events: readonly Event[],
    drafts: readonly DomainEvent[],
    position: number,
    version: number,
  ): Promise<void> {
    const onAfterCommit = this.#hooks?.onAfterCommit;
    if (onAfterCommit === undefined) return;
    const messages = events.map((event, i) => {
      const { id, metadata } = drafts[i] as DomainEvent;
      return {
        ...event,
        kind: 'Event',
        metadata: { ...(metadata as object), ...places(id, streamName, position + i, version + i) },
      } as unknown as Read;
    });
    await tryPublishMessagesAfterCommit<EmmettStore<MmcbReadEventMetadata>>(messages, { onAfterCommit });
  }
}

/**
 * Makes an event store for Emmett: for its command handlers, deciders and processors. Closing the one underneath is left to
 * whoever has opened it.
 *
 * @example
 * const eventStore = emmettEventStore(await EventStore.open('carts.mmcb'));
 * await handle(eventStore, 'cart-1', (state) => ({ type: 'ProductAdded', data: { quantity: 2 } }));
 */
export function emmettEventStore(store: EventStoreLike, options?: EmmettOptions): MmcbEmmettEventStore {
  return new MmcbEmmettEventStore(store, options);
}

function places(id: string, streamName: string, position: number, version: number): MmcbReadEventMetadata {
  return {
    messageId: id,
    streamName,
    streamPosition: BigInt(position),
    globalPosition: BigInt(version),
  };
}

/** An event with Emmett's metadata, beside its own. */
function recorded({ event, version, aggregateVersion }: StoredEvent): Read {
  const { id, type, data, aggregateId, metadata } = event;
  return {
    type,
    data,
    kind: 'Event',
    metadata: { ...(metadata as object | undefined), ...places(id, aggregateId, aggregateVersion, version) },
  } as unknown as Read;
}

/** An event to store. One that has a `messageId` in its metadata keeps it, so that it is stored once. */
function draft(streamName: string, event: Event & { metadata?: Record<string, unknown> }): DomainEvent {
  const { type, data, metadata } = event;
  const given = metadata?.['messageId'];
  const id = typeof given === 'string' && given !== '' ? given : randomUUID();
  return { id, type, aggregateId: streamName, data, ...(metadata === undefined ? {} : { metadata }) };
}

function expectedVersion(expected: ExpectedStreamVersion): ExpectedVersion {
  if (expected === STREAM_DOES_NOT_EXIST) return 'none';
  if (expected === NO_CONCURRENCY_CHECK || expected === STREAM_EXISTS) return 'any';
  return Number(expected);
}
