/**
 * KeyedMap: what int and string maps have in common: everything but the calls that take a key. Those are written out in
 * both, so that each is one call into native code and stays monomorphic.
 */
import type { Address } from '../buffer/bytes.js';
import { type CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { EntryCursor, EntryIterator } from '../buffer/entry-cursor.js';
import type { BackupOptions, BufferOptions, VerifyOptions, WaitOptions, WorkOptions } from '../buffer/options.js';
import { bufferTable } from '../buffer/options.js';
import type { BufferStats, CompactionReport, RecoveryReport, VerifyReport } from '../buffer/reports.js';
import type { Codec } from '../codec/codec.js';
import type { Store } from '../internal/lifecycle.js';
import { EntryKind } from '../internal/native.js';
import { objectWith, readOptions, show } from '../internal/options.js';
import { Values } from './values.js';

/** Options of `open` and `openSync` of a map that takes a codec. */
export interface MapOptions<V> extends BufferOptions {
  /** How values become bytes. Give the same each time. @default msgpack() */
  codec?: Codec<V> | undefined;
}

/** Splits map options into those of the buffer and the codec; an unknown name is reported here, with all names known. */
export function splitOptions<V>(
  options: MapOptions<V> | undefined,
  owner: string,
): [BufferOptions | undefined, Codec<V> | undefined] {
  if (options === undefined) return [undefined, undefined];
  const { codec } = readOptions({ ...bufferTable, codec: codecRule }, options, owner);
  const { codec: _, ...rest } = options;
  return [rest, codec as Codec<V> | undefined];
}

export const codecRule = objectWith<Codec<unknown>>('encode', 'decode');

/** A codec given to a constructor. */
export function checkCodec<V>(codec: Codec<V>): Codec<V> {
  codecRule.check(codec, 'codec');
  return codec;
}

/** A class of maps that can be made over a buffer. */
export type MapClass<M> = new (buffer: CompactableBuffer) => M;

/** A map over a buffer that was opened for it, and that is closed again if the map cannot be made. */
export function built<M>(buffer: CompactableBuffer, make: (buffer: CompactableBuffer) => M): M {
  try {
    return make(buffer);
  } catch (error) {
    buffer.closeSync();
    throw error;
  }
}

/** Makes the codec of a map that is its own codec. */
export type CodecOf<V> = (map: object) => Codec<V>;

/** The parts of a map that its own module, and no subclass, needs. */
export let valuesOf: <K extends number | string, V>(map: KeyedMap<K, V>) => Values<V>;

/** What opening found, for a map: the keys of this map that the damage concerns, among the rest. */
export interface MapRecovery<K> extends RecoveryReport {
  /**
   * Keys of damaged entries, as far as they can be read, the first 1000. A key may still be there, with an older value; a
   * key may have been damaged itself, or have been deleted before.
   */
  damagedKeys: K[];
}

export abstract class KeyedMap<K extends number | string, V> {
  /** The buffer underneath. Other maps and plain entries may live in it too; closing the map closes it. */
  readonly buffer: CompactableBuffer;
  readonly #store: Store;
  readonly #values: Values<V>;
  readonly #kind: EntryKind;
  readonly #keyOf: (cursor: EntryCursor) => K;

  /** `keyOf` says where a cursor has its key. */
  protected constructor(
    buffer: CompactableBuffer,
    kind: EntryKind,
    keyOf: (cursor: EntryCursor) => K,
    codec: Codec<V> | CodecOf<V>,
  ) {
    this.#store = storeOf(buffer);
    this.#values = new Values(this.#store, typeof codec === 'function' ? codec(this) : codec);
    this.#kind = kind;
    this.#keyOf = keyOf;
    this.buffer = buffer;
  }

  abstract get(key: K): V | undefined;
  abstract set(key: K, value: V): this;
  abstract has(key: K): boolean;
  abstract delete(key: K): boolean;
  abstract address(key: K): Address | undefined;
  abstract getMany(keys: Iterable<K>): (V | undefined)[];
  abstract setMany(entries: Iterable<readonly [K, V]>): void;

  // ---- Map ----

  /** Number of entries. */
  get size(): number {
    const store = this.#store;
    store.assertOpen();
    return store.native.count(store.handle, this.#kind);
  }

  /** Removes all entries of this map, all or none. */
  clear(): void {
    const store = this.#store;
    const result = store.native.clear(store.handle, this.#kind);
    if (result < 0) throw store.failure(result);
    store.changes++;
  }

  /**
   * Sets a key to what `fn` makes of its present value (undefined if there is none), and returns that. Nothing changes if
   * `fn` throws. Not atomic against other threads.
   */
  update(key: K, fn: (value: V | undefined, key: K) => V): V {
    if (typeof fn !== 'function') throw new TypeError(`fn must be a function, got ${show(fn)}`);
    const value = fn(this.get(key), key);
    this.set(key, value);
    return value;
  }

  /**
   * The keys, in no particular order, as for all iterators of this map. While one is used, entries may be added and
   * removed: removed ones do not appear, added ones may or may not, and none appears twice.
   */
  keys(): IterableIterator<K> {
    // String keys are read from the entries, int keys come with the addresses.
    const cursor = new EntryCursor(this.#store, this.#kind, this.#kind === EntryKind.STRING);
    return new EntryIterator([cursor], this.#keyOf);
  }

  /** All values, read as the iteration goes. No order; see `keys` about changes meanwhile. */
  values(): IterableIterator<V> {
    const values = this.#values;
    return new EntryIterator([this.#cursor()], (cursor) => values.fromCursor(cursor));
  }

  /** All keys with their values, read as the iteration goes. */
  entries(): IterableIterator<[K, V]> {
    const values = this.#values;
    const keyOf = this.#keyOf;
    return new EntryIterator<[K, V]>([this.#cursor()], (cursor) => [keyOf(cursor), values.fromCursor(cursor)]);
  }

  /** The same as `entries()`. */
  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  /** Calls `fn` for each entry, as `Map` does. */
  forEach(fn: (value: V, key: K, map: this) => void, thisArg?: unknown): void {
    if (typeof fn !== 'function') throw new TypeError(`fn must be a function, got ${show(fn)}`);
    for (const [key, value] of this.entries()) fn.call(thisArg, value, key, this);
  }

  // ---- The whole ----

  /** What opening found; see {@link CompactableBuffer.recovery}. */
  get recovery(): MapRecovery<K> {
    const { recovery } = this.buffer;
    const type = this.#kind === EntryKind.INT ? 'number' : 'string';
    // Several places may be damaged in what belongs to one key.
    const keys = new Set(recovery.damage.map(({ key }) => key).filter((key) => typeof key === type) as K[]);
    return { ...recovery, damagedKeys: [...keys] };
  }

  /** A sync point; see {@link CompactableBuffer.flush}. */
  flush(options?: WaitOptions): Promise<void> {
    return this.buffer.flush(options);
  }

  /** Compacts now; see {@link CompactableBuffer.compact}. */
  compact(options?: WorkOptions): Promise<CompactionReport> {
    return this.buffer.compact(options);
  }

  /** Checks the whole file; see {@link CompactableBuffer.verify}. Values are not decoded. */
  verify(options?: VerifyOptions): Promise<VerifyReport> {
    return this.buffer.verify(options);
  }

  /** Writes a consistent copy to another file; see {@link CompactableBuffer.backup}. */
  backup(path: string, options?: BackupOptions): Promise<void> {
    return this.buffer.backup(path, options);
  }

  /** Counters of the buffer, as of now. */
  stats(): BufferStats {
    return this.buffer.stats();
  }

  /** Closes the buffer underneath, and with it all maps over it; see {@link CompactableBuffer.close}. */
  close(options?: WaitOptions): Promise<void> {
    return this.buffer.close(options);
  }

  /** Closes it, waiting for the last sync point. Idempotent. */
  closeSync(): void {
    this.buffer.closeSync();
  }

  /** `closeSync()`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.closeSync();
  }

  /** `close()`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #cursor(): EntryCursor {
    return new EntryCursor(this.#store, this.#kind, true);
  }

  static {
    valuesOf = (map) => map.#values;
  }
}
