/** Loading: events that are there when it begins, in order, of all or of one aggregate. */
import type { DomainEvent, StoredEvent, Version } from './event.js';
import { NONE } from './event-index.js';
import { EventIterator } from './event-iterator.js';
import { EventPages, type ReadingHome } from './reading.js';
import { PAGE } from './record-page.js';

/** What is wanted. */
export interface Range {
  /** Events after this version and up to that one. */
  readonly since: Version;
  readonly until: Version;
  readonly types: readonly string[] | undefined;
  readonly limit: number;
  readonly backwards: boolean;
}

/** Whether a row is of one of these types; asked anew for each page, as types are numbered when they are first stored. */
export function typeFilter(home: ReadingHome, types: readonly string[] | undefined): (row: number) => boolean {
  const { index } = home.following;
  if (types === undefined) return () => true;
  const wanted = new Set(types.map((type) => index.types.find(type)));
  return (row) => wanted.has(index.typeOf(row));
}

/**
 * Events in the order of their versions. What it gives is fixed when it begins: what is stored later is not among it, what is
 * collected meanwhile is left out.
 */
export class RangeLoad<E extends DomainEvent> extends EventIterator<E> {
  readonly #home: ReadingHome;
  readonly #pages: EventPages<E>;
  readonly #range: Range;
  /** Forwards the last version that was looked at; backwards the one above the next to look at. */
  #position: Version;
  #left: number;

  constructor(home: ReadingHome, range: Range, signal: AbortSignal | undefined) {
    super(signal);
    this.#home = home;
    this.#range = range;
    this.#pages = new EventPages(home);
    this.#position = range.backwards ? range.until + 1 : range.since;
    this.#left = range.limit;
  }

  protected take(): StoredEvent<E> | undefined {
    if (this.#left <= 0) return undefined;
    const event = this.#pages.next();
    if (event !== undefined) this.#left -= 1;
    return event;
  }

  protected refill(): boolean {
    this.#home.file.store.assertOpen();
    if (this.#left <= 0) return false;
    const versions = this.#range.backwards ? this.#before() : this.#after();
    this.#pages.want(versions);
    return versions.length > 0;
  }

  protected ended(): void {
    this.#left = 0;
  }

  /** The versions of the next page. */
  #after(): Float64Array {
    const { index } = this.#home.following;
    const { until } = this.#range;
    const wanted = typeFilter(this.#home, this.#range.types);
    const most = Math.min(PAGE, this.#left);
    const versions: number[] = [];
    for (let row = index.rowFrom(this.#position + 1); row < index.rows && versions.length < most; row++) {
      const version = index.versionOf(row);
      if (version > until) break;
      this.#position = version;
      if (wanted(row) && !index.isRest(row)) versions.push(version);
    }
    return new Float64Array(versions);
  }

  /** The same, backwards. */
  #before(): Float64Array {
    const { index } = this.#home.following;
    const { since } = this.#range;
    const wanted = typeFilter(this.#home, this.#range.types);
    const most = Math.min(PAGE, this.#left);
    const versions: number[] = [];
    for (let row = index.rowFrom(this.#position) - 1; row >= 0 && versions.length < most; row--) {
      const version = index.versionOf(row);
      if (version <= since) break;
      this.#position = version;
      if (wanted(row) && !index.isRest(row)) versions.push(version);
    }
    return new Float64Array(versions);
  }
}

/** Events of one aggregate. Their versions are gathered when it begins: 8 bytes for each. */
export class AggregateLoad<E extends DomainEvent> extends EventIterator<E> {
  readonly #home: ReadingHome;
  readonly #pages: EventPages<E>;
  readonly #versions: Float64Array;
  #position = 0;

  constructor(home: ReadingHome, aggregateId: string, range: Range, signal: AbortSignal | undefined) {
    super(signal);
    this.#home = home;
    this.#pages = new EventPages(home);
    this.#versions = versionsOf(home, aggregateId, range);
  }

  protected take(): StoredEvent<E> | undefined {
    return this.#pages.next();
  }

  protected refill(): boolean {
    this.#home.file.store.assertOpen();
    const versions = this.#versions.subarray(this.#position, this.#position + PAGE);
    this.#position += versions.length;
    this.#pages.want(versions);
    return versions.length > 0;
  }

  protected ended(): void {
    this.#position = this.#versions.length;
  }
}

/** The versions of an aggregate's events, in the order in which they are wanted. The links lead from the last to the first. */
function versionsOf(home: ReadingHome, aggregateId: string, range: Range): Float64Array {
  const { index } = home.following;
  const aggregate = index.aggregates.find(aggregateId);
  if (aggregate === undefined) return new Float64Array(0);
  const wanted = typeFilter(home, range.types);
  const found: number[] = [];
  for (let row = index.lastOf(aggregate); row !== NONE; row = index.previous(row)) {
    const version = index.versionOf(row);
    if (version <= range.since) break;
    if (version <= range.until && wanted(row) && !index.isRest(row)) found.push(version);
  }
  if (!range.backwards) found.reverse();
  return new Float64Array(range.limit < found.length ? found.slice(0, range.limit) : found);
}
