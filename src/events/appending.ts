/**
 * Appending: decides what becomes of events, and stores them.
 *
 * What is decided here relies on the thread's index, which may be behind. That is found out: the batch inserts the versions
 * after the last one that the index knows, and fails if another thread has stored any of them. Then the index catches up, and
 * it is decided again. So appends of all threads happen one after the other, and none waits for a lock.
 */
import { isDeepStrictEqual } from 'node:util';
import { describe, MmcbError } from '../errors.js';
import { hashOf } from '../internal/text.js';
import { type FullClock, timeOf } from '../queue/clock.js';
import { VersionConflictError } from './errors.js';
import type { DomainEvent, ExpectedVersion, Version } from './event.js';
import type { EventFile } from './event-file.js';
import { NONE } from './event-index.js';
import type { Following } from './following.js';
import type { Payloads } from './payload.js';
import { RecordView } from './record.js';
import { RecordBatch, type RecordPlace } from './record-batch.js';
import type { Telling } from './telling.js';

/** What must be true for events to be stored. */
export interface Conditions {
  readonly expectedVersion: ExpectedVersion | ReadonlyMap<string, ExpectedVersion>;
  /** The version that the first event must get. */
  readonly version: Version | undefined;
}

/** Counters since opening. */
export interface AppendStats {
  stored: number;
  duplicates: number;
  conflicts: number;
  /** Appends that were decided again, because another thread had been faster. */
  retries: number;
}

/** An event on its way. */
interface Draft {
  readonly event: DomainEvent;
  readonly hash: number;
  /** Where its record lies. */
  readonly place: RecordPlace;
  /** Its number among the events of its aggregate, once it has one. */
  aggregateVersion: number;
  /** Its version, once it has one. */
  version: Version;
  /** The same event, earlier in the same call. */
  twin: Draft | undefined;
}

export class Appending {
  readonly stats: AppendStats = { stored: 0, duplicates: 0, conflicts: 0, retries: 0 };
  readonly #file: EventFile;
  readonly #following: Following;
  readonly #payloads: Payloads;
  readonly #clock: FullClock;
  readonly #telling: Telling;
  readonly #view = new RecordView();
  /** Undefined while it is in use: codecs may call the store. */
  #records: RecordBatch | undefined = new RecordBatch();

  constructor(file: EventFile, following: Following, payloads: Payloads, clock: FullClock, telling: Telling) {
    this.#file = file;
    this.#following = following;
    this.#payloads = payloads;
    this.#clock = clock;
    this.#telling = telling;
  }

  /**
   * Stores events, all or none of those that are not there yet; the version of each. Throws MMCB_VERSION_CONFLICT,
   * MMCB_EVENT_EXISTS, MMCB_CODEC and what writing can throw.
   */
  append(events: readonly DomainEvent[], conditions: Conditions): Version[] {
    const records = this.#records ?? new RecordBatch();
    this.#records = undefined;
    try {
      const drafts = events.map((event): Draft => {
        const place = records.add(event, this.#payloads.encode(event));
        return { event, hash: hashOf(event.id), place, aggregateVersion: 0, version: 0, twin: undefined };
      });
      this.#store(drafts, records, conditions);
      return drafts.map(({ version, twin }) => twin?.version ?? version);
    } finally {
      records.clear();
      this.#records = records;
    }
  }

  /** Gives all drafts their versions. */
  #store(drafts: Draft[], records: RecordBatch, conditions: Conditions): void {
    for (;;) {
      const fresh = this.#decide(drafts, records, conditions);
      if (fresh === undefined) continue;
      if (fresh.length === 0 || this.#write(fresh, records)) return;
      this.stats.retries += 1;
      this.#following.catchUp();
    }
  }

  /** The drafts that are to be stored; undefined: to be decided again. Throws when they cannot be. */
  #decide(drafts: Draft[], records: RecordBatch, conditions: Conditions): Draft[] | undefined {
    try {
      const fresh = this.#withoutKnown(drafts, records);
      if (fresh.length > 0) this.#check(fresh, conditions);
      return fresh;
    } catch (error) {
      // The index may be behind: what it says against the events need not be true any more.
      if (error instanceof VersionConflictError) {
        if (this.#following.catchUp()) return undefined;
        const { aggregateId, expectedVersion, actualVersion } = error;
        this.stats.conflicts += 1;
        this.#telling.tell('conflict', { aggregateId, expectedVersion, actualVersion });
      }
      throw error;
    }
  }

  // ---- Known already? ----

  /** Those that are new. The others get the versions that they have. */
  #withoutKnown(drafts: Draft[], records: RecordBatch): Draft[] {
    const fresh: Draft[] = [];
    const inThisCall = drafts.length > 1 ? new Twins(drafts.length) : undefined;
    for (const draft of drafts) {
      draft.version = 0;
      const twin = inThisCall?.ofOrAdd(draft);
      if (twin !== undefined) {
        const { start, end } = twin.place;
        const view = this.#view.readWhole(records.bytes, start, end);
        if (!this.#isSame(draft, records, view)) throw exists(draft.event.id);
        draft.twin = twin;
        continue;
      }
      draft.version = this.#known(draft, records);
      if (draft.version === 0) fresh.push(draft);
    }
    return fresh;
  }

  /** The version of an event that is there with the same content, 0 if it is not. Throws MMCB_EVENT_EXISTS. */
  #known(draft: Draft, records: RecordBatch): Version {
    const { id } = draft.event;
    const row = this.#following.find(id, draft.hash, this.#view);
    if (row === NONE) return 0;
    const version = this.#following.index.versionOf(row);
    if (!this.#isSame(draft, records, this.#view)) throw exists(id, version);
    this.stats.duplicates += 1;
    this.#telling.tell('duplicate', { id, version });
    return version;
  }

  /** Whether a record is of the same event. Of one that was collected only the names are left to compare. */
  #isSame({ event, place }: Draft, records: RecordBatch, stored: RecordView): boolean {
    if (stored.type !== event.type || stored.aggregateId !== event.aggregateId) return false;
    if (stored.isCollected) return true;
    // By value: the same data need not have the same bytes. Both have gone through the codec.
    const metadata = this.#payloads.metadata(stored);
    const data = this.#payloads.data(stored, event.type, metadata);
    const given = new RecordView().readWhole(records.bytes, place.start, place.end);
    const givenMetadata = this.#payloads.metadata(given);
    return (
      isDeepStrictEqual(metadata, givenMetadata) &&
      isDeepStrictEqual(data, this.#payloads.data(given, event.type, givenMetadata))
    );
  }

  // ---- As expected? ----

  #check(fresh: readonly Draft[], { expectedVersion, version }: Conditions): void {
    const { index } = this.#following;
    const next = index.latest + 1;
    if (version !== undefined && version !== next) throw new VersionConflictError(version, next);
    if (expectedVersion === 'any') return;
    const checked = new Set<string>();
    for (const { event } of fresh) {
      const { aggregateId } = event;
      if (checked.has(aggregateId)) continue;
      checked.add(aggregateId);
      const expected = typeof expectedVersion === 'object' ? expectedVersion.get(aggregateId) : expectedVersion;
      if (expected === undefined || expected === 'any') continue;
      const aggregate = index.aggregates.find(aggregateId);
      const actual = aggregate === undefined ? 0 : index.aggregateVersion(aggregate);
      if (actual !== (expected === 'none' ? 0 : expected)) {
        throw new VersionConflictError(expected, actual, aggregateId);
      }
    }
  }

