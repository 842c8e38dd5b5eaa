/**
 * QueueState: the records in the file and the index over them, kept in step.
 *
 * Invariants
 * - The file is the truth: the index can be made again from it at any time (`load`), and is when the queue is opened.
 * - The file is changed first, by one change for each key, and then the index, which cannot fail: what throws has changed
 *   nothing. Memory that the index will need is reserved before. Records of a batch go to the file together
 *   (PendingRecords).
 * - What time alone does (a lease ends, an item or an id expires) is done by `settle`, before anything looks at the state.
 * - An item in flight keeps its value; what is stored under its key meanwhile is held beside it, and becomes the key's
 *   next item when the first is acknowledged or retrieved.
 */
import { EntryCursor, readEntry } from '../buffer/entry-cursor.js';
import type { Store } from '../internal/lifecycle.js';
import { EntryKind, NativeCode } from '../internal/native.js';
import { hashOf } from '../internal/text.js';
import type { QueueCounters } from './counters.js';
import { PendingRecords } from './pending-records.js';
import { Counter, FETCHED, NONE, type QueueIndex, State } from './queue-index.js';
import { type Held, isOfKey, type RecordHead, RecordWriter, StoredRecord } from './record.js';

const NEVER = Number.POSITIVE_INFINITY;

/** The options that the state depends on; times in milliseconds. */
export interface StateOptions {
  readonly ttl: number;
  readonly dedupeFor: number;
}

/** What stands for one time that an item was handed out, in every thread and beyond a change of the one that has the index. */
export interface LeaseToken {
  readonly key: string;
  readonly address: number;
  readonly order: number;
  readonly attempt: number;
  /** Where the index has it; only a hint. */
  slot: number;
}

export class QueueState {
  readonly index: QueueIndex;
  readonly counters: QueueCounters = {
    stored: 0,
    coalesced: 0,
    duplicates: 0,
    expired: 0,
    retrieved: 0,
    leased: 0,
    acknowledged: 0,
    returned: 0,
  };

  readonly #store: Store;
  readonly #options: StateOptions;
  readonly #writer = new RecordWriter(4096);
  readonly #pending: PendingRecords;
  #inBatch = false;
  /** Bytes of the record that `find` has found, at the slab's position; 0 where it does not fit there. */
  #found = 0;
  /** Addresses of what is being fetched. */
  readonly #peeked = new StoredRecord();
  readonly #fetched = new Float64Array(FETCHED);
  readonly #taken = new Uint32Array(FETCHED);

  constructor(store: Store, index: QueueIndex, options: StateOptions) {
    this.#store = store;
    this.index = index;
    this.#options = options;
    this.#pending = new PendingRecords(store, index, this.counters);
  }

  /** Keys that wait or are in flight. */
  get size(): number {
    const { counters } = this.index;
    return (counters[Counter.READY] as number) + (counters[Counter.LEASED] as number);
  }

  /** When something changes by itself next: an item is due, a lease ends, something expires. Infinity: never. */
  get nextChange(): number {
    const { index } = this;
    const { ready, timers } = index;
    const due = ready.size === 0 ? NEVER : index.dueOf(ready.top);
    const time = timers.size === 0 ? NEVER : index.timeOf(timers.top);
    return Math.min(due, time);
  }

  // ---- Opening ----

