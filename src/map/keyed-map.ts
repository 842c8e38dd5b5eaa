/**
 * KeyedMap: what int and string maps have in common: everything but the calls that take a key. Those are written out in
 * both, so that each is one call into native code and stays monomorphic.
 */
import type { Address } from '../buffer/bytes.js';
import { type CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { EntryCursor, EntryIterator } from '../buffer/entry-cursor.js';
import type { BackupOptions, BufferOptions, WaitOptions, WorkOptions } from '../buffer/options.js';
import { bufferTable } from '../buffer/options.js';
import type { BufferStats, CompactionReport, VerifyReport } from '../buffer/reports.js';
import { type Codec, codecError } from '../codec/codec.js';
import type { Store } from '../internal/lifecycle.js';
import type { EntryKind } from '../internal/native.js';
import { objectWith, readOptions, show } from '../internal/options.js';
import { SLAB_SIZE } from '../internal/slab.js';

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

type DecodeSlice<V> = (memory: Buffer, start: number, end: number) => V;

export abstract class KeyedMap<K extends number | string, V> {
  /** The buffer underneath. Other maps and plain entries may live in it too; closing the map closes it. */
  readonly buffer: CompactableBuffer;
  /** @internal */
  protected readonly store: Store;
  readonly #kind: EntryKind;
  readonly #decodeSlice: DecodeSlice<V> | undefined;

  protected constructor(buffer: CompactableBuffer, kind: EntryKind, codec?: Codec<V>) {
    this.store = storeOf(buffer);
    this.buffer = buffer;
    this.#kind = kind;
    this.#decodeSlice = codec?.decodeSlice?.bind(codec);
  }

  /** Makes the bytes to store of a value. They are copied at once. */
  protected abstract encode(value: V): Uint8Array;

  /** Makes a value of stored bytes, which are a Buffer that is never changed afterwards: the value may refer to it. */
  protected abstract decode(bytes: Buffer): V;

  /** @internal */
  protected abstract keyOf(cursor: EntryCursor): K;

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
    const { store } = this;
    store.assertOpen();
    return store.native.count(store.handle, this.#kind);
  }

  /** Removes all entries of this map, all or none. */
  clear(): void {
    const { store } = this;
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
    const withKeys = this.keyBytes;
    return new EntryIterator([new EntryCursor(this.store, this.#kind, withKeys)], (cursor) => this.keyOf(cursor));
  }

  values(): IterableIterator<V> {
    return new EntryIterator([this.#cursor()], (cursor) => this.#valueOf(cursor));
  }

  entries(): IterableIterator<[K, V]> {
    return new EntryIterator<[K, V]>([this.#cursor()], (cursor) => [this.keyOf(cursor), this.#valueOf(cursor)]);
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  forEach(fn: (value: V, key: K, map: this) => void, thisArg?: unknown): void {
    if (typeof fn !== 'function') throw new TypeError(`fn must be a function, got ${show(fn)}`);
    for (const [key, value] of this.entries()) fn.call(thisArg, value, key, this);
  }

  // ---- The whole ----

  /** A sync point; see {@link CompactableBuffer.flush}. */
  flush(options?: WaitOptions): Promise<void> {
    return this.buffer.flush(options);
  }

  /** Compacts now; see {@link CompactableBuffer.compact}. */
  compact(options?: WorkOptions): Promise<CompactionReport> {
    return this.buffer.compact(options);
  }

  /** Checks the whole file; see {@link CompactableBuffer.verify}. Values are not decoded. */
  verify(options?: WorkOptions): Promise<VerifyReport> {
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

  closeSync(): void {
    this.buffer.closeSync();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- For the two kinds of maps ----

  /** Whether keys must be read from the entries. @internal */
  protected abstract readonly keyBytes: boolean;

  #cursor(): EntryCursor {
    return new EntryCursor(this.store, this.#kind, true);
  }

  #valueOf(cursor: EntryCursor): V {
    const decodeSlice = this.#decodeSlice;
    try {
      if (decodeSlice !== undefined) return decodeSlice(cursor.bytes, cursor.start, cursor.start + cursor.size);
      return this.decode(cursor.take());
    } catch (error) {
      throw codecError('decode', error);
    }
  }

  /** The bytes of a value; MMCB_CODEC if there are none. @internal */
  protected encoded(value: V): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = this.encode(value);
    } catch (error) {
      throw codecError('encode', error);
    }
    if (bytes instanceof Uint8Array) return bytes;
    throw codecError('encode', new TypeError(`encode() must return a Uint8Array, got ${show(bytes)}`));
  }

  /** The value of the `size` bytes that native code has put at the slab's position. @internal */
  protected decodeSlab(size: number): V {
    const { slab } = this.store;
    const decodeSlice = this.#decodeSlice;
    try {
      if (decodeSlice === undefined) return this.decode(slab.take(size));
      // Decoding may call back into a map: the bytes are held until it has ended, and are then free again, unless somebody
      // has taken bytes behind them.
      const { bytes, position } = slab;
      slab.advance(size);
      const held = slab.position;
      const value = decodeSlice(bytes, position, position + size);
      if (slab.position === held && slab.bytes === bytes) slab.position = position;
      return value;
    } catch (error) {
      throw codecError('decode', error);
    }
  }

  /** The value of bytes that belong to nobody else. @internal */
  protected decodeOwn(bytes: Buffer): V {
    const decodeSlice = this.#decodeSlice;
    try {
      return decodeSlice === undefined ? this.decode(bytes) : decodeSlice(bytes, 0, bytes.length);
    } catch (error) {
      throw codecError('decode', error);
    }
  }

  /**
   * Reads many values by pages. `read` fills sizes from `from` on and returns how many it has done, 0 where the next value
   * is too large for a page, or a negative code. @internal
   */
  protected readPages<Q extends K>(
    keys: ArrayLike<Q>,
    read: (from: number, sizes: Float64Array) => number,
  ): (V | undefined)[] {
    const { slab } = this.store;
    const count = keys.length;
    const sizes = new Float64Array(count);
    const values: (V | undefined)[] = new Array(count);
    for (let from = 0; from < count; ) {
      slab.openWindow();
      const done = read(from, sizes);
      slab.closeWindow();
      if (done < 0) throw this.store.failure(done);
      if (done === 0) {
        values[from] = this.get(keys[from] as Q);
        from++;
      } else {
        this.#decodePage(values, sizes, from, from + done);
        from += done;
      }
    }
    return values;
  }

  #decodePage(values: (V | undefined)[], sizes: Float64Array, from: number, to: number): void {
    const { slab } = this.store;
    const { bytes, memory, position } = slab;
    const decodeSlice = this.#decodeSlice;
    let total = 0;
    for (let i = from; i < to; i++) total += Math.max(0, sizes[i] as number);
    slab.advance(total);
    const held = slab.position;
    try {
      for (let i = from, start = position; i < to; i++) {
        const size = sizes[i] as number;
        if (size < 0) {
          values[i] = undefined; // not a hole
          continue;
        }
        values[i] =
          decodeSlice === undefined
            ? this.decode(Buffer.from(memory, start, size))
            : decodeSlice(bytes, start, start + size);
        start += size;
      }
    } catch (error) {
      throw codecError('decode', error);
    }
    if (decodeSlice !== undefined && slab.position === held && slab.bytes === bytes) slab.position = position;
  }

  /** Encodes many values one behind another. @internal */
  protected pack(entries: Iterable<readonly [K, V]>, checkKey: (key: unknown) => void): Packed<K> {
    const keys: K[] = [];
    const sizes: number[] = [];
    let values = Buffer.allocUnsafeSlow(SLAB_SIZE);
    let end = 0;
    for (const entry of entries) {
      if (typeof entry !== 'object' || entry === null) {
        throw new TypeError(`entries must be pairs of key and value, got ${show(entry)}`);
      }
      const [key, value] = entry;
      checkKey(key);
      const bytes = this.encoded(value);
      if (end + bytes.length > values.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(values.length * 2, end + bytes.length));
        values.copy(larger, 0, 0, end);
        values = larger;
      }
      values.set(bytes, end);
      end += bytes.length;
      keys.push(key);
      sizes.push(bytes.length);
    }
    return { keys, values: values.subarray(0, end), sizes: Float64Array.from(sizes) };
  }
}

/** Entries as the addon takes them: value i is the next sizes[i] bytes of `values`. */
export interface Packed<K> {
  keys: K[];
  values: Buffer;
  sizes: Float64Array;
}
