/**
 * QueueCore: a queue in the thread that has its index. What it hands out goes to a holder: this thread, or another one that
 * asks through it (shared/); so each call that does comes in a form that takes the holder's ticket and way of reading values.
 */
import { type CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import type { Codec } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import type { Store } from '../internal/lifecycle.js';
import { hashOf } from '../internal/text.js';
import type { FullClock } from './clock.js';
import { Consumers } from './consumers.js';
import type { QueueCounts } from './counters.js';
import { type Encoded, ItemValues } from './item-values.js';
import type { HeldItem, QueueEntry } from './lease.js';
import type { QueueItem } from './options.js';
import { Counter, emptyIndex, NONE, QueueIndex, State } from './queue-index.js';
import type { QueueSide } from './queue-side.js';
import { type LeaseToken, QueueState, type StateOptions } from './queue-state.js';
import { QueueTime } from './queue-time.js';
import { Storing, type StoringOptions } from './storing.js';

const NEVER = Number.POSITIVE_INFINITY;
const CAPACITY = 1024;

/** The options of a queue as its core uses them. */
export interface CoreOptions extends StateOptions, StoringOptions {
  readonly merge: ((previous: unknown, next: unknown) => unknown) | undefined;
  readonly codec: Codec<unknown> | undefined;
  readonly clock: FullClock;
}

/** Makes something of the bytes of a value, which nobody else writes to. What throws leaves the item where it is. */
export type ReadValue<T> = (bytes: Buffer) => T;

export class QueueCore<V> implements QueueSide<V> {
  readonly #store: Store;
  readonly #options: CoreOptions;
  readonly #ticket: number;
  readonly #values: ItemValues<V>;
  readonly #state: QueueState;
  readonly #storing: Storing<V>;
  readonly #time: QueueTime;
  readonly #consumers: Consumers;
  readonly #decode: ReadValue<V>;
  readonly #askTime = (): number => this.#time.now();

  /** Makes the index from what is in the file. `ticket` stands for this thread where it holds items. */
  constructor(buffer: CompactableBuffer, options: CoreOptions, ticket: number) {
    const store = storeOf(buffer);
    this.#store = store;
    this.#options = options;
    this.#ticket = ticket;
    const codec = (options.codec as Codec<V> | undefined) ?? msgpack<V>();
    this.#values = new ItemValues(store, codec, options.merge as ((previous: V, next: V) => V) | undefined);
    this.#state = new QueueState(store, new QueueIndex(emptyIndex(CAPACITY)), options);
    this.#storing = new Storing(this.#state, this.#values, options);
    this.#time = new QueueTime(options.clock, this.#state.index);
    this.#decode = (bytes) => this.#values.decode(bytes);
    this.#state.load(this.#time.now());
    const source = { nextChange: () => this.#state.nextChange, now: () => this.#time.now() };
    this.#consumers = new Consumers(source, options.clock);
  }

  /** Whether it can be called now: not from within one of the program's functions. */
  get isIdle(): boolean {
    return !this.#values.busy;
  }

  // ---- Storing ----

  store(item: QueueItem<V | Encoded>): boolean {
    const now = this.#enter();
    if (!this.#storing.store(item, now)) return false;
    this.#changed();
    return true;
  }

  delete(key: string): boolean {
    this.#enter();
    const slot = this.#state.find(key, hashOf(key));
    if (slot === NONE) return false;
    this.#state.remove(slot);
    this.#changed();
    return true;
  }

  storeAll(items: readonly QueueItem<V | Encoded>[]): number {
    const now = this.#enter();
    const { counters } = this.#state;
    const before = counters.stored;
    try {
      this.#storing.storeAll(items, now);
    } finally {
      if (counters.stored > before) this.#changed();
    }
    return counters.stored - before;
  }

  // ---- Handing out ----

  retrieve(limit: number): QueueEntry<V>[] {
    const entries: QueueEntry<V>[] = [];
    const now = this.#enter();
    const until = this.#availableUntil(now);
    try {
      while (entries.length < limit && this.#available(until) !== NONE) this.#retrieveNext(entries, limit, until, now);
    } catch (error) {
      if (entries.length === 0) throw error;
    }
    if (entries.length > 0) this.#changed();
    return entries;
  }

  /** Adds to `entries` some of the items that are available, at least one and not more than `limit` in all. */
  #retrieveNext(entries: QueueEntry<V>[], limit: number, until: number, now: number): void {
    const state = this.#state;
    const slots = state.takeOut(until, limit - entries.length);
    const before = entries.length;
    let finished = 0; // of the slots; an entry of each, and of others whose records are removed with the next ones
    const removeRest = (): void => {
      while (before + finished < entries.length) {
        finished += state.removeAll(slots.subarray(finished, entries.length - before));
      }
    };
    try {
      for (const slot of slots) {
        const record = state.peek(slot);
        const { key, updates, hasHeld } = record;
        const value = this.#values.decodeRecord(record); // first: what cannot be decoded stays where it is
        if (!state.endsWithNothing(record, now)) {
          removeRest();
          state.finish(slot, record, now);
          finished += 1;
        }
        entries.push({ key, value, updates });
        if (hasHeld) break; // what was held behind it may be due before the others
      }
    } finally {
      try {
        removeRest();
      } finally {
        state.counters.retrieved += finished;
        entries.length = before + finished;
        state.putBack(slots.subarray(finished));
      }
    }
  }

  lease(limit: number, timeout: number): HeldItem<V>[] {
    return this.leaseTo(limit, timeout, this.#decode);
  }

  /** `lease` for any thread. */
  leaseTo<T>(limit: number, timeout: number, read: ReadValue<T>): HeldItem<T>[] {
    const now = this.#enter();
    const items = this.#handOut(limit, now, now + timeout, false, read);
    if (items.length > 0) this.#changed();
    return items;
  }

  /** Hands items out by iteration: they are `holder`'s until it has settled them, or its ticket is not valid any more. */
  hold<T>(limit: number, holder: number, read: ReadValue<T>): HeldItem<T>[] {
    const items = this.#handOut(limit, this.#enter(), holder, true, read);
    if (items.length > 0) this.#changed();
    return items;
  }

  #handOut<T>(limit: number, now: number, deadline: number, byIteration: boolean, read: ReadValue<T>): HeldItem<T>[] {
    const items: HeldItem<T>[] = [];
    const until = this.#availableUntil(now);
    try {
      for (let slot = this.#available(until); slot !== NONE && items.length < limit; slot = this.#available(until)) {
        const record = this.#state.read(slot);
        const { updates } = record;
        const value = read(record.value); // first: what cannot be decoded stays where it is
        items.push({ token: this.#state.lease(slot, record, now, deadline, byIteration), value, updates });
      }
    } catch (error) {
      if (items.length === 0) throw error;
    }
    return items;
  }

  /** Up to which due time items are available. */
  #availableUntil(now: number): number {
    return this.#state.size >= this.#options.maxKeys ? NEVER : now;
  }

  #available(until: number): number {
    const { index } = this.#state;
    const { ready } = index;
    return ready.size > 0 && index.dueOf(ready.top) <= until ? ready.top : NONE;
  }

  acknowledge(token: LeaseToken): boolean {
    const done = this.#finish(token);
    if (done) this.#state.counters.acknowledged += 1;
    return done;
  }

  /** The end of a `retrieve` of another thread, which held the items until it had them. */
  retrieved(tokens: readonly LeaseToken[]): void {
    for (const token of tokens) if (this.#finish(token)) this.#state.counters.retrieved += 1;
  }

  #finish(token: LeaseToken): boolean {
    const now = this.#enter();
    const record = this.#state.leased(token);
    if (record === undefined) return false;
    this.#state.finish(token.slot, record, now);
    this.#changed();
    return true;
  }

  giveBack(token: LeaseToken, delay: number | undefined): boolean {
    const now = this.#enter();
    const record = this.#state.leased(token);
    if (record === undefined) return false;
    this.#state.giveBack(token.slot, record, now, delay === undefined ? undefined : now + delay);
    this.#changed();
    return true;
  }

  /** Takes back what holders have by iteration, but for `kept`: those of one ticket, or all whose ticket is not valid. */
  reclaim(holder: number | undefined, kept: readonly LeaseToken[] = []): void {
    const now = this.#enter();
    const keptAttempts = new Map(kept.map(({ address, attempt }) => [address, attempt]));
    for (const { slot, record } of this.#state.held()) {
      const isGone =
        holder === undefined ? !this.#store.native.ticketIsValid(record.deadline) : record.deadline === holder;
      if (!isGone || keptAttempts.get(this.#state.index.addressOf(slot)) === record.attempts) continue;
      this.#state.giveBack(slot, record, now, undefined);
    }
    this.#changed();
  }

  /** The tickets of other threads that hold items. */
  holders(): Set<number> {
    const holders = new Set<number>();
    for (const { record } of this.#state.held()) if (record.deadline !== this.#ticket) holders.add(record.deadline);
    return holders;
  }

  // ---- Consuming ----

  next(done: readonly LeaseToken[], signal: AbortSignal | undefined): Promise<HeldItem<V> | undefined> {
    for (const token of done) this.acknowledge(token);
    return this.nextFor(this.#ticket, this.#decode, signal);
  }

  /** `next` for any holder. */
  nextFor<T>(holder: number, read: ReadValue<T>, signal: AbortSignal | undefined): Promise<HeldItem<T> | undefined> {
    return this.#consumers.next(signal, () => this.#handOut(1, this.#enter(), holder, true, read)[0]);
  }

  #changed(): void {
    if (this.#consumers.any) this.#consumers.wake();
  }

  // ---- Looking ----

  size(): number {
    this.#enter();
    return this.#state.size;
  }

  nextDue(): number | undefined {
    this.#enter();
    const { index } = this.#state;
    return index.ready.size === 0 ? undefined : this.#time.byClock(index.dueOf(index.ready.top));
  }

  has(key: string): boolean {
    this.#enter();
    const slot = this.#state.find(key, hashOf(key));
    return slot !== NONE && this.#state.index.stateOf(slot) !== State.REMEMBERED;
  }

  counts(): QueueCounts {
    this.#enter();
    const { counters, index } = this.#state;
    return {
      ...counters,
      waiting: index.ready.size,
      inFlight: index.counters[Counter.LEASED] as number,
      remembered: index.counters[Counter.REMEMBERED] as number,
      indexBytes: index.bytes,
    };
  }

  close(): void {
    this.#consumers.close();
  }

  // ---- Entering ----

  /** Begins every call: nobody else is at the state, and it is as of the time returned. */
  #enter(): number {
    this.#store.assertOpen();
    this.#values.assertIdle();
    const now = this.#values.call(this.#askTime);
    this.#state.settle(now);
    return now;
  }
}
