/**
 * EventIndex: what a store knows of its events without reading them: their order, whose they are, of what type, and where to
 * look for an id. It holds no ids and no data, and is made anew at each opening.
 *
 * Memory: for each event a row of 16 bytes and 5.3 to 10.7 bytes of the ids' index, and 8 more once there are gaps; for each
 * aggregate 12 bytes and its id, as a string, in a Map.
 *
 * Invariants
 * - Rows stand in the order of versions, and each is linked to the row of its aggregate before it.
 * - Of a collected beginning of an aggregate one row stays, the last one: a *rest*. It says how many are gone, so that an
 *   aggregate's version outlives its events, and what is missing can be told from what was collected.
 */
import type { Version } from './event.js';
import { HashIndex } from './hash-index.js';
import { Names } from './names.js';
import type { RecordView } from './record.js';
import { RowTable } from './row-table.js';
import { Versions } from './versions.js';

/** Columns of a row. A type has REST added where the event is one. */
const AGGREGATE = 0;
const PREVIOUS = 1; // row + 1 of the event before it of the same aggregate; 0: it is the first
const TYPE = 2;
const ID_HASH = 3;
const REST = 0x8000_0000;

/** Columns of an aggregate. */
const LAST = 0; // row + 1 of its last event
const VERSION = 1;
const COUNTED = 2; // events that are there, or were collected

/** No row. */
export const NONE = -1;

/** What the index is told of an event. */
export interface EventHead {
  readonly aggregateId: string;
  readonly type: string;
  readonly idHash: number;
  readonly aggregateVersion: number;
  readonly isCollected: boolean;
}

export class EventIndex {
  readonly types = new Names();
  readonly aggregates = new Names();
  readonly #rows = new RowTable(4);
  readonly #versions = new Versions();
  readonly #states = new RowTable(3);
  readonly #ids: HashIndex;
  #latest: Version = 0;
  #rests = 0;
  #counted = 0;

  /** `expected`: events that there will be. */
  constructor(expected = 0) {
    this.#ids = new HashIndex((row) => this.#rows.get(row, ID_HASH), expected);
  }

  /** The version of the latest event ever stored, whether it is still there or not. */
  get latest(): Version {
    return this.#latest;
  }

  /** Versions up to this one have been given out, though no event of them may be left. */
  reach(version: Version): void {
    if (version > this.#latest) this.#latest = version;
  }

  /** Events that are there. */
  get size(): number {
    return this.#rows.length - this.#rests;
  }

  /** Rows: events, and rests. */
  get rows(): number {
    return this.#rows.length;
  }

  /** Events that were stored and are neither there nor collected: they were lost to damage. */
  get missing(): number {
    return Math.max(0, this.#latest - this.#counted);
  }

  /** Bytes of memory, aggregate ids and types not counted. */
  get bytes(): number {
    return this.#rows.bytes + this.#versions.bytes + this.#states.bytes + this.#ids.bytes;
  }

  // ---- Adding ----

  /** Adds the event of a version above all others. */
  add(version: Version, head: EventHead | RecordView): void {
    const aggregate = this.#aggregateOf(head.aggregateId);
    const _row = this.#addRow(version, aggregate, this.types.numberOf(head.type), head.idHash, head.isCollected);
    this.#count(aggregate, head.aggregateVersion, head.isCollected);
  }

  #aggregateOf(aggregateId: string): number {
    const aggregate = this.aggregates.numberOf(aggregateId);
    if (aggregate === this.#states.length) this.#states.add();
    return aggregate;
  }

  #addRow(version: Version, aggregate: number, type: number, idHash: number, rest: boolean): number {
    const row = this.#rows.add();
    this.#versions.add(version);
    this.#rows.set(row, AGGREGATE, aggregate);
    this.#rows.set(row, PREVIOUS, this.#states.get(aggregate, LAST));
    this.#rows.set(row, TYPE, rest ? (type | REST) >>> 0 : type);
    this.#rows.set(row, ID_HASH, idHash);
    this.#ids.add(row);
    this.#states.set(aggregate, LAST, row + 1);
    if (rest) this.#rests += 1;
    this.reach(version);
    return row;
  }

  /** A rest stands for itself and all before it; an event for itself. */
  #count(aggregate: number, aggregateVersion: number, rest: boolean): void {
    const before = this.#states.get(aggregate, COUNTED);
    const counted = rest ? aggregateVersion : before + 1;
    this.#states.set(aggregate, COUNTED, counted);
    this.#states.set(aggregate, VERSION, aggregateVersion);
    this.#counted += counted - before;
  }

  // ---- Asking ----

  versionOf(row: number): Version {
    return this.#versions.at(row);
  }

  /** The first row of this version or a later one; `rows` if there is none. */
  rowFrom(version: Version): number {
    return this.#versions.from(version);
  }

  /** The row of exactly this version, or NONE. */
  rowOf(version: Version): number {
    const row = this.#versions.from(version);
    return row < this.#rows.length && this.#versions.at(row) === version ? row : NONE;
  }

  aggregateOf(row: number): number {
    return this.#rows.get(row, AGGREGATE);
  }

  typeOf(row: number): number {
    return this.#rows.get(row, TYPE) & ~REST;
  }

  isRest(row: number): boolean {
    return (this.#rows.get(row, TYPE) & REST) !== 0;
  }

  /** The row before this one of the same aggregate, or NONE. */
  previous(row: number): number {
    return this.#rows.get(row, PREVIOUS) - 1;
  }

  /** The last row of an aggregate. */
  lastOf(aggregate: number): number {
    return this.#states.get(aggregate, LAST) - 1;
  }

  /** The version of an aggregate: the number of its events, those that were collected among them. */
  aggregateVersion(aggregate: number): number {
    return this.#states.get(aggregate, VERSION);
  }

  /** The same as of a version of the store. O(events of the aggregate since). */
  aggregateVersionAt(aggregate: number, at: Version): number {
    let version = this.aggregateVersion(aggregate);
    for (let row = this.lastOf(aggregate); row !== NONE && this.versionOf(row) > at; row = this.previous(row)) {
      version -= 1;
    }
    return version;
  }

  /** The row of an id's event, or NONE. `matches` looks at a candidate's record. */
  find(idHash: number, matches: (row: number) => boolean): number {
    return this.#ids.find(idHash, matches);
  }

  // ---- Collecting ----

  /** The same index without the rows for which `fate` is 'drop', and with a rest where it is 'rest'. O(rows). */
  without(fate: (row: number) => 'keep' | 'drop' | 'rest'): EventIndex {
    const next = new EventIndex(this.#rows.length);
    for (let type = 0; type < this.types.size; type++) next.types.numberOf(this.types.text(type));
    for (let aggregate = 0; aggregate < this.aggregates.size; aggregate++) {
      next.#aggregateOf(this.aggregates.text(aggregate));
      next.#states.set(aggregate, VERSION, this.#states.get(aggregate, VERSION));
      next.#states.set(aggregate, COUNTED, this.#states.get(aggregate, COUNTED));
    }
    for (let row = 0; row < this.#rows.length; row++) {
      const what = fate(row);
      if (what === 'drop') continue;
      const rest = what === 'rest' || this.isRest(row);
      next.#addRow(this.versionOf(row), this.aggregateOf(row), this.typeOf(row), this.#rows.get(row, ID_HASH), rest);
    }
    next.#counted = this.#counted;
    next.reach(this.#latest);
    return next;
  }
}
