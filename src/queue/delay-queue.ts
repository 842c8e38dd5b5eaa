/**
 * DelayQueue: holds updates for a while, keeps one per key, and survives a restart.
 *
 * Invariants
 * - A key has at most one item that waits or is in flight, and at most one held update behind one in flight.
 * - What `store` has accepted is handed out, unless a later store of its key replaced it or its ttl ended.
 * - An item that is out belongs to one holder; it is nobody else's until its lease has ended.
 * - The time of the queue never goes back: a clock that was set back goes on from the latest time seen.
 */
import { CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { claimKind } from '../buffer/file-kind.js';
import type { WaitOptions } from '../buffer/options.js';
import type { RecoveryReport } from '../buffer/reports.js';
import { claimForThread, releaseThread } from '../buffer/thread-claim.js';
import type { Codec } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import type { Store } from '../internal/lifecycle.js';
import { checkNumber, readOptions } from '../internal/options.js';
import { Consumers, ItemIterator } from './consumers.js';
import { ItemValues } from './item-values.js';
import { Lease, type LeaseHolder, type QueueEntry } from './lease.js';
import {
  type ConsumeOptions,
  consumeTable,
  type DelayQueueOptions,
  delayQueueTable,
  type LeaseOptions,
  leaseTable,
  type NackOptions,
  nackTable,
  type QueueItem,
} from './options.js';
import { Counter, emptyIndex, NONE, QueueIndex, State } from './queue-index.js';
import { QueueState, type QueueStats } from './queue-state.js';
import { QueueTime } from './queue-time.js';
import { hashOf } from './record.js';
import { checkItem, checkKey, Storing } from './storing.js';

const internal = Symbol('internal');
const KIND = 'DelayQueue 1';
const NEVER = Number.POSITIVE_INFINITY;
const CAPACITY = 1024;

/** The options as the queue uses them. */
type Settings = ReturnType<typeof readOptions<typeof delayQueueTable>> & { delay: number };

/**
 * A persistent queue of items that become available some time after their key was first stored, oldest due first. A store
 * for a key that waits replaces its value (or merges into it) and keeps its place.
 *
 * All calls but `flush` and `close` are synchronous and, once they have returned, survive the death of the process. They
 * cost O(log n) of the number of keys, which takes up to 122 bytes of memory for each key besides what the buffer takes;
 * keys and values stay in the file. Calls after `close` throw MMCB_CLOSED. Calls that write can fail as those of a
 * {@link CompactableBuffer}, and have then changed nothing.
 *
 * @example
 * const queue = await DelayQueue.open('updates.mmcb', { delay: 1000 });
 * queue.store({ key: 'user:1', value: { visits: 1 } });
 * queue.store({ key: 'user:1', value: { visits: 2 } }); // replaces, and keeps its place
 * for await (const { key, value } of queue) {
 *   // after a second, once: user:1 { visits: 2 }
 * }
 */
export class DelayQueue<V = unknown> implements AsyncIterable<Lease<V>> {
  /** The buffer underneath. Closing the queue closes it. Its entries are the queue's own: do not write to it. */
  readonly buffer: CompactableBuffer;
  readonly #store: Store;
  readonly #state: QueueState;
  readonly #values: ItemValues<V>;
  readonly #storing: Storing<V>;
  readonly #time: QueueTime;
  readonly #settings: Settings;
  readonly #consumers: Consumers<V>;

  /**
   * Opens a file as a queue, or creates it; ':memory:' stands for no file. Every waiting item, every open lease and every
   * remembered unique id is there again; items that a loop (`for await`) had not acknowledged come back at once.
   *
   * Rejects with MMCB_NOT_MMCB for a file of something else, and as {@link CompactableBuffer.open} does. A queue cannot be
   * opened with `readOnly` (TypeError).
   */
  static async open<V = unknown>(path: string, options: DelayQueueOptions<V>): Promise<DelayQueue<V>> {
    const owner = 'DelayQueue.open';
    const settings = readOptions(delayQueueTable, options, owner);
    if (settings.delay === undefined) throw new TypeError(`option 'delay' of ${owner} is required`);
    if (settings.readOnly) throw new TypeError(`option 'readOnly' of ${owner} must be false: consuming a queue writes`);
    const { delay, maxKeys, ttl, dedupeFor, timer, maxWait, merge, codec, clock, ...rest } = options;
    const buffer = await CompactableBuffer.open(path, rest);
    try {
      claimKind(buffer, KIND);
      claimForThread(buffer);
      return new DelayQueue<V>(internal, buffer, settings as Settings);
    } catch (error) {
      await buffer.close();
      throw error;
    }
  }

  /** Not for use: see `open`. */
  constructor(token: symbol, buffer: CompactableBuffer, settings: Settings) {
    if (token !== internal) throw new TypeError('use DelayQueue.open() instead of new');
    const store = storeOf(buffer);
    this.buffer = buffer;
    this.#store = store;
    this.#settings = settings;
    const codec = (settings.codec as Codec<V> | undefined) ?? msgpack<V>();
    this.#values = new ItemValues(store, codec, settings.merge as ((previous: V, next: V) => V) | undefined);
    this.#state = new QueueState(store, new QueueIndex(emptyIndex(CAPACITY)), settings);
    this.#storing = new Storing(this.#state, this.#values, settings);
    this.#time = new QueueTime(settings.clock, this.#state.index);
    this.#state.load(this.#time.now());
    this.#consumers = new Consumers<V>(
      {
        take: () => this.#take(),
        nextChange: () => this.#state.nextChange,
        now: () => this.#time.now(),
      },
      settings.clock,
    );
  }

  // ---- Storing ----

  /**
   * Stores a value under a key. Returns false if it was dropped as a duplicate (see `uniqueId`).
   *
   * For a key that waits it replaces the value (or merges, see the option `merge`) and keeps the due time, or restarts it
   * with `timer: 'last'`. For a key in flight it is held, and becomes an item of its own once that one is acknowledged.
   *
   * Throws MMCB_QUEUE_FULL for a new key when `maxKeys` are held, MMCB_CODEC when the codec or `merge` throws,
   * MMCB_TOO_LARGE for long keys, and what writing can throw; nothing has changed then. O(log n).
   */
  store(item: QueueItem<V>): boolean {
    checkItem(item);
    const now = this.#enter();
    if (!this.#storing.store(item, now)) return false;
    this.#changed();
    return true;
  }

  // ---- Handing out ----

  /**
   * Removes up to `limit` items that are due, oldest due first, and returns them; when `maxKeys` keys are held, whether
   * they are due or not. For items that must not be lost between here and their processing, use `lease`. O(log n) each.
   *
   * Throws MMCB_CODEC when the first cannot be decoded (it stays), and what writing can throw. Where that happens later, those
   * removed before are returned.
   */
  retrieve(limit: number): QueueEntry<V>[] {
    checkLimit(limit);
    const entries: QueueEntry<V>[] = [];
    const now = this.#enter();
    const until = this.#availableUntil(now);
    try {
      for (let slot = this.#available(until); slot !== NONE && entries.length < limit; slot = this.#available(until)) {
        const record = this.#state.read(slot);
        const entry = { key: record.key, value: this.#values.decode(record.value), updates: record.updates };
        this.#state.finish(slot, record, now);
        entries.push(entry);
      }
    } catch (error) {
      if (entries.length === 0) throw error;
    }
    this.#state.counters.retrieved += entries.length;
    if (entries.length > 0) this.#changed();
    return entries;
  }

  /**
   * Like `retrieve`, but the items stay the queue's until they are acknowledged: one that is not within `timeout`
   * milliseconds comes back, also after a crash and a restart. O(log n) each.
   */
  lease(limit: number, options?: LeaseOptions): Lease<V>[] {
    const { timeout } = options === undefined ? { timeout: 30_000 } : readOptions(leaseTable, options, 'lease');
    checkLimit(limit);
    const leases: Lease<V>[] = [];
    const now = this.#enter();
    const until = this.#availableUntil(now);
    try {
      for (let slot = this.#available(until); slot !== NONE && leases.length < limit; slot = this.#available(until)) {
        leases.push(this.#lease(slot, now, now + timeout, false));
      }
    } catch (error) {
      if (leases.length === 0) throw error;
    }
    if (leases.length > 0) this.#changed();
    return leases;
  }

  #lease(slot: number, now: number, deadline: number, byIteration: boolean): Lease<V> {
    const record = this.#state.read(slot);
    const { key, updates } = record;
    const value = this.#values.decode(record.value); // first: what cannot be decoded stays where it is
    return new Lease<V>(this, this.#state.lease(slot, record, now, deadline, byIteration), key, value, updates);
  }

  /** Up to which due time items are available. */
  #availableUntil(now: number): number {
    return this.#state.size >= this.#settings.maxKeys ? NEVER : now;
  }

  #available(until: number): number {
    const { ready, dues } = this.#state.index;
    return ready.size > 0 && (dues[ready.top] as number) <= until ? ready.top : NONE;
  }

  /** @internal For leases. */
  acknowledge(token: Parameters<LeaseHolder['acknowledge']>[0]): boolean {
    const now = this.#enter();
    const record = this.#state.leased(token);
    if (record === undefined) return false;
    this.#state.finish(token.slot, record, now);
    this.#state.counters.acknowledged += 1;
    this.#changed();
    return true;
  }

  /** @internal For leases. */
  giveBack(token: Parameters<LeaseHolder['giveBack']>[0], options: NackOptions | undefined): boolean {
    const { delay } = readOptions(nackTable, options, 'nack');
    const now = this.#enter();
    const record = this.#state.leased(token);
    if (record === undefined) return false;
    this.#state.giveBack(token.slot, record, now, delay === undefined ? undefined : now + delay);
    this.#changed();
    return true;
  }

  // ---- Consuming ----

  /**
   * Waits for items, one after the other: `for await (const item of queue)`. Each item goes to one consumer, however many
   * there are. Asking for the next item acknowledges the one before; leaving the loop gives it back, unless `item.ack()` was
   * called. Ends when the queue is closed.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Lease<V>> {
    return this.consume();
  }

  /** The same, with a signal that ends the waiting: `next` then rejects with its reason. */
  consume(options?: ConsumeOptions): AsyncIterableIterator<Lease<V>> {
    const { signal } = readOptions(consumeTable, options, 'consume');
    this.#store.assertOpen();
    return new ItemIterator<V>(
      () => this.#consumers.next(signal),
      () => this.#store.status === 'open',
    );
  }

  /** The next item for a consumer. */
  #take(): Lease<V> | undefined {
    const now = this.#enter();
    const slot = this.#available(this.#availableUntil(now));
    return slot === NONE ? undefined : this.#lease(slot, now, NEVER, true);
  }

  #changed(): void {
    if (this.#consumers.any) this.#consumers.wake();
  }

  // ---- Looking ----

  /** Keys that wait or are in flight. */
  get size(): number {
    this.#enter();
    return this.#state.size;
  }

  /** When the item that is due next is, or was, due: milliseconds since 1970 by the queue's clock; undefined if none waits. */
  get nextDue(): number | undefined {
    this.#enter();
    const { ready, dues } = this.#state.index;
    return ready.size === 0 ? undefined : this.#time.byClock(dues[ready.top] as number);
  }

  /** Whether a key waits or is in flight. */
  has(key: string): boolean {
    checkKey(key);
    this.#enter();
    const slot = this.#state.find(key, hashOf(key));
    return slot !== NONE && this.#state.index.states[slot] !== State.REMEMBERED;
  }

  /** Removes a key with all that is known of it, its unique id too; a lease of it ends. False if there was nothing. */
  delete(key: string): boolean {
    checkKey(key);
    this.#enter();
    const slot = this.#state.find(key, hashOf(key));
    if (slot === NONE) return false;
    this.#state.remove(slot);
    this.#changed();
    return true;
  }

  /** Counters, as of now. */
  stats(): QueueStats {
    this.#enter();
    const { counters, index } = this.#state;
    return {
      ...counters,
      waiting: index.ready.size,
      inFlight: index.counters[Counter.LEASED] as number,
      remembered: index.counters[Counter.REMEMBERED] as number,
      indexBytes: index.bytes,
      buffer: this.buffer.stats(),
    };
  }

  /** What opening found; see {@link CompactableBuffer.recovery}. */
  get recovery(): RecoveryReport {
    return this.buffer.recovery;
  }

  /** A sync point; see {@link CompactableBuffer.flush}. */
  flush(options?: WaitOptions): Promise<void> {
    return this.buffer.flush(options);
  }

  /**
   * Ends all loops, which give back what they had not acknowledged when the queue is opened again, makes a last sync point
   * and closes. May be called any number of times; see {@link CompactableBuffer.close}.
   */
  close(options?: WaitOptions): Promise<void> {
    if (this.#store.status === 'open') {
      this.#consumers.close();
      releaseThread(this.buffer);
    }
    return this.buffer.close(options);
  }

  /** `close()`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- Entering ----

  /** Begins every call: nobody else is at the state, and it is as of the time returned. */
  #enter(): number {
    this.#store.assertOpen();
    this.#values.assertIdle();
    const now = this.#values.call(() => this.#time.now());
    this.#state.settle(now);
    return now;
  }
}

function checkLimit(limit: unknown): void {
  if (limit !== Number.POSITIVE_INFINITY) checkNumber(limit, 'limit', 0, Number.MAX_SAFE_INTEGER);
}
