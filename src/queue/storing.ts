/** Storing: what becomes of a store, given what is known of its key. */
import { MmcbError } from '../errors.js';
import { show } from '../internal/options.js';
import { hashOf } from '../internal/text.js';
import { StoreAllError } from './errors.js';
import type { Encoded, ItemValues } from './item-values.js';
import { checkSpan, type QueueItem } from './options.js';
import { FETCHED, NONE, State } from './queue-index.js';
import { headOf, type QueueState } from './queue-state.js';
import { checkText, type Held, type RecordHead, type StoredRecord } from './record.js';

/** The options that storing depends on; times in milliseconds. */
export interface StoringOptions {
  readonly delay: number;
  readonly maxKeys: number;
  readonly dedupeFor: number;
  readonly timer: 'first' | 'last';
  readonly maxWait: number;
}

export class Storing<V> {
  readonly #state: QueueState;
  readonly #values: ItemValues<V>;
  readonly #options: StoringOptions;
  /** Of the record that is being made: to be written before the next is. */
  readonly #head: RecordHead = newHead();
  /** Those of the keys that were fetched last. */
  readonly #hashes = new Uint32Array(FETCHED);

  constructor(state: QueueState, values: ItemValues<V>, options: StoringOptions) {
    this.#state = state;
    this.#values = values;
    this.#options = options;
  }

  /** Stores an item that was checked; false if it is a duplicate. Throws with nothing changed. */
  store(item: QueueItem<V | Encoded>, now: number, hash = hashOf(item.key)): boolean {
    const { key, uniqueId } = item;
    const state = this.#state;
    const { counters } = state;
    const slot = state.find(key, hash);
    if (slot === NONE) {
      this.#assertRoom();
      const head = this.#fresh(now, this.#due(item, now), state.newOrder());
      state.insert(head, key, hash, uniqueId, this.#values.encode(item.value));
      return true;
    }
    const record = state.peekFound(slot);
    if (uniqueId !== undefined && record.id === uniqueId && now - record.idStored < this.#options.dedupeFor) {
      counters.duplicates += 1;
      return false;
    }
    const current = state.index.stateOf(slot);
    if (current === State.WAITING && !record.hasHeld) {
      this.#coalesce(slot, this.#values.merges ? state.read(slot) : record, item, now);
      return true;
    }
    state.flush(); // what is not common goes alone
    if (current === State.REMEMBERED) {
      this.#assertRoom();
      const head = this.#fresh(now, this.#due(item, now), state.newOrder());
      state.replace(slot, head, key, uniqueId, this.#values.encode(item.value));
    } else this.#hold(slot, state.read(slot), current, item, now);
    counters.stored += 1;
    return true;
  }

  /** Stores items that were checked, in order. StoreAllError: those before the one that failed are stored. */
  storeAll(items: readonly QueueItem<V | Encoded>[], now: number): void {
    let at = 0;
    this.#state.beginBatch();
    try {
      for (; at < items.length; at++) {
        if (at % FETCHED === 0) {
          this.#state.flush();
          this.#fetch(items, at);
        }
        this.store(items[at] as QueueItem<V | Encoded>, now, this.#hashes[at % FETCHED]);
      }
      this.#state.flush();
    } catch (error) {
      this.#fail(at, error);
    }
    this.#state.endBatch();
  }

  /** The item at `at` was not stored, for this reason, unless one before it was not. */
  #fail(at: number, reason: unknown): never {
    let error = reason;
    try {
      this.#state.flush();
    } catch (earlier) {
      error = earlier;
    }
    const index = at - this.#state.endBatch();
    throw error instanceof MmcbError ? new StoreAllError(index, error) : error;
  }

  /** Hashes the keys of the next items, and fetches what is known of them. */
  #fetch(items: readonly QueueItem<V | Encoded>[], first: number): void {
    const hashes = this.#hashes;
    const count = Math.min(FETCHED, items.length - first);
    for (let i = 0; i < count; i++) hashes[i] = hashOf((items[first + i] as QueueItem<V>).key);
    this.#state.fetch(hashes, count);
  }

  #assertRoom(): void {
    if (this.#state.size >= this.#options.maxKeys) throw new MmcbError('MMCB_QUEUE_FULL');
  }

  /** A store for a key that waits. */
  #coalesce(slot: number, record: StoredRecord, item: QueueItem<V | Encoded>, now: number): void {
    const bytes = this.#values.merged(record, item.value);
    const due = this.#laterDue(record, item, now);
    if (due !== record.due) record.order = this.#state.newOrder();
    // In the file it may still be leased: a lease that ends by itself does so in memory only.
    record.state = State.WAITING;
    record.deadline = 0;
    record.byIteration = false;
    record.due = due;
    record.stored = now;
    record.touched = now;
    record.idStored = now;
    record.updates += 1;
    this.#state.coalesce(slot, record, item.key, item.uniqueId, bytes);
  }

