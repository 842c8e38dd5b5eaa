/** Maps from integers. */
import type { Address } from '../buffer/bytes.js';
import { CompactableBuffer } from '../buffer/compactable-buffer.js';
import type { BufferOptions } from '../buffer/options.js';
import type { Codec } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import { EntryKind, NativeCode } from '../internal/native.js';
import { readLarge, SLAB_SIZE } from '../internal/slab.js';
import {
  built,
  type CodecOf,
  checkCodec,
  KeyedMap,
  type MapClass,
  type MapOptions,
  splitOptions,
  valuesOf,
} from './keyed-map.js';
import { badIntKey } from './keys.js';
import type { Values } from './values.js';

/** Below this, single reads are faster than pages. */
const FEW = 4;

/** What {@link IntMap} and {@link AbstractIntMap} have in common. */
export abstract class IntKeyedMap<V> extends KeyedMap<number, V> {
  readonly #values: Values<V>;

  /** @internal */
  protected constructor(buffer: CompactableBuffer, codec: Codec<V> | CodecOf<V>) {
    super(buffer, EntryKind.INT, (cursor) => cursor.key, codec);
    this.#values = valuesOf(this);
  }

  get [Symbol.toStringTag](): string {
    return 'IntMap';
  }

  /** The value of a key, or undefined. Throws MMCB_CODEC when it cannot be decoded. */
  get(key: number): V | undefined {
    if (!Number.isSafeInteger(key)) throw badIntKey(key);
    const { store } = this.#values;
    const { native, handle, slab } = store;
    const size = native.intGet(handle, key, slab.position);
    if (size < 0) {
      if (size === -NativeCode.NOT_FOUND) return undefined;
      throw store.failure(size);
    }
    if (slab.position + size <= SLAB_SIZE) return this.#values.fromSlab(size);
    const bytes = readLarge(
      slab,
      size,
      (position) => native.intGet(handle, key, position),
      (target) => native.intGetInto(handle, key, target, 0),
    );
    if (typeof bytes !== 'number') return this.#values.fromOwn(bytes);
    if (bytes === -NativeCode.NOT_FOUND) return undefined;
    throw store.failure(bytes);
  }

  /** Sets the value of a key. Throws MMCB_CODEC, or what writing to the buffer can; nothing has changed then. */
  set(key: number, value: V): this {
    if (!Number.isSafeInteger(key)) throw badIntKey(key);
    const { store } = this.#values;
    store.assertOpen();
    const bytes = this.#values.encode(value);
    const result = store.native.intSet(store.handle, key, bytes);
    if (result < 0) throw store.failure(result);
    store.changes++;
    return this;
  }

  /** Whether there is an entry. Does not read its value. */
  has(key: number): boolean {
    if (!Number.isSafeInteger(key)) throw badIntKey(key);
    const { store } = this.#values;
    store.assertOpen();
    return store.native.intHas(store.handle, key);
  }

  /** Removes a key; false if it was not there. */
  delete(key: number): boolean {
    if (!Number.isSafeInteger(key)) throw badIntKey(key);
    const { store } = this.#values;
    const result = store.native.intDelete(store.handle, key);
    if (result < 0) throw store.failure(result);
    if (result === 0) return false;
    store.changes++;
    return true;
  }

  /** The address of a key's entry in {@link buffer}, or undefined. It stays until the key is deleted. */
  address(key: number): Address | undefined {
    if (!Number.isSafeInteger(key)) throw badIntKey(key);
    const { store } = this.#values;
    const result = store.native.intAddress(store.handle, key);
    if (result >= 0) return result;
    if (result === -NativeCode.NOT_FOUND) return undefined;
    throw store.failure(result);
  }

