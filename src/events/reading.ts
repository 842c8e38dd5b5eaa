/** Reading: what loads and subscriptions have in common: versions in, events out, a page at a time. */
import type { DomainEvent, StoredEvent, Version } from './event.js';
import type { EventFile } from './event-file.js';
import { NONE } from './event-index.js';
import type { Following } from './following.js';
import type { Payloads } from './payload.js';
import type { RecordView } from './record.js';
import { type OnDamage, RecordPage } from './record-page.js';

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