  /** A store for a key in flight, or one that has come back with an update held behind it. */
  #hold(slot: number, record: StoredRecord, current: number, item: QueueItem<V | Encoded>, now: number): void {
    const before = record.held;
    const held: Held = {
      due: before === undefined ? this.#due(item, now) : this.#laterDue(before, item, now),
      first: before?.first ?? now,
      stored: now,
      updates: before === undefined ? 0 : before.updates + 1,
      value: before === undefined ? this.#values.encode(item.value) : this.#values.merged(before, item.value),
    };
    const head: RecordHead = { ...headOf(record), state: current, touched: now, idStored: now };
    this.#state.replace(slot, head, item.key, item.uniqueId, record.value, held);
    if (before !== undefined) this.#state.counters.coalesced += 1;
  }

  /** The numbers of a record that is stored now, for the first time. What is not set here is never changed. */
  #fresh(now: number, due: number, order: number): RecordHead {
    const head = this.#head;
    head.due = due;
    head.first = now;
    head.stored = now;
    head.touched = now;
    head.order = order;
    head.idStored = now;
    return head;
  }

  #due(item: QueueItem<unknown>, now: number): number {
    return now + (item.delay ?? this.#options.delay);
  }

  #laterDue(before: { due: number; first: number }, item: QueueItem<V | Encoded>, now: number): number {
    if (this.#options.timer === 'first') return before.due;
    return Math.min(this.#due(item, now), before.first + this.#options.maxWait);
  }
}

function newHead(): RecordHead {
  return {
    state: State.WAITING,
    due: 0,
    first: 0,
    stored: 0,
    touched: 0,
    order: 0,
    deadline: 0,
    updates: 0,
    attempts: 0,
    idStored: 0,
    byIteration: false,
  };
}

/** What `store` was given; a TypeError or RangeError that names what is wrong with it. */
export function checkItem(item: QueueItem<unknown>): void {
  checkHasKey(item);
  checkFields(item);
}

/**
 * What `storeAll` was given; as `checkItem`. The keys first, which lie anywhere in memory: in a loop that does little else the
 * processor waits for many of them at once.
 */
export function checkItems(items: readonly QueueItem<unknown>[]): void {
  for (const item of items) checkHasKey(item);
  for (const item of items) checkFields(item);
}

function checkHasKey(item: QueueItem<unknown>): void {
  if (typeof item !== 'object' || item === null) throw new TypeError(`item must be an object, got ${show(item)}`);
  checkKey(item.key);
}

function checkFields(item: QueueItem<unknown>): void {
  const { uniqueId, delay } = item;
  if (uniqueId !== undefined) {
    if (typeof uniqueId !== 'string') throw new TypeError(`uniqueId must be a string, got ${show(uniqueId)}`);
    checkText(uniqueId, 'uniqueId');
  }
  if (delay !== undefined) checkSpan(delay, 'delay');
  for (const name in item) {
    if (name === 'key' || name === 'value' || name === 'uniqueId' || name === 'delay') continue;
    throw new TypeError(`unknown field '${name}' of item; it takes key, value, uniqueId, delay`);
  }
}

/** A key; a TypeError, or MMCB_TOO_LARGE. */
export function checkKey(key: unknown): string {
  if (typeof key !== 'string') throw new TypeError(`key must be a string, got ${show(key)}`);
  checkText(key, 'key');
  return key;
}