  // ---- Storing ----

  /** False if another thread was faster. */
  #write(fresh: Draft[], records: RecordBatch): boolean {
    const { index } = this.#following;
    const first = index.latest + 1;
    const now = timeOf(this.#clock);
    const counts = new Map<string, { events: number }>();
    let count = { events: 0 };
    let aggregateId: string | undefined;
    for (let i = 0; i < fresh.length; i++) {
      const draft = fresh[i] as Draft;
      const { event } = draft;
      if (event.aggregateId !== aggregateId) {
        aggregateId = event.aggregateId;
        const known = counts.get(aggregateId);
        const aggregate = known === undefined ? index.aggregates.find(aggregateId) : undefined;
        count = known ?? { events: aggregate === undefined ? 0 : index.aggregateVersion(aggregate) };
        if (known === undefined) counts.set(aggregateId, count);
      }
      count.events += 1;
      draft.aggregateVersion = count.events;
      records.stamp(draft.place, now, count.events, i < fresh.length - 1);
    }
    const stored = fresh.length === records.count ? records : records.only(fresh.map(({ place }) => place));
    if (!this.#file.append(first, stored)) return false;
    for (let i = 0; i < fresh.length; i++) {
      const draft = fresh[i] as Draft;
      const { aggregateVersion } = draft;
      const { aggregateId, type } = draft.event;
      draft.version = first + i;
      this.#following.stored(draft.version, {
        aggregateId,
        type,
        idHash: draft.hash,
        aggregateVersion,
        isCollected: false,
      });
    }
    this.stats.stored += fresh.length;
    this.#telling.tell('stored', { first, count: fresh.length });
    return true;
  }
}

/** Drafts of one call by id: open addressing over the hashes that they have anyway. */
class Twins {
  readonly #places: Int32Array; // position in #drafts + 1, or 0
  readonly #mask: number;
  readonly #drafts: Draft[] = [];

  constructor(count: number) {
    this.#places = new Int32Array(2 ** (33 - Math.clz32(count - 1))); // at most half full
    this.#mask = this.#places.length - 1;
  }

  /** The draft with this one's id; where there is none it is added. */
  ofOrAdd(draft: Draft): Draft | undefined {
    let at = draft.hash & this.#mask;
    for (let place = this.#places[at] as number; place !== 0; place = this.#places[at] as number) {
      const other = this.#drafts[place - 1] as Draft;
      if (other.hash === draft.hash && other.event.id === draft.event.id) return other;
      at = (at + 1) & this.#mask;
    }
    this.#places[at] = this.#drafts.push(draft);
    return undefined;
  }
}

function exists(id: string, version?: Version): MmcbError {
  const where = version === undefined ? 'earlier in the batch' : `as version ${version}`;
  return new MmcbError('MMCB_EVENT_EXISTS', describe('MMCB_EVENT_EXISTS', `event ${JSON.stringify(id)}, ${where}`));
}
