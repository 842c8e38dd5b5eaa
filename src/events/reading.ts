/** Reading: what loads and subscriptions have in common: versions in, events out, a page at a time. */
import type { DomainEvent, StoredEvent, Version } from './event.js';
import type { EventFile } from './event-file.js';
import { NONE } from './event-index.js';
import type { Following } from './following.js';
import type { Payloads } from './payload.js';
import type { RecordView } from './record.js';
import { type OnDamage, RecordPage } from './record-page.js';

/** Milliseconds after which a reader lets others work. Timers, deadlines among them, do not run in between. */
const TURN = 10;

/** What readers need of their store. */
export interface ReadingHome {
  readonly file: EventFile;
  readonly following: Following;
  readonly payloads: Payloads;
  readonly onDamage: OnDamage;
}

/** The event of a record. Throws MMCB_CODEC. Type and aggregate id are strings that the index has, where it has the version. */
export function eventOf<E extends DomainEvent>(
  record: RecordView,
  version: Version,
  { following: { index }, payloads }: Pick<ReadingHome, 'following' | 'payloads'>,
): StoredEvent<E> {
  const row = index.rowOf(version);
  const type = row === NONE ? record.type : index.types.text(index.typeOf(row));
  const aggregateId = row === NONE ? record.aggregateId : index.aggregates.text(index.aggregateOf(row));
  const { id } = record;
  const metadata = payloads.metadata(record);
  const data = payloads.data(record, type, metadata);
  const event = metadata === undefined ? { id, type, aggregateId, data } : { id, type, aggregateId, data, metadata };
  return {
    event: event as unknown as E,
    version,
    aggregateVersion: record.aggregateVersion,
    timestamp: record.timestamp,
  };
}

/** Reads events by version. */
export class EventPages<E extends DomainEvent> {
  readonly #home: ReadingHome;
  readonly #page: RecordPage;

  constructor(home: ReadingHome) {
    this.#home = home;
    this.#page = new RecordPage(home.file, home.onDamage);
  }

  /** Takes these versions as what comes next. */
  want(versions: Float64Array): void {
    this.#page.want(versions);
  }

  /** The next event, undefined when there are no more. What is collected is left out, what is damaged is told. */
  next(): StoredEvent<E> | undefined {
    for (let record = this.#page.advance(); record !== undefined; record = this.#page.advance()) {
      if (!record.isCollected) return eventOf<E>(record, this.#page.version, this.#home);
    }
    return undefined;
  }
}

/** Lets the event loop turn now and then in what would otherwise run without a break. */
export class Turns {
  #last = performance.now();

  get isDue(): boolean {
    return performance.now() - this.#last > TURN;
  }

  async takeIfDue(): Promise<void> {
    if (this.isDue) await this.take();
  }

  /** Lets others work. */
  async take(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#last = performance.now();
  }
}

/**
 * An iterator over events that come in pages. `next` may be called again before it has answered. Most calls find the event in
 * memory and make one promise, no more.
 */
export abstract class EventIterator<E extends DomainEvent> implements AsyncIterableIterator<StoredEvent<E>> {
  readonly #turns = new Turns();
  readonly #signal: AbortSignal | undefined;
  #waiting: Promise<unknown> | undefined;
  #isEnded = false;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** The next event that is in memory. */
  protected abstract take(): StoredEvent<E> | undefined;
  /** Gets more into memory; false at the end. */
  protected abstract more(signal: AbortSignal | undefined): boolean | Promise<boolean>;
  /** Lets go of what it holds; called once. */
  protected abstract ended(): void;

  next(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    if (this.#waiting !== undefined) return this.#inTurn(() => this.#next());
    if (this.#isEnded) return Promise.resolve({ done: true, value: undefined });
    try {
      if (this.#signal?.aborted !== true) {
        const value = this.take();
        if (value !== undefined) return Promise.resolve({ done: false, value });
      }
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#inTurn(() => this.#next());
  }

  /** Ends the iteration, as `break` does. */
  return(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends it from outside: what waits is answered with the end. */
  protected end(): void {
    this.#end();
  }

  async #next(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    for (;;) {
      if (this.#isEnded) return { done: true, value: undefined };
      try {
        this.#signal?.throwIfAborted();
        const value = this.take();
        if (value !== undefined) return { done: false, value };
        if (this.#turns.isDue) {
          await this.#turns.take();
          this.#signal?.throwIfAborted();
        }
        if (!(await this.more(this.#signal))) this.#end();
      } catch (error) {
        if (this.#signal?.aborted === true) this.#end();
        throw error;
      }
    }
  }

  /** One after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#waiting === undefined ? work() : this.#waiting.then(work, work);
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.#waiting = settled;
    void settled.then(() => {
      if (this.#waiting === settled) this.#waiting = undefined;
    });
    return result;
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.ended();
  }
}
