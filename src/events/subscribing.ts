/** Subscribing: events that are there, then those that come, each once, for as long as somebody asks for the next. */
import type { DomainEvent, StoredEvent, Version } from './event.js';
import { EventIterator } from './event-iterator.js';
import { typeFilter } from './loading.js';
import { EventPages, type ReadingHome } from './reading.js';
import { PAGE } from './record-page.js';

/** Versions that are gone through at once when most are of no interest. */
const LOOK = 16_384;

/** What a subscription needs of its store. */
export interface SubscriptionHome extends ReadingHome {
  /** The latest version that is shown. Catches up. */
  latest(): Version;
  /** Waits until there may be something new, or the store is closed. */
  wait(signal: AbortSignal | undefined): Promise<void>;
  leave(subscription: Progressing): void;
}

/** What statistics and garbage collection see of a subscription. */
export interface Progressing {
  /** Everything up to here has been handed out, or is not wanted. */
  readonly position: Version;
}

export interface Interest {
  readonly since: Version;
  readonly types: readonly string[] | undefined;
  readonly aggregateId: string | undefined;
}

/**
 * It asks the file for what comes after its position, and waits where there is nothing: so there is no gap between history
 * and what is new, and nothing is kept for a slow consumer but one page.
 */
export class Subscription<E extends DomainEvent> extends EventIterator<E> implements Progressing {
  readonly #home: SubscriptionHome;
  readonly #pages: EventPages<E>;
  readonly #interest: Interest;
  /** Up to here versions have been looked at. */
  #looked: Version;
  #position: Version;

  constructor(home: SubscriptionHome, interest: Interest, signal: AbortSignal | undefined) {
    super(signal);
    this.#home = home;
    this.#pages = new EventPages(home);
    this.#interest = interest;
    this.#looked = interest.since;
    this.#position = interest.since;
  }

  get position(): Version {
    return this.#position;
  }

  /** The store is closed: whoever waits gets the end. */
  close(): void {
    this.end();
  }

  protected take(): StoredEvent<E> | undefined {
    if (this.#home.file.store.handle < 0) return undefined;
    const event = this.#pages.next();
    if (event !== undefined) this.#position = event.version;
    return event;
  }

  protected refill(): boolean {
    if (this.#home.file.store.handle < 0) return false;
    this.#position = this.#looked; // all of the page before has been handed out
    const latest = this.#home.latest();
    if (this.#looked >= latest) return false;
    this.#pages.want(this.#after(latest));
    return true;
  }

  protected override wait(signal: AbortSignal | undefined): Promise<void> | undefined {
    return this.#home.file.store.handle < 0 ? undefined : this.#home.wait(signal);
  }

  protected ended(): void {
    this.#home.leave(this);
  }

  /** The versions of the next page; perhaps none, where there is more to look at. */
  #after(latest: Version): Float64Array {
    const { index } = this.#home.following;
    const { types, aggregateId } = this.#interest;
    const aggregate = aggregateId === undefined ? undefined : index.aggregates.find(aggregateId);
    const ofType = typeFilter(this.#home, types);
    const versions: number[] = [];
    // Not all versions have rows: some were collected, or lost.
    const behind = index.rowFrom(latest + 1);
    let row = index.rowFrom(this.#looked + 1);
    for (const end = Math.min(behind, row + LOOK); row < end && versions.length < PAGE; row++) {
      this.#looked = index.versionOf(row);
      if (aggregateId !== undefined && index.aggregateOf(row) !== aggregate) continue;
      if (ofType(row) && !index.isRest(row)) versions.push(this.#looked);
    }
    if (row >= behind) this.#looked = Math.max(this.#looked, latest);
    return new Float64Array(versions);
  }
}
