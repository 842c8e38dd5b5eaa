/**
 * Values: the way between the values of a map and their bytes. Kept out of the map classes, which are there to be
 * subclassed and so should have no names but public ones.
 */
import type { Cursor } from '../buffer/entry-cursor.js';
import { type Codec, codecError } from '../codec/codec.js';
import type { Store } from '../internal/lifecycle.js';
import { show } from '../internal/options.js';
import { SLAB_SIZE } from '../internal/slab.js';

/** Entries as the addon takes them: value i is the next sizes[i] bytes of `values`. */
export interface Packed<K> {
  keys: K[];
  values: Buffer;
  sizes: Float64Array;
}

export class Values<V> {
  readonly store: Store;
  readonly #codec: Codec<V>;
  readonly #slices: boolean;

  constructor(store: Store, codec: Codec<V>) {
    this.store = store;
    this.#codec = codec;
    this.#slices = codec.decodeSlice !== undefined;
  }

  /** The bytes of a value; MMCB_CODEC if there are none. */
  encode(value: V): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = this.#codec.encode(value);
    } catch (error) {
      throw codecError('encode', error);
    }
    if (bytes instanceof Uint8Array) return bytes;
    throw codecError('encode', new TypeError(`encode() must return a Uint8Array, got ${show(bytes)}`));
  }

  /** The value of the `size` bytes that native code has put at the slab's position, or of [from, to) of them. */
  fromSlab(size: number, from = 0, to = size): V {
    const { slab } = this.store;
    try {
      if (!this.#slices) return this.#codec.decode(slab.takePart(size, from, to));
      // Decoding may call back into a map: the bytes are held until it has ended, and are then free again, unless somebody
      // has taken bytes behind them.
      const { bytes, position } = slab;
      slab.advance(size);
      const held = slab.position;
      const value = this.#decodeSlice(bytes, position + from, position + to);
      if (slab.position === held && slab.bytes === bytes) slab.position = position;
      return value;
    } catch (error) {
      throw codecError('decode', error);
    }
  }

  /** The value of bytes that belong to nobody else. */
  fromOwn(bytes: Buffer): V {
    try {
      return this.#slices ? this.#decodeSlice(bytes, 0, bytes.length) : this.#codec.decode(bytes);
    } catch (error) {
      throw codecError('decode', error);
    }
  }

  /** The value of a cursor's current entry. */
  fromCursor(cursor: Cursor): V {
    try {
      if (!this.#slices) return this.#codec.decode(cursor.take());
      return this.#decodeSlice(cursor.bytes, cursor.start, cursor.start + cursor.size);
    } catch (error) {
      throw codecError('decode', error);
    }
  }

  /**
   * Reads `count` values by pages. `read` fills sizes from `from` on and returns how many it has done, 0 where the next
   * value is too large for a page, or a negative code; `readOne` then reads that one.
   */
  readPages(
    count: number,
    read: (from: number, sizes: Float64Array) => number,
    readOne: (index: number) => V | undefined,
  ): (V | undefined)[] {
    const { slab } = this.store;
    const sizes = new Float64Array(count);
    const values: (V | undefined)[] = new Array(count);
    for (let from = 0; from < count; ) {
      slab.openWindow();
      const done = read(from, sizes);
      slab.closeWindow();
      if (done < 0) throw this.store.failure(done);
      if (done === 0) {
        values[from] = readOne(from);
        from++;
      } else {
        this.#fromPage(values, sizes, from, from + done);
        from += done;
      }
    }
    return values;
  }

  #fromPage(values: (V | undefined)[], sizes: Float64Array, from: number, to: number): void {
    const { slab } = this.store;
    const { bytes, memory, position } = slab;
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
        values[i] = this.#slices
          ? this.#decodeSlice(bytes, start, start + size)
          : this.#codec.decode(Buffer.from(memory, start, size));
        start += size;
      }
    } catch (error) {
      throw codecError('decode', error);
    }
    // As in fromSlab.
    if (this.#slices && slab.position === held && slab.bytes === bytes) slab.position = position;
  }

  /** Encodes many values one behind another. */
  pack<K>(entries: Iterable<readonly [K, V]>, checkKey: (key: unknown) => void): Packed<K> {
    const keys: K[] = [];
    const sizes: number[] = [];
    let values = Buffer.allocUnsafeSlow(SLAB_SIZE);
    let end = 0;
    for (const entry of entries) {
      if (typeof entry !== 'object' || entry === null) {
        throw new TypeError(`entries must be pairs of key and value, got ${show(entry)}`);
      }
      const key = entry[0];
      checkKey(key);
      const bytes = this.encode(entry[1]);
      if (end + bytes.length > values.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(values.length * 2, end + bytes.length));
        values.copy(larger, 0, 0, end);
        values = larger;
      }
      values.set(bytes, end); // at once: the codec may use its memory again
      end += bytes.length;
      keys.push(key);
      sizes.push(bytes.length);
    }
    return { keys, values: values.subarray(0, end), sizes: new Float64Array(sizes) };
  }

  #decodeSlice(memory: Buffer, start: number, end: number): V {
    return (this.#codec as Required<Codec<V>>).decodeSlice(memory, start, end);
  }
}
