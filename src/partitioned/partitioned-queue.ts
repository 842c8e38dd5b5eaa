/** PartitionedQueue: items rise in partitions, and fall out in batches, in order. */
import { codecError } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import { isSignal, show } from '../internal/options.js';
import { overflowError } from './admission.js';
import { QueueContainer } from './containers.js';
import { encodedBy, encodeWith } from './encoding.js';
import type { Journal } from './journal.js';
import type { PartitionedOptions } from './options.js';
import type { Partition } from './partition.js';
import { PartitionedBuffer, type Parts } from './partitioned-buffer.js';
import { IN_MEMORY } from './places.js';
import { hashAny, routingHash, sortingKey } from './routing.js';
import { Registry, startParts } from './starting.js';

const internal = Symbol('internal');
const registry = new Registry('PartitionedQueue');

/** Options of `PartitionedQueue.start`. */
export type PartitionedQueueOptions<T> = PartitionedOptions<T, T, T>;

/** Options of `push`. */
export interface PushOptions<T> {
  /** Instead of the queue's option. */
  partitionKey?: ((item: T) => unknown) | unknown;
  /** Instead of the queue's option. */
  sortKey?: ((item: T) => unknown) | undefined;
  /** Gives up waiting for room (`overflow: 'wait'`); what has been admitted by then stays. */
  signal?: AbortSignal | undefined;
}

/** An item on its way in. */
interface Incoming<T> {
  item: T;
  hash: number;
  sort: unknown;
  /** As the codec makes it; empty where nobody needs to know. */
  encoded: Uint8Array;
}

const nothing = new Uint8Array();

/**
 * Buffers items in partitions and hands them to a processor in batches: every `processingInterval`, at `drainThreshold`,
 * or when told to. Within a partition batches come one at a time, in the order of insertion or of `sortKey`; partitions are
 * processed side by side. Pushing never waits for a processor.
 *
 * @example
 * const queue = await PartitionedQueue.start({ processor: (batch) => insertMany(batch) });
 * queue.push({ id: 1 });
 * queue.push([{ id: 2 }, { id: 3 }]);
 * await queue.stop(); // processes what is left
 */
export class PartitionedQueue<T = unknown> extends PartitionedBuffer<T, T, QueueContainer<T>> {
  /** Of the next item that is accepted. */
  #number = 1;
  readonly #codec;

  /**
   * Starts a queue. With `path` what is in the file is processed first. Rejects with MMCB_LOCKED where the name is taken or
   * the file is open, MMCB_NOT_MMCB for a file of something else, and as opening a buffer does.
   */
  static async start<T = unknown>(options: PartitionedQueueOptions<T>): Promise<PartitionedQueue<T>> {
    const parts = await startParts<T>('PartitionedQueue', options, registry);
    try {
      const queue = new PartitionedQueue<T>(internal, parts);
      registry.add(queue);
      return queue;
    } catch (error) {
      await parts.journal?.close();
      throw error;
    }
  }

  /** The running queue of this name, in this thread; undefined if there is none. */
  static get<T = unknown>(name: string): PartitionedQueue<T> | undefined {
    return registry.get(name) as PartitionedQueue<T> | undefined;
  }

  /** Not for use: see `start`. */
  constructor(token: symbol, parts: Parts<T>) {
    if (token !== internal) throw new TypeError('use PartitionedQueue.start() instead of new');
    super(parts, () => new QueueContainer<T>());
    this.#codec = this.settings.codec ?? msgpack<unknown>();
    for (const { hash, number, details, bytes, address } of this.journal?.load() ?? []) {
      let item: T;
      try {
        item = this.#codec.decode(bytes) as T;
      } catch (error) {
        throw codecError('decode', error);
      }
      this.#number = Math.max(this.#number, number + 1);
      const partition = this.#partition(hash);
      partition.container.push(item, (details as [unknown])[0], address, bytes.length);
      this.admission.add(1, bytes.length);
    }
    this.resume();
  }

