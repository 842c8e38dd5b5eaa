/**
 * DelayQueue: holds updates for a while, keeps one per key, and survives a restart.
 *
 * Invariants
 * - A key has at most one item that waits or is in flight, and at most one held update behind one in flight.
 * - What `store` has accepted is handed out, unless a later store of its key replaced it or its ttl ended.
 * - An item that is out belongs to one holder; it is nobody else's until its lease has ended.
 * - The time of the queue never goes back: a clock that was set back goes on from the latest time seen.
 */
import { CompactableBuffer } from '../buffer/compactable-buffer.js';
import { claimKind } from '../buffer/file-kind.js';
import type { WaitOptions } from '../buffer/options.js';
import type { RecoveryReport } from '../buffer/reports.js';
import { checkNumber, readOptions } from '../internal/options.js';
import { ItemIterator } from './consumers.js';
import type { QueueStats } from './counters.js';
import { Lease, type LeaseHolder, type QueueEntry } from './lease.js';
import {
  type ConsumeOptions,
  consumeTable,
  type DelayQueueOptions,
  delayQueueTable,
  type LeaseOptions,
  leaseTable,
  nackTable,
  type QueueItem,
} from './options.js';
import type { QueueSide } from './queue-side.js';
import { Seat } from './shared/seat.js';
import { checkItem, checkItems, checkKey } from './storing.js';

const internal = Symbol('internal');
const KIND = 'DelayQueue 1';

/**
 * A persistent queue of items that become available some time after their key was first stored, oldest due first. A store
 * for a key that waits replaces its value (or merges into it) and keeps its place.
 *
 * All calls but `flush` and `close` are synchronous and, once they have returned, survive the death of the process. They
 * cost O(log n) of the number of keys, which takes up to 152 bytes of memory for each key besides what the buffer takes;
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
  readonly #seat: Seat<V>;

  /**
   * Opens a file as a queue, or creates it; ':memory:' stands for no file. Every waiting item, every open lease and every
   * remembered unique id is there again; items that a loop (`for await`) had not acknowledged come back at once.
   *
   * Several threads of a process may open the same file. The first to come has the index, and its options are in force; the
   * others ask it, and one of them takes its place when it closes the queue or ends. See docs/queues.md.
   *
   * Rejects with MMCB_NOT_MMCB for a file of something else, MMCB_LOCKED where this thread has the file open, MMCB_NO_ANSWER
   * where the thread that has the index does not answer, and as {@link CompactableBuffer.open} does. A queue cannot be
   * opened with `readOnly` (TypeError).
   */
  static async open<V = unknown>(path: string, options: DelayQueueOptions<V>): Promise<DelayQueue<V>> {
    const owner = 'DelayQueue.open';
    const settings = readOptions(delayQueueTable, options, owner);
    const { delay: common } = settings;
    if (common === undefined) throw new TypeError(`option 'delay' of ${owner} is required`);
    if (settings.readOnly) throw new TypeError(`option 'readOnly' of ${owner} must be false: consuming a queue writes`);
    const { delay, maxKeys, ttl, dedupeFor, timer, maxWait, merge, codec, clock, answerTimeout, ...rest } = options;
    const buffer = await CompactableBuffer.open(path, rest);
    try {
      claimKind(buffer, KIND);
      const seat = await Seat.take<V>(buffer, { ...settings, delay: common });
      return new DelayQueue<V>(internal, buffer, seat);
    } catch (error) {
      await buffer.close();
      throw error;
    }
  }

  /** Not for use: see `open`. */
  constructor(token: symbol, buffer: CompactableBuffer, seat: Seat<V>) {
    if (token !== internal) throw new TypeError('use DelayQueue.open() instead of new');
    this.buffer = buffer;
    this.#seat = seat;
  }

  get #side(): QueueSide<V> {
    return this.#seat.side;
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
    return this.#side.store(item);
  }

  /**
   * Stores many items, each as `store` does, in their order; returns how many were stored, the others being duplicates. Among
   * many keys it takes a fraction of the time, as what is known of them is fetched from memory all at once; in a thread that
   * shares the queue with others it asks once for all of them.
   *
   * All items are checked before the first is stored. Where one cannot be stored a {@link StoreAllError} has the code that
   * `store` would have thrown, and its position: the items before it are stored. O(log n) each.
   */
  storeAll(items: Iterable<QueueItem<V>>): number {
    const list = [...items];
    checkItems(list);
    return this.#side.storeAll(list);
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
    return this.#side.retrieve(limit);
  }

  /**
   * Like `retrieve`, but the items stay the queue's until they are acknowledged: one that is not within `timeout`
   * milliseconds comes back, also after a crash and a restart. O(log n) each.
   */
  lease(limit: number, options?: LeaseOptions): Lease<V>[] {
    const { timeout } = options === undefined ? { timeout: 30_000 } : readOptions(leaseTable, options, 'lease');
    checkLimit(limit);
    const holder = this.#holder;
    return this.#side.lease(limit, timeout).map((item) => new Lease<V>(holder, item));
  }

  readonly #holder: LeaseHolder = {
    acknowledge: (token) => this.#side.acknowledge(token),
    giveBack: (token, options) => {
      const { delay } = readOptions(nackTable, options, 'nack');
      return this.#side.giveBack(token, delay);
    },
  };

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
    this.#seat.assertOpen();
    return new ItemIterator<V>(this.#seat, this.#holder, signal);
  }

  // ---- Looking ----

  /** Keys that wait or are in flight. */
  get size(): number {
    return this.#side.size();
  }

  /** When the item that is due next is, or was, due: milliseconds since 1970 by the queue's clock; undefined if none waits. */
  get nextDue(): number | undefined {
    return this.#side.nextDue();
  }

  /** Whether a key waits or is in flight. */
  has(key: string): boolean {
    return this.#side.has(checkKey(key));
  }

  /** Removes a key with all that is known of it, its unique id too; a lease of it ends. False if there was nothing. */
  delete(key: string): boolean {
    return this.#side.delete(checkKey(key));
  }

  /** Counters, as of now: those of what happened are since the thread that has the index opened the queue. */
  stats(): QueueStats {
    return { ...this.#side.counts(), buffer: this.buffer.stats() };
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
    this.#seat.leave();
    return this.buffer.close(options);
  }

  /** `close()`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function checkLimit(limit: unknown): void {
  if (limit !== Number.POSITIVE_INFINITY) checkNumber(limit, 'limit', 0, Number.MAX_SAFE_INTEGER);
}
