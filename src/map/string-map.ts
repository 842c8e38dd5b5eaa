/** Maps from strings. */
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
import { badStringKey, decodeStringKey } from './keys.js';
import type { Values } from './values.js';

/** Below this, single reads are faster than pages. */
const FEW = 4;

/** What {@link StringMap} and {@link AbstractStringMap} have in common. */
export abstract class StringKeyedMap<V> extends KeyedMap<string, V> {
  readonly #values: Values<V>;

  /** @internal */
  protected constructor(buffer: CompactableBuffer, codec: Codec<V> | CodecOf<V>) {
    super(buffer, EntryKind.STRING, (cursor) => cursor.stringKey(decodeStringKey), codec);
    this.#values = valuesOf(this);
  }

  get [Symbol.toStringTag](): string {
    return 'StringMap';
  }

  /** The value of a key, or undefined. Throws MMCB_CODEC when it cannot be decoded. */
  get(key: string): V | undefined {
    if (typeof key !== 'string') throw badStringKey(key);
    const { store } = this.#values;
    const { native, handle, slab } = store;
    const size = native.stringGet(handle, key, slab.position);
    if (size < 0) {
      if (size === -NativeCode.NOT_FOUND) return undefined;
      throw store.failure(size);
    }
    if (slab.position + size <= SLAB_SIZE) return this.#values.fromSlab(size);
    const bytes = readLarge(
      slab,
      size,
      (position) => native.stringGet(handle, key, position),
      (target) => native.stringGetInto(handle, key, target, 0),
    );
    if (typeof bytes !== 'number') return this.#values.fromOwn(bytes);
    if (bytes === -NativeCode.NOT_FOUND) return undefined;
    throw store.failure(bytes);
  }

  /** Sets the value of a key. Throws MMCB_CODEC, or what writing to the buffer can; nothing has changed then. */
  set(key: string, value: V): this {
    if (typeof key !== 'string') throw badStringKey(key);
    const { store } = this.#values;
    store.assertOpen();
    const bytes = this.#values.encode(value);
    const result = store.native.stringSet(store.handle, key, bytes);
    if (result < 0) throw store.failure(result);
    store.changes++;
    return this;
  }

  /** Whether there is an entry. Does not read its value. */
  has(key: string): boolean {
    if (typeof key !== 'string') throw badStringKey(key);
    const { store } = this.#values;
    store.assertOpen();
    return store.native.stringHas(store.handle, key);
  }

  /** Removes a key; false if it was not there. */
  delete(key: string): boolean {
    if (typeof key !== 'string') throw badStringKey(key);
    const { store } = this.#values;
    const result = store.native.stringDelete(store.handle, key);
    if (result < 0) throw store.failure(result);
    if (result === 0) return false;
    store.changes++;
    return true;
  }

  /** The address of a key's entry in {@link buffer}, or undefined. It stays until the key is deleted. */
  address(key: string): Address | undefined {
    if (typeof key !== 'string') throw badStringKey(key);
    const { store } = this.#values;
    const result = store.native.stringAddress(store.handle, key);
    if (result >= 0) return result;
    if (result === -NativeCode.NOT_FOUND) return undefined;
    throw store.failure(result);
  }

  /** The values of many keys, in their order, undefined where there is none. Several times faster than single gets. */
  getMany(keys: Iterable<string>): (V | undefined)[] {
    const wanted = checkedKeys(keys);
    const { store } = this.#values;
    store.assertOpen();
    if (wanted.length < FEW) return wanted.map((key) => this.get(key));
    const { native, handle } = store;
    return this.#values.readPages(
      wanted.length,
      (from, sizes) => native.stringGetMany(handle, wanted, from, sizes),
      (index) => this.get(wanted[index] as string),
    );
  }

  /** Sets many keys, all or none, also under process death and power cuts. Of equal keys the last counts. */
  setMany(entries: Iterable<readonly [string, V]>): void {
    const { store } = this.#values;
    store.assertOpen();
    const { keys, values, sizes } = this.#values.pack(entries, checkKey);
    if (keys.length === 0) return;
    const result = store.native.stringSetMany(store.handle, keys, values, sizes);
    if (result < 0) throw store.failure(result);
    store.changes++;
  }
}

/**
 * A persistent `Map` from strings, to be subclassed: `encode` and `decode` say how a value is stored. Keys are all strings
 * of up to 65,535 bytes as UTF-8; a longer one is MMCB_TOO_LARGE.
 *
 * @example
 * class FooMap extends AbstractStringMap<Foo> {
 *   protected encode(foo: Foo) { return Buffer.from(foo.name); }
 *   protected decode(bytes: Buffer) { return { name: bytes.toString() }; }
 * }
 * const foos = await FooMap.open('foos.mmcb');
 */
export abstract class AbstractStringMap<V> extends StringKeyedMap<V> {
  /** Opens a file as this kind of map; see {@link CompactableBuffer.open}. */
  static async open<M extends StringKeyedMap<unknown>>(
    this: MapClass<M>,
    path: string,
    options?: BufferOptions,
  ): Promise<M> {
    return built(await CompactableBuffer.open(path, options), (buffer) => new this(buffer));
  }

  /** The same, blocking this thread; see {@link CompactableBuffer.openSync}. */
  static openSync<M extends StringKeyedMap<unknown>>(this: MapClass<M>, path: string, options?: BufferOptions): M {
    return built(CompactableBuffer.openSync(path, options), (buffer) => new this(buffer));
  }

  /** A map over the string keys of an open buffer. */
  constructor(buffer: CompactableBuffer) {
    super(buffer, (map) => {
      const self = map as AbstractStringMap<V>;
      return { encode: (value) => self.encode(value), decode: (bytes) => self.decode(bytes as Buffer) };
    });
  }

  /** Makes the bytes to store of a value. They are copied at once. */
  protected abstract encode(value: V): Uint8Array;

  /** Makes a value of stored bytes: a Buffer that is never changed afterwards, so that the value may refer to it. */
  protected abstract decode(bytes: Buffer): V;
}

/** A persistent `Map` from strings, with a codec for its values. Keys are as in {@link AbstractStringMap}. */
export class StringMap<V = unknown> extends StringKeyedMap<V> {
  /** Opens a file as a string map; see {@link CompactableBuffer.open}. */
  static async open<V = unknown>(path: string, options?: MapOptions<V>): Promise<StringMap<V>> {
    const [rest, codec] = splitOptions(options, 'StringMap.open');
    return new this(await CompactableBuffer.open(path, rest), codec);
  }

  /** The same, blocking this thread; see {@link CompactableBuffer.openSync}. */
  static openSync<V = unknown>(path: string, options?: MapOptions<V>): StringMap<V> {
    const [rest, codec] = splitOptions(options, 'StringMap.openSync');
    return new this(CompactableBuffer.openSync(path, rest), codec);
  }

  /** A map over the string keys of an open buffer. */
  constructor(buffer: CompactableBuffer, codec: Codec<V> = msgpack<V>()) {
    super(buffer, checkCodec(codec));
  }
}

function checkKey(key: unknown): void {
  if (typeof key !== 'string') throw badStringKey(key);
}

/** The keys as an array, each checked. Indexed, because a generator costs more than a read. */
function checkedKeys(keys: Iterable<string>): readonly string[] {
  const array = Array.isArray(keys) ? (keys as string[]) : [...keys];
  for (let i = 0; i < array.length; i++) checkKey(array[i]);
  return array;
}