  /**
   * Buffers an item, or each item of an array. With `path` they are in the file when this returns, all or none. Where they
   * exceed the bounds, `overflow` decides; with 'wait' the result is a promise, which resolves when all are buffered.
   *
   * Throws MMCB_OVERFLOW ('reject'; nothing was buffered), MMCB_CODEC when the codec, `partitionKey` or `sortKey` throws,
   * MMCB_CLOSED after `stop`, and what writing to a file can throw. O(1) for each item.
   */
  push(item: T | readonly T[], options?: PushOptions<T>): Promise<void> | undefined {
    this.assertRunning();
    const { settings } = this;
    const unbounded = settings.maxItems === Number.POSITIVE_INFINITY && settings.maxBytes === Number.POSITIVE_INFINITY;
    if (options === undefined && this.journal === undefined && unbounded && settings.sortKey === undefined) {
      if (Array.isArray(item)) for (const one of item as readonly T[]) this.#pushInMemory(one);
      else this.#pushInMemory(item as T);
      return undefined;
    }
    return this.#push(Array.isArray(item) ? (item as readonly T[]) : [item as T], options ?? {});
  }

  #pushInMemory(item: T): void {
    const { partitions, settings } = this;
    let partition = partitions[0] as Partition<T, QueueContainer<T>>;
    if (partitions.length > 1) {
      const { partitionKey } = settings;
      const hash = partitionKey === undefined ? hashAny(item) : routingHash(partitionKey, item);
      partition = partitions[hash % partitions.length] as Partition<T, QueueContainer<T>>;
    }
    partition.container.push(item, undefined, IN_MEMORY, 0);
    this.admission.items += 1;
    this.filled(partition);
  }

  #push(items: readonly T[], options: PushOptions<T>): Promise<void> | undefined {
    checkPushOptions(options);
    const { settings, admission } = this;
    const partitionKey = 'partitionKey' in options ? options.partitionKey : settings.partitionKey;
    const sortKey = (options.sortKey ?? settings.sortKey) as ((item: never) => unknown) | undefined;
    const packs = this.journal?.packs;
    if (packs !== undefined && !packs.isBusy && items.length > 0 && !admission.anyWaiting) {
      const isBuffered =
        items.length === 1
          ? this.#pushOne(items[0] as T, partitionKey, sortKey)
          : this.#pushPacked(items, partitionKey, sortKey);
      if (isBuffered) return undefined;
    }
    const encodes = this.journal !== undefined || settings.maxBytes !== Number.POSITIVE_INFINITY;
    const incoming = items.map((item): Incoming<T> => {
      const encoded = encodes ? encodeWith(this.#codec, item) : nothing;
      return { item, hash: routingHash(partitionKey, item), sort: sortingKey(sortKey, item), encoded };
    });
    const bytes = incoming.reduce((sum, { encoded }) => sum + encoded.length, 0);
    if (!admission.anyWaiting && admission.fits(incoming.length, bytes)) {
      this.#buffer(incoming);
      return undefined;
    }
    switch (settings.overflow) {
      case 'reject':
        this.full();
        throw overflowError(this.name);
      case 'drop-newest':
        this.#admit(incoming);
        for (const { hash } of incoming) this.drop(this.#partition(hash).number, 1, 'drop-newest');
        this.full();
        return undefined;
      case 'drop-oldest':
        for (const one of incoming) {
          while (!admission.fits(1, one.encoded.length) && this.dropOldest(this.#partition(one.hash)));
          this.#buffer([one]);
        }
        this.full();
        return undefined;
      default:
        return this.#wait(incoming, options.signal);
    }
  }

  /** Buffers an item where there is room for it, and stores it; else it does nothing and returns false. */
  #pushOne(item: T, partitionKey: unknown, sortKey: ((item: never) => unknown) | undefined): boolean {
    const hash = routingHash(partitionKey, item);
    const sort = sortingKey(sortKey, item);
    const bytes = encodedBy(this.#codec, item);
    if (!this.admission.fits(1, bytes.length)) return false;
    const address = (this.journal as Journal).addOne({ hash, number: this.#number, details: [sort], bytes });
    this.#number += 1;
    const partition = this.#partition(hash);
    partition.container.push(item, sort, address, bytes.length);
    this.admission.add(1, bytes.length);
    this.filled(partition);
    return true;
  }

  /**
   * Buffers items, in packs in the file, where there is room for all; else it does nothing and returns false. That is the way
   * for nearly all; those that are not accepted at once need their bytes for longer.
   */
  #pushPacked(items: readonly T[], partitionKey: unknown, sortKey: ((item: never) => unknown) | undefined): boolean {
    const { admission } = this;
    const journal = this.journal as Journal;
    const { packs } = journal;
    const count = items.length;
    const hashes = new Uint32Array(count);
    const sizes = new Float64Array(count);
    const sorts: unknown[] | undefined = sortKey === undefined ? undefined : [];
    let bytes = 0;
    packs.begin();
    try {
      for (let i = 0; i < count; i++) {
        const item = items[i] as T;
        const hash = routingHash(partitionKey, item);
        const sort = sortingKey(sortKey, item);
        const encoded = encodedBy(this.#codec, item);
        packs.put(hash, sort, encoded);
        hashes[i] = hash;
        sizes[i] = encoded.length;
        sorts?.push(sort);
        bytes += encoded.length;
      }
      if (!admission.fits(count, bytes)) return false;
      const places = journal.addPacked(this.#number);
      this.#number += count;
      for (let i = 0; i < count; i++) {
        const partition = this.#partition(hashes[i] as number);
        partition.container.push(items[i] as T, sorts?.[i], places[i] as number, sizes[i] as number);
        admission.add(1, sizes[i] as number);
        this.filled(partition);
      }
      return true;
    } finally {
      packs.end();
    }
  }

  #wait(incoming: Incoming<T>[], signal: AbortSignal | undefined): Promise<void> {
    const { admission } = this;
    if (!admission.anyWaiting) this.#admit(incoming);
    const admitted = admission.wait(() => {
      this.#admit(incoming);
      if (incoming.length > 0) this.full();
      return incoming.length === 0;
    }, signal);
    this.full();
    return admitted;
  }

  /** Buffers as many as there is room for, and takes them out of `incoming`. */
  #admit(incoming: Incoming<T>[]): void {
    for (let next = incoming[0]; next !== undefined; next = incoming[0]) {
      if (!this.admission.fits(1, next.encoded.length)) return;
      this.#buffer([next]);
      incoming.shift();
    }
  }

  /** Buffers all of them, or throws and buffers none. */
  #buffer(incoming: readonly Incoming<T>[]): void {
    const addresses = this.journal?.add(
      incoming.map(({ hash, sort, encoded }, i) => {
        return { hash, number: this.#number + i, details: [sort], bytes: encoded };
      }),
    );
    this.#number += incoming.length;
    for (const [i, { item, hash, sort, encoded }] of incoming.entries()) {
      const partition = this.#partition(hash);
      partition.container.push(item, sort, addresses?.[i] ?? IN_MEMORY, encoded.length);
      this.admission.add(1, encoded.length);
      this.filled(partition);
    }
  }

  #partition(hash: number): Partition<T, QueueContainer<T>> {
    return this.partitions[hash % this.partitions.length] as Partition<T, QueueContainer<T>>;
  }

  /** @internal */
  protected override unregister(): void {
    registry.remove(this);
  }
}

const pushFields = ['partitionKey', 'sortKey', 'signal'];

function checkPushOptions(options: object): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of push must be an object, got ${show(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!pushFields.includes(name))
      throw new TypeError(`unknown option '${name}' of push; it takes ${pushFields.join(', ')}`);
  }
  const { sortKey, signal } = options as PushOptions<unknown>;
  if (sortKey !== undefined && typeof sortKey !== 'function')
    throw new TypeError(`option 'sortKey' of push must be a function`);
  if (signal !== undefined && !isSignal(signal)) throw new TypeError(`option 'signal' of push must be an AbortSignal`);
}
