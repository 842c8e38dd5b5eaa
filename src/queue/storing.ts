/** Storing: what becomes of a store, given what is known of its key. */
import { MmcbError } from '../errors.js';
import { show } from '../internal/options.js';
import { hashOf } from '../internal/text.js';
import { StoreAllError } from './errors.js';
import type { Encoded, ItemValues } from './item-values.js';
import { checkSpan, type QueueItem } from './options.js';
import { FETCHED, NONE, State } from './queue-index.js';
import type { QueueState } from './queue-state.js';
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
      const head = newHead(now, this.#due(item, now), state.newOrder());
      state.insert(head, key, hash, uniqueId, this.#values.encode(item.value));
      counters.stored += 1;
      return true;
    }
    let record = state.peekFound(slot);
    if (uniqueId !== undefined && record.id === uniqueId && now - record.idStored < this.#options.dedupeFor) {
      counters.duplicates += 1;
      return false;
    }
    const current = state.index.stateOf(slot);
    if (current === State.REMEMBERED) {
      this.#assertRoom();
      const head = newHead(now, this.#due(item, now), state.newOrder());
      state.replace(slot, head, key, uniqueId, this.#values.encode(item.value));
    } else if (current === State.LEASED || record.hasHeld) {
      record = state.read(slot);
      this.#hold(slot, record, current, item, now);
    } else this.#coalesce(slot, this.#values.merges ? state.read(slot) : record, item, now);
    counters.stored += 1;
    return true;
  }

  /** Stores items that were checked, in order. StoreAllError: those before the one that failed are stored. */
  storeAll(items: readonly QueueItem<V | Encoded>[], now: number): void {
    for (let at = 0; at < items.length; at++) {
      if (at % FETCHED === 0) this.#fetch(items, at);
      try {
        this.store(items[at] as QueueItem<V | Encoded>, now, this.#hashes[at % FETCHED]);
      } catch (error) {
        throw error instanceof MmcbError ? new StoreAllError(at, error) : error;
      }
    }
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
    const head = newHead(now, due, due === record.due ? record.order : this.#state.newOrder());
    head.first = record.first;
    head.updates = record.updates + 1;
    head.attempts = record.attempts;
    this.#state.replace(slot, head, item.key, item.uniqueId, bytes);
    this.#state.counters.coalesced += 1;
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
    const { first, stored, updates, attempts, deadline, due, order, byIteration } = record;
    const head: RecordHead = {
      ...newHead(now, due, order),
      ...{ state: current, first, stored, updates, attempts, deadline, byIteration },
    };
    this.#state.replace(slot, head, item.key, item.uniqueId, record.value, held);
    if (before !== undefined) this.#state.counters.coalesced += 1;
  }

  #due(item: QueueItem<unknown>, now: number): number {
    return now + (item.delay ?? this.#options.delay);
  }

  #laterDue(before: { due: number; first: number }, item: QueueItem<V | Encoded>, now: number): number {
    if (this.#options.timer === 'first') return before.due;
    return Math.min(this.#due(item, now), before.first + this.#options.maxWait);
  }
}

/** The numbers of a record that is stored now, for the first time. */
function newHead(now: number, due: number, order: number): RecordHead {
  return {
    state: State.WAITING,
    due,
    first: now,
    stored: now,
    touched: now,
    order,
    deadline: 0,
    updates: 0,
    attempts: 0,
    idStored: now,
    byIteration: false,
  };
}

const fields = ['key', 'value', 'uniqueId', 'delay'];

/** What `store` was given; a TypeError or RangeError that names what is wrong with it. */
export function checkItem(item: QueueItem<unknown>): void {
  if (typeof item !== 'object' || item === null) throw new TypeError(`item must be an object, got ${show(item)}`);
  checkKey(item.key);
  const { uniqueId, delay } = item;
  if (uniqueId !== undefined) {
    if (typeof uniqueId !== 'string') throw new TypeError(`uniqueId must be a string, got ${show(uniqueId)}`);
    checkText(uniqueId, 'uniqueId');
  }
  if (delay !== undefined) checkSpan(delay, 'delay');
  for (const name in item) {
    if (!fields.includes(name)) throw new TypeError(`unknown field '${name}' of item; it takes ${fields.join(', ')}`);
  }
}

/** A key; a TypeError, or MMCB_TOO_LARGE. */
export function checkKey(key: unknown): string {
  if (typeof key !== 'string') throw new TypeError(`key must be a string, got ${show(key)}`);
  checkText(key, 'key');
  return key;
}
