/** PartitionedMap: the last write of each key rises in partitions, and falls out in batches. */
import { codecError } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import { show } from '../internal/options.js';
import { overflowError } from './admission.js';
import { IN_MEMORY, type MapCell, MapContainer, type MapEntry } from './containers.js';
import { encodeWith } from './encoding.js';
import type { PartitionedOptions } from './options.js';
import type { Partition } from './partition.js';
import { PartitionedBuffer, type Parts } from './partitioned-buffer.js';
import { routingHash, sortingKey } from './routing.js';
import { Registry, startParts } from './starting.js';

const internal = Symbol('internal');
const registry = new Registry('PartitionedMap');

/** Options of `PartitionedMap.start`. Keys are made of the map's keys; `sortKey` gets an entry. */
export interface PartitionedMapOptions<K, V>
  extends Omit<PartitionedOptions<MapEntry<K, V>, K, V>, 'overflow' | 'sortKey'> {
  /** As `partitionKey`, of an entry. */
  sortKey?: ((entry: { key: K; value: V; version: number | bigint }) => unknown) | undefined;
  /** There is no 'wait': a map throws, or drops. @default 'reject' */
  overflow?: 'reject' | 'drop-oldest' | 'drop-newest' | undefined;
}

type MapPartition<K, V> = Partition<MapEntry<K, V>, MapContainer<K, V>>;

/**
 * Buffers one value for each key and hands the entries to a processor in batches, like a {@link PartitionedQueue}; of
 * several writes of a key before its partition is drained, the last one counts.
 *
 * @example
 * const map = await PartitionedMap.start({ processor: (batch) => upsertMany(batch) });
 * map.put('user:1', { visits: 1 });
 * map.put('user:1', { visits: 2 }); // the batch has { key: 'user:1', value: { visits: 2 }, version: 0, updates: 1 }
 * await map.stop();
 */
export class PartitionedMap<K = unknown, V = unknown> extends PartitionedBuffer<MapEntry<K, V>, K, MapContainer<K, V>> {
  #number = 1;
  #version = 0;
  readonly #codec;

  /** Starts a map; see {@link PartitionedQueue.start}. */
  static async start<K = unknown, V = unknown>(options: PartitionedMapOptions<K, V>): Promise<PartitionedMap<K, V>> {
    if (options?.overflow === ('wait' as string)) {
      throw new RangeError(
        "option 'overflow' of PartitionedMap.start must be 'reject', 'drop-oldest' or 'drop-newest'",
      );
    }
    const parts = await startParts<MapEntry<K, V>>('PartitionedMap', options, registry);
    try {
      const map = new PartitionedMap<K, V>(internal, parts);
      registry.add(map);
      return map;
    } catch (error) {
      await parts.journal?.close();
      throw error;
    }
  }

  /** The running map of this name, in this thread; undefined if there is none. */
  static get<K = unknown, V = unknown>(name: string): PartitionedMap<K, V> | undefined {
    return registry.get(name) as PartitionedMap<K, V> | undefined;
  }

  /** Not for use: see `start`. */
  constructor(token: symbol, parts: Parts<MapEntry<K, V>>) {
    if (token !== internal) throw new TypeError('use PartitionedMap.start() instead of new');
    super(parts, () => new MapContainer<K, V>());
    this.#codec = this.settings.codec ?? msgpack<unknown>();
    for (const { number, details, bytes, address } of this.journal?.load() ?? []) {
      const [sort, key, version, updates] = details as [unknown, K, number | bigint, number];
      let value: V;
      try {
        value = this.#codec.decode(bytes) as V;
      } catch (error) {
        throw codecError('decode', error);
      }
      this.#number = Math.max(this.#number, number + 1);
      const { container } = this.#partition(this.#hash(key));
      // One that was being processed, and a later write of its key: the later one counts.
      const earlier = container.get(key);
      if (earlier !== undefined) {
        this.journal?.remove([earlier.address]);
        this.admission.add(-1, -earlier.bytes);
      }
      container.set({ key, value, version, updates, sort, address, number, bytes: bytes.length });
      this.admission.add(1, bytes.length);
    }
    this.resume();
  }

  /**
   * Buffers a value under a key; the last write counts. Throws MMCB_OVERFLOW for a new key beyond the bounds ('reject'),
   * MMCB_CODEC when the codec, `partitionKey` or `sortKey` throws, MMCB_CLOSED after `stop`, and what writing to a file can
   * throw; nothing has changed then. O(1).
   */
  put(key: K, value: V): void {
    this.assertRunning();
    this.#put(key, value, 0);
  }

  /** Puts all entries of an iterable of pairs, or of a plain object; those before one that fails stay. */
  putAll(entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>>): void {
    this.assertRunning();
    if (typeof entries !== 'object' || entries === null) {
      throw new TypeError(`entries must be an iterable of pairs or an object, got ${show(entries)}`);
    }
    const pairs =
      Symbol.iterator in entries
        ? (entries as Iterable<readonly [K, V]>)
        : (Object.entries(entries) as unknown as Iterable<readonly [K, V]>);
    const all = Array.from(pairs, (pair) => checkTuple(pair, 2) as readonly [K, V]);
    for (const [key, value] of all) this.#put(key, value, 0);
  }

