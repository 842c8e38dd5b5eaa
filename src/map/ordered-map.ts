/** OrderedMap: a string map that keeps its keys in order. */
import { CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { EntryIterator } from '../buffer/entry-cursor.js';
import type { Codec } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import type { Store } from '../internal/lifecycle.js';
import { type KeyBounds, type KeyRange, type NativeRange, readBounds, readRange } from './key-range.js';
import { built, checkCodec, type MapOptions, splitOptions, valuesOf } from './keyed-map.js';
import { OrderedCursor } from './ordered-cursor.js';
import { StringKeyedMap } from './string-map.js';
import type { Values } from './values.js';

/**
 * A persistent `Map` from strings, in the order of its keys: by code points, which for all but characters beyond U+FFFF is
 * how JavaScript compares strings. Keys are as in {@link StringMap}, and so is what it stores: a file may be opened as either.
 *
 * The order is kept in memory (about 25 bytes for each key) and built when the file is opened: about a second for a million
 * keys. Reading single keys costs what it does in a StringMap; adding and deleting one costs a search more.
 *
 * @example
 * const events = await OrderedMap.open<Event>('events.mmcb');
 * events.set('2026-11-22T10:15:00Z', { type: 'login' });
 * for (const [time, event] of events.range({ gte: '2026-11-22', lt: '2026-11-23', limit: 100 })) console.log(time, event);
 */
export class OrderedMap<V = unknown> extends StringKeyedMap<V> {
  readonly #store: Store;
  readonly #values: Values<V>;

  /** Opens a file as an ordered map; see {@link CompactableBuffer.open}. */
  static async open<V = unknown>(path: string, options?: MapOptions<V>): Promise<OrderedMap<V>> {
    const [rest, codec] = splitOptions(options, 'OrderedMap.open');
    const buffer = await CompactableBuffer.open(path, { ...rest, ordered: true });
    return built(buffer, () => new this(buffer, codec));
  }

  /** The same, blocking this thread; see {@link CompactableBuffer.openSync}. */
  static openSync<V = unknown>(path: string, options?: MapOptions<V>): OrderedMap<V> {
    const [rest, codec] = splitOptions(options, 'OrderedMap.openSync');
    const buffer = CompactableBuffer.openSync(path, { ...rest, ordered: true });
    return built(buffer, () => new this(buffer, codec));
  }

  /**
   * An ordered map over the string keys of an open buffer. If that was not opened with `ordered`, this builds the order, in
   * this thread.
   */
  constructor(buffer: CompactableBuffer, codec: Codec<V> = msgpack<V>()) {
    super(buffer, checkCodec(codec));
    this.#store = storeOf(buffer);
    this.#values = valuesOf(this);
    const result = this.#store.native.orderKeys(this.#store.handle);
    if (result < 0) throw this.#store.failure(result);
  }

  override get [Symbol.toStringTag](): string {
    return 'OrderedMap';
  }

  // ---- In order ----

  /**
   * The keys of a range, or all of them, in order, as for all iterators of this map. While one is used, entries may be added,
   * changed and removed: it goes on behind the key that it gave last, with what is there by then. Nothing is copied ahead of
   * time but a page of at most 1024 entries.
   */
  override keys(range?: KeyRange): IterableIterator<string> {
    const cursor = new OrderedCursor(this.#store, readRange(range, 'keys'), false);
    return new EntryIterator<string, OrderedCursor>([cursor], (at) => at.key);
  }

  /** The values of a range, or all of them, in the order of their keys. */
  override values(range?: KeyRange): IterableIterator<V> {
    const values = this.#values;
    const cursor = new OrderedCursor(this.#store, readRange(range, 'values'), true);
    return new EntryIterator<V, OrderedCursor>([cursor], (at) => values.fromCursor(at));
  }

  /** The entries of a range, or all of them, in order. */
  override entries(range?: KeyRange): IterableIterator<[string, V]> {
    return this.#entries(range, 'entries');
  }

  /** The entries of a range, in order; the same as `entries(range)`. */
  range(range: KeyRange): IterableIterator<[string, V]> {
    return this.#entries(range, 'range');
  }

  /** The first entry, of the map or between bounds, or undefined. */
  first(bounds?: KeyBounds): [string, V] | undefined {
    return this.#one(readBounds(bounds, 'first', false));
  }

  /** The last entry, of the map or between bounds, or undefined. */
  last(bounds?: KeyBounds): [string, V] | undefined {
    return this.#one(readBounds(bounds, 'last', true));
  }

  /** Removes the entries of a range, all or none, also under process death and power cuts. Returns how many there were. */
  deleteRange(range: KeyRange): number {
    const { from, to, flags, limit } = readRange(range, 'deleteRange');
    const store = this.#store;
    const result = store.native.clearRange(store.handle, from, to, flags, limit);
    if (result < 0) throw store.failure(result);
    if (result > 0) store.changes++;
    return result;
  }

  #entries(range: KeyRange | undefined, owner: string): IterableIterator<[string, V]> {
    const values = this.#values;
    const cursor = new OrderedCursor(this.#store, readRange(range, owner), true);
    return new EntryIterator<[string, V], OrderedCursor>([cursor], (at) => [at.key, values.fromCursor(at)]);
  }

  #one(range: NativeRange): [string, V] | undefined {
    const cursor = new OrderedCursor(this.#store, range, true);
    return cursor.advance() ? [cursor.key, this.#values.fromCursor(cursor)] : undefined;
  }
}