  /** The values of many keys, in their order, undefined where there is none. Several times faster than single gets. */
  getMany(keys: Iterable<number>): (V | undefined)[] {
    const wanted = new Float64Array(checkedKeys(keys));
    const { store } = this.#values;
    store.assertOpen();
    if (wanted.length < FEW) return Array.from(wanted, (key) => this.get(key));
    const { native, handle } = store;
    return this.#values.readPages(
      wanted.length,
      (from, sizes) => native.intGetMany(handle, wanted, from, sizes),
      (index) => this.get(wanted[index] as number),
    );
  }

  /** Sets many keys, all or none, also under process death and power cuts. Of equal keys the last counts. */
  setMany(entries: Iterable<readonly [number, V]>): void {
    const { store } = this.#values;
    store.assertOpen();
    const { keys, values, sizes } = this.#values.pack(entries, checkKey);
    if (keys.length === 0) return;
    const result = store.native.intSetMany(store.handle, new Float64Array(keys), values, sizes);
    if (result < 0) throw store.failure(result);
    store.changes++;
  }
}

/**
 * A persistent `Map` from integers, to be subclassed: `encode` and `decode` say how a value is stored. Keys are all safe
 * integers.
 *
 * @example
 * class FooMap extends AbstractIntMap<Foo> {
 *   protected encode(foo: Foo) { return Buffer.from(`${foo.id}:${foo.name}`); }
 *   protected decode(bytes: Buffer) { const [id, name] = bytes.toString().split(':'); return { id: Number(id), name }; }
 * }
 * const foos = await FooMap.open('foos.mmcb');
 */
export abstract class AbstractIntMap<V> extends IntKeyedMap<V> {
  /** Opens a file as this kind of map; see {@link CompactableBuffer.open}. */
  static async open<M extends IntKeyedMap<unknown>>(
    this: MapClass<M>,
    path: string,
    options?: BufferOptions,
  ): Promise<M> {
    return built(await CompactableBuffer.open(path, options), (buffer) => new this(buffer));
  }

  /** The same, blocking this thread; see {@link CompactableBuffer.openSync}. */
  static openSync<M extends IntKeyedMap<unknown>>(this: MapClass<M>, path: string, options?: BufferOptions): M {
    return built(CompactableBuffer.openSync(path, options), (buffer) => new this(buffer));
  }

  /** A map over the int keys of an open buffer. */
  constructor(buffer: CompactableBuffer) {
    super(buffer, (map) => {
      const self = map as AbstractIntMap<V>;
      return { encode: (value) => self.encode(value), decode: (bytes) => self.decode(bytes as Buffer) };
    });
  }

  /** Makes the bytes to store of a value. They are copied at once. */
  protected abstract encode(value: V): Uint8Array;

  /** Makes a value of stored bytes: a Buffer that is never changed afterwards, so that the value may refer to it. */
  protected abstract decode(bytes: Buffer): V;
}

/** A persistent `Map` from integers, with a codec for its values. Keys are all safe integers. */
export class IntMap<V = unknown> extends IntKeyedMap<V> {
  /** Opens a file as an int map; see {@link CompactableBuffer.open}. */
  static async open<V = unknown>(path: string, options?: MapOptions<V>): Promise<IntMap<V>> {
    const [rest, codec] = splitOptions(options, 'IntMap.open');
    return new this(await CompactableBuffer.open(path, rest), codec);
  }

  /** The same, blocking this thread; see {@link CompactableBuffer.openSync}. */
  static openSync<V = unknown>(path: string, options?: MapOptions<V>): IntMap<V> {
    const [rest, codec] = splitOptions(options, 'IntMap.openSync');
    return new this(CompactableBuffer.openSync(path, rest), codec);
  }

  /** A map over the int keys of an open buffer. */
  constructor(buffer: CompactableBuffer, codec: Codec<V> = msgpack<V>()) {
    super(buffer, checkCodec(codec));
  }
}

function checkKey(key: unknown): void {
  if (!Number.isSafeInteger(key)) throw badIntKey(key);
}

/** The keys as an array, each checked. Indexed, because a generator costs more than a read. */
function checkedKeys(keys: Iterable<number>): readonly number[] {
  const array = Array.isArray(keys) ? (keys as number[]) : [...keys];
  for (let i = 0; i < array.length; i++) checkKey(array[i]);
  return array;
}