  /**
   * Fills an empty index from the file. Items that were taken by iteration come back at once, unless their holder, in
   * another thread, is there still. A record from the future was written before the clock was set back: its times are moved back as far, so that
   * nothing waits longer than it was to wait when it was written. O(records).
   */
  load(now: number): void {
    const { index } = this;
    const cursor = new EntryCursor(this.#store, EntryKind.PLAIN, true);
    while (cursor.advance()) {
      const record = new StoredRecord().point(cursor.take());
      if (record.touched > now) {
        record.shift(now - record.touched);
        this.#check(this.#store.native.update(this.#store.handle, cursor.address, record.rewritten()));
      }
      if (record.state === State.LEASED && record.byIteration && !this.#isHeld(record)) record.state = State.WAITING;
      index.reserve();
      const slot = index.add(hashOf(record.key), cursor.address);
      const { counters } = index;
      counters[Counter.ORDER] = Math.max(counters[Counter.ORDER] as number, record.order + 1);
      this.#set(slot, record);
    }
  }

  // ---- Finding ----

  /** The slot of a key, or NONE. */
  find(key: string, hash: number): number {
    const { index } = this;
    for (let slot = index.first(hash); slot !== NONE; slot = index.following(slot)) {
      if (index.isPending(slot)) this.flush();
      const { native, handle, slab } = this.#store;
      const size = native.read(handle, index.addressOf(slot), slab.position);
      if (size < 0) throw this.#store.failure(size);
      if (slab.position + size <= slab.bytes.length) {
        if (isOfKey(slab.bytes, slab.position, key)) {
          this.#found = size;
          return slot;
        }
      } else if (isOfKey(this.read(slot).bytes, 0, key)) {
        this.#found = 0;
        return slot;
      }
    }
    return NONE;
  }

  /** The record of a slot, in bytes that stay as they are. */
  read(slot: number): StoredRecord {
    const bytes = readEntry(this.#store, this.index.addressOf(slot));
    if (typeof bytes === 'number') throw this.#store.failure(bytes);
    return new StoredRecord().point(bytes);
  }

  /**
   * The record of a slot, until another is peeked at; its bytes lie at the slab's position, and are its own until anything
   * else is read.
   */
  peek(slot: number): StoredRecord {
    const { native, handle, slab } = this.#store;
    const size = native.read(handle, this.index.addressOf(slot), slab.position);
    if (size < 0 || slab.position + size > slab.bytes.length) return this.read(slot);
    return this.#peeked.point(slab.bytes, slab.position, slab.position + size);
  }

  /** The same for the slot that `find` has returned just now. */
  peekFound(slot: number): StoredRecord {
    const { slab } = this.#store;
    if (this.#found === 0) return this.read(slot);
    return this.#peeked.point(slab.bytes, slab.position, slab.position + this.#found);
  }

  /**
   * Fetches the memory that `find` will look at for the first `count` of these hashes, at most FETCHED: one after the other,
   * where they lie far apart, each would be waited for several times. A hint, which changes nothing.
   */
  fetch(hashes: Uint32Array, count: number): void {
    const found = this.index.addressesOf(hashes, count, this.#fetched);
    this.#store.native.prefetch(this.#store.handle, this.#fetched, found);
  }

  /**
   * Takes the slots of the first items that are due until then out of `index.ready`, at most `limit` and at most FETCHED, and
   * fetches their records. Each must then be finished or put back, before anything else looks at the state. Valid until the
   * next call.
   */
  takeOut(until: number, limit: number): Uint32Array {
    const { index } = this;
    const { ready } = index;
    const most = Math.min(limit, FETCHED);
    let count = 0;
    while (count < most && ready.size > 0 && index.dueOf(ready.top) <= until) {
      const slot = ready.top;
      ready.remove(slot);
      this.#taken[count] = slot;
      count += 1;
    }
    index.addressesOfSlots(this.#taken, count, this.#fetched);
    this.#store.native.prefetch(this.#store.handle, this.#fetched, count);
    return this.#taken.subarray(0, count);
  }

  putBack(slots: Uint32Array): void {
    for (const slot of slots) this.index.ready.put(slot);
  }

  // ---- Storing ----

  newOrder(): number {
    const { counters } = this.index;
    const order = counters[Counter.ORDER] as number;
    counters[Counter.ORDER] = order + 1;
    return order;
  }

  /** From here on `insert` and `coalesce` gather records; `flush` brings them into the file. */
  beginBatch(): void {
    this.#inBatch = true;
  }

  /** Brings what was gathered into the file, in order. Where it throws, the rest is left to `endBatch`. */
  flush(): void {
    this.#pending.flush();
  }

  /** Gives up what was gathered and is not in the file; how many records. */
  endBatch(): number {
    this.#inBatch = false;
    return this.#pending.discard();
  }

  /** Adds the record of a key that has none, which waits. */
  insert(head: RecordHead, key: string, hash: number, id: string | undefined, value: Uint8Array): void {
    if (this.#inBatch) {
      this.#pending.add(head, this.#timeOf(head), key, hash, id, value);
      return;
    }
    this.index.reserve();
    const { native, handle } = this.#store;
    const address = this.#check(native.add(handle, this.#writer.write(head, key, id, value)));
    this.#set(this.index.add(hash, address), head);
    this.counters.stored += 1;
  }

  /** Replaces the record of an item that waits by one that does. */
  coalesce(slot: number, head: RecordHead, key: string, id: string | undefined, value: Uint8Array): void {
    if (this.#inBatch) {
      this.#pending.replace(slot, head, this.#timeOf(head), key, id, value);
      return;
    }
    this.replace(slot, head, key, id, value);
    this.counters.stored += 1;
    this.counters.coalesced += 1;
  }

  /** Replaces the record of a key; nothing that was gathered is pending. */
  replace(slot: number, head: RecordHead, key: string, id: string | undefined, value: Uint8Array, held?: Held): void {
    this.#update(slot, this.#writer.write(head, key, id, value, held));
    this.#set(slot, head);
  }

  // ---- Handing out ----

  /**
   * Writes down that the item in `slot` is out: until `deadline`, or by iteration, for as long as the holder of a ticket is
   * there.
   */
  lease(slot: number, record: StoredRecord, now: number, deadline: number, byIteration: boolean): LeaseToken {
    record.state = State.LEASED;
    record.touched = now;
    record.deadline = deadline;
    record.attempts += 1;
    record.byIteration = byIteration;
    this.#update(slot, record.rewritten());
    this.#set(slot, record);
    this.counters.leased += 1;
    const address = this.index.addressOf(slot);
    return { key: record.key, address, order: record.order, attempt: record.attempts, slot };
  }

  /**
   * The record of an item that is still out for this lease, `token.slot` then being its slot; undefined once it has come
   * back, or its key has gone on.
   */
  leased(token: LeaseToken): StoredRecord | undefined {
    if (!this.#isOut(token.slot, token)) {
      token.slot = this.find(token.key, hashOf(token.key));
      if (token.slot === NONE || !this.#isOut(token.slot, token)) return undefined;
    }
    const record = this.read(token.slot);
    return record.attempts === token.attempt ? record : undefined;
  }

  #isOut(slot: number, token: LeaseToken): boolean {
    const { index } = this;
    if (slot >= index.capacity || index.stateOf(slot) !== State.LEASED) return false;
    return index.addressOf(slot) === token.address && index.orderOf(slot) === token.order;
  }

  /** The slots of what is held by iteration; not for what happens often: it looks at all. O(slots). */
  *held(): Generator<{ slot: number; record: StoredRecord }> {
    const { index } = this;
    for (let slot = 0; slot < index.capacity; slot++) {
      if (index.stateOf(slot) === State.LEASED && index.timeOf(slot) === NEVER) yield { slot, record: this.read(slot) };
    }
  }

  #isHeld(record: StoredRecord): boolean {
    return this.#store.native.ticketIsValid(record.deadline);
  }

  /** Puts an item that was out back among those that wait. */
  giveBack(slot: number, record: StoredRecord, now: number, due: number | undefined): void {
    record.state = State.WAITING;
    record.touched = now;
    record.deadline = 0;
    if (due !== undefined) {
      record.due = due;
      record.order = this.newOrder();
    }
    record.byIteration = false;
    this.#update(slot, record.rewritten());
    this.#set(slot, record);
    this.counters.returned += 1;
  }

  /** Ends an item: its held update takes its place; else what is left is its unique id, or nothing. */
  finish(slot: number, record: StoredRecord, now: number): void {
    if (this.endsWithNothing(record, now)) {
      this.remove(slot);
      return;
    }
    const { held, id } = record;
    if (held !== undefined) {
      const head: RecordHead = {
        state: State.WAITING,
        due: held.due,
        first: held.first,
        stored: held.stored,
        touched: now,
        order: this.newOrder(),
        deadline: 0,
        updates: held.updates,
        attempts: 0,
        idStored: record.idStored,
        byIteration: false,
      };
      this.replace(slot, head, record.key, id, held.value);
    } else {
      const head: RecordHead = { ...headOf(record), state: State.REMEMBERED, touched: now, byIteration: false };
      this.replace(slot, head, record.key, id, new Uint8Array());
    }
  }

  /** Whether `finish` will leave nothing of a record. */
  endsWithNothing(record: StoredRecord, now: number): boolean {
    return !record.hasHeld && !(record.hasId && now - record.idStored < this.#options.dedupeFor);
  }

  /** Removes a record. */
  remove(slot: number): void {
    const { native, handle } = this.#store;
    this.#check(native.remove(handle, this.index.addressOf(slot)));
    this.#store.changes++;
    this.index.delete(slot);
  }

  /** Removes the records of up to FETCHED slots, in order; how many of them. Throws where the first cannot be removed. */
  removeAll(slots: Uint32Array): number {
    const { index } = this;
    const { native, handle } = this.#store;
    for (let i = 0; i < slots.length; i++) this.#fetched[i] = index.addressOf(slots[i] as number);
    const removed = this.#check(native.removeMany(handle, this.#fetched, slots.length));
    this.#store.changes += removed;
    for (let i = 0; i < removed; i++) index.delete(slots[i] as number);
    return removed;
  }

  // ---- Time ----

  /** Does what time alone does, up to `now`. */
  settle(now: number): void {
    const { index } = this;
    const { timers } = index;
    while (timers.size > 0 && index.timeOf(timers.top) <= now) {
      const slot = timers.top;
      if (index.stateOf(slot) === State.LEASED) {
        // In memory only: the file has the deadline, and says the same to whoever opens it later.
        index.set(slot, State.WAITING, index.dueOf(slot), index.orderOf(slot), NEVER);
        this.counters.returned += 1;
      } else if (index.stateOf(slot) === State.REMEMBERED) this.remove(slot);
      else {
        this.finish(slot, this.read(slot), now);
        this.counters.expired += 1;
      }
    }
  }

  // ---- Index and file ----

  /** Brings the index up to a record that has just been written. */
  #set(slot: number, head: RecordHead): void {
    this.index.set(slot, head.state, head.due, head.order, this.#timeOf(head));
  }

  /** When time alone changes a record. */
  #timeOf(head: RecordHead): number {
    const { ttl, dedupeFor } = this.#options;
    if (head.state === State.LEASED) return head.byIteration ? NEVER : head.deadline;
    if (head.state === State.REMEMBERED) return head.idStored + dedupeFor;
    return head.attempts === 0 ? head.stored + ttl : NEVER;
  }

  #update(slot: number, bytes: Uint8Array): void {
    const { native, handle } = this.#store;
    this.#check(native.update(handle, this.index.addressOf(slot), bytes));
    this.#store.changes++;
  }

  #check(result: number): number {
    if (result >= 0) return result;
    // A record that is gone although the index has it: somebody else changed the file through `buffer`.
    throw this.#store.failure(result, result === -NativeCode.NOT_FOUND ? 'a record of the queue' : '');
  }
}

/** The numbers of a record, without its bytes. */
export function headOf(record: RecordHead): RecordHead {
  const { state, due, first, stored, touched, order, deadline, updates, attempts, idStored, byIteration } = record;
  return { state, due, first, stored, touched, order, deadline, updates, attempts, idStored, byIteration };
}