  /**
   * Like `put`, if nothing is buffered under the key, or something with an older version. Returns whether it was: an equal
   * or older version is ignored. Without a version it is newer than all such before.
   */
  putNewer(key: K, value: V, version?: number | bigint): boolean {
    this.assertRunning();
    return this.#putNewer(key, value, this.#checkVersion(version));
  }

  /** `putNewer` for each [key, value, version]; what each returned. Those before one that fails stay. */
  putAllNewer(entries: Iterable<readonly [K, V, (number | bigint)?]>): boolean[] {
    this.assertRunning();
    const all = Array.from(entries, (entry) => {
      const [key, value, version] = checkTuple(entry, 2) as readonly [K, V, (number | bigint)?];
      return [key, value, this.#checkVersion(version)] as const;
    });
    return all.map(([key, value, version]) => this.#putNewer(key, value, version));
  }

  /** The value that is buffered under a key, and not yet taken to be processed; else `otherwise`. */
  get(key: K): V | undefined;
  get<D>(key: K, otherwise: D): V | D;
  get(key: K, otherwise?: unknown): unknown {
    const cell = this.#partition(this.#hash(key)).container.get(key);
    return cell === undefined ? otherwise : cell.value;
  }

  /** Whether there is an entry. Does not read its value. */
  has(key: K): boolean {
    return this.#partition(this.#hash(key)).container.get(key) !== undefined;
  }

  /** Takes a key back before it is processed; false if it is not buffered. Throws MMCB_CLOSED after `stop`. */
  delete(key: K): boolean {
    this.assertRunning();
    const { container } = this.#partition(this.#hash(key));
    const cell = container.get(key);
    if (cell === undefined) return false;
    if (cell.address !== IN_MEMORY) this.journal?.remove([cell.address]);
    container.delete(key);
    this.admission.remove(1, cell.bytes);
    return true;
  }

  #checkVersion(version: number | bigint | undefined): number | bigint {
    if (version === undefined) {
      this.#version = Math.max(this.#version + 1, this.settings.clock.now() * 1000);
      return this.#version;
    }
    if (typeof version !== 'bigint' && typeof version !== 'number') {
      throw new TypeError(`version must be a number or bigint, got ${show(version)}`);
    }
    if (Number.isNaN(version)) throw new RangeError('version must not be NaN');
    return version;
  }

  #putNewer(key: K, value: V, version: number | bigint): boolean {
    const before = this.#partition(this.#hash(key)).container.get(key);
    if (before !== undefined && version <= before.version) return false;
    this.#put(key, value, version);
    return true;
  }

  #put(key: K, value: V, version: number | bigint): void {
    const { settings, admission, journal } = this;
    const hash = this.#hash(key);
    const partition = this.#partition(hash);
    const encodes = journal !== undefined || settings.maxBytes !== Number.POSITIVE_INFINITY;
    const encoded = encodes ? encodeWith(this.#codec, value) : undefined;
    const bytes = encoded?.length ?? 0;
    const sort = settings.sortKey === undefined ? undefined : sortingKey(settings.sortKey, { key, value, version });
    const before = partition.container.get(key);
    if (!this.#makeRoom(partition, before, bytes)) return;
    // Making room may have dropped the one before.
    const replaced = partition.container.get(key);
    const updates = replaced === undefined ? 0 : replaced.updates + 1;
    const number = replaced?.number ?? this.#number;
    let address = replaced?.address ?? IN_MEMORY;
    if (journal !== undefined && encoded !== undefined) {
      const entry = { hash, number, details: [sort, key, version, updates], bytes: encoded };
      if (replaced === undefined) [address = IN_MEMORY] = journal.add([entry]);
      else journal.update(address, entry);
      if (replaced === undefined) this.#number += 1;
    }
    partition.container.set({ key, value, version, updates, sort, address, number, bytes });
    admission.add(replaced === undefined ? 1 : 0, bytes - (replaced?.bytes ?? 0));
    this.filled(partition);
  }

  /** False where the write is to be dropped; throws where it is to be refused. */
  #makeRoom(partition: MapPartition<K, V>, before: MapCell<K, V> | undefined, bytes: number): boolean {
    const { admission, settings } = this;
    const items = before === undefined ? 1 : 0;
    const growth = bytes - (before?.bytes ?? 0);
    if (admission.fits(items, growth) || (items === 0 && growth <= 0)) return true;
    this.full();
    if (settings.overflow === 'drop-newest') {
      this.drop(partition.number, 1, 'drop-newest');
      return false;
    }
    if (settings.overflow !== 'drop-oldest') throw overflowError(this.name);
    while (!admission.fits(items, growth) && this.dropOldest(partition));
    return true;
  }

  #hash(key: K): number {
    if (this.partitions.length === 1) return 0;
    return routingHash(this.settings.partitionKey, key);
  }

  #partition(hash: number): MapPartition<K, V> {
    return this.partitions[hash % this.partitions.length] as MapPartition<K, V>;
  }

  /** @internal */
  protected override unregister(): void {
    registry.remove(this);
  }
}

function checkTuple(value: unknown, least: number): readonly unknown[] {
  if (Array.isArray(value) && value.length >= least) return value;
  throw new TypeError(`entries must be arrays of at least ${least}, got ${show(value)}`);
}
