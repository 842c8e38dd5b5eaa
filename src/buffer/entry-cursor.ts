/**
 * EntryCursor walks the live entries of a kind, a page at a time. Pages lie in the slab and are never refilled, so an
 * iterator may be kept, interleaved with anything, and dropped at any time: it holds nothing to be released.
 *
 * A page is a copy. When this thread has changed anything since it was filled, each entry is looked up again before it is
 * given out, so that removed entries do not appear and values are current, as in a Map.
 */
import type { Store } from '../internal/lifecycle.js';
import { EntryKind, NativeCode } from '../internal/native.js';
import { copyOf, LARGE, readLarge, SLAB_SIZE } from '../internal/slab.js';

/** Entries of the first page, for those who look at few, and of the others. */
const FIRST_PAGE = 32;
const OTHER_PAGES = 1024;
/** Numbers per entry: address, key or key size, data size. The next cursor stands before them all. */
const FIELDS = 3;

/** What walks entries, and has the data of one. */
export interface Cursor {
  /** The current entry's data: bytes [start, start + size) of `bytes`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly size: number;
  /** Moves to the next entry; false at the end. */
  advance(): boolean;
  /** Ends the iteration. */
  end(): void;
  /** The current entry's data as a Buffer of the caller's own. */
  take(): Buffer;
}

export class EntryCursor implements Cursor {
  /** The current entry's address. */
  address = 0;
  /** Its key (INT). */
  key = 0;
  /** Its data, when the cursor reads values: bytes [start, start + size) of `bytes`. */
  bytes: Buffer;
  start = 0;
  size = 0;

  readonly #store: Store;
  readonly #kind: EntryKind;
  readonly #values: boolean;
  #page = new Float64Array(1 + FIRST_PAGE * FIELDS);
  #next = 0;
  #count = 0;
  #index = 0;
  #changes = 0;
  #ended = false;
  /** The slab that the page lies in, and where in it the next entry is. */
  #pageBytes: Buffer;
  #offset = 0;
  #keyStart = 0;
  #keySize = 0;

  /** `values`: also read string keys and data; without, only addresses and int keys are there. */
  constructor(store: Store, kind: EntryKind, values: boolean) {
    store.assertOpen();
    this.#store = store;
    this.#kind = kind;
    this.#values = values;
    this.bytes = store.slab.bytes;
    this.#pageBytes = this.bytes;
  }

  /** Moves to the next entry; false at the end. Throws MMCB_CLOSED when the store has been closed meanwhile. */
  advance(): boolean {
    for (;;) {
      if (this.#index === this.#count && !this.#fill()) return false;
      if (this.#step()) return true;
    }
  }

  /** Ends the iteration. */
  end(): void {
    this.#ended = true;
    this.#index = this.#count;
  }

  /** The current entry's data as a Buffer of the caller's own. */
  take(): Buffer {
    if (this.bytes !== this.#pageBytes) return this.bytes;
    if (this.size > LARGE) return copyOf(this.bytes, this.start, this.size);
    return Buffer.from(this.bytes.buffer as ArrayBuffer, this.start, this.size);
  }

  /** The current entry's key (STRING) by a decoder of the stored form. */
  stringKey(decode: (bytes: Buffer, start: number, end: number) => string): string {
    return decode(this.#pageBytes, this.#keyStart, this.#keyStart + this.#keySize);
  }

  #fill(): boolean {
    if (this.#ended) return false;
    if (this.#next !== 0 && this.#page.length < 1 + OTHER_PAGES * FIELDS) {
      this.#page = new Float64Array(1 + OTHER_PAGES * FIELDS);
    }
    const store = this.#store;
    const { slab } = store;
    let count = this.#fetch();
    if (count === -NativeCode.TOO_LARGE && slab.position > 0) {
      slab.renew(); // a key may be almost as long as a slab
      count = this.#fetch();
    }
    const behind = this.#page[0] as number;
    if (count < 0) {
      if (behind > this.#next) this.#next = behind; // whoever goes on regardless gets what is behind the damage
      throw store.failure(count);
    }
    if (count === 0) {
      this.#ended = true;
      return false;
    }
    this.#next = behind;
    this.#count = count;
    this.#index = 0;
    this.#changes = store.changes;
    this.#pageBytes = slab.bytes;
    this.#offset = slab.position;
    if (this.#values) slab.advance(this.#pageSize());
    return true;
  }

  #fetch(): number {
    const { native, handle, slab } = this.#store;
    if (!this.#values) return native.next(handle, this.#kind, this.#next, false, this.#page);
    slab.openWindow();
    const count = native.next(handle, this.#kind, this.#next, true, this.#page);
    slab.closeWindow();
    return count;
  }

  /** Bytes of the slab that the page takes. */
  #pageSize(): number {
    const page = this.#page;
    let total = 0;
    for (let i = 1; i <= this.#count * FIELDS; i += FIELDS) {
      if (this.#kind === EntryKind.STRING) total += page[i + 1] as number;
      total += Math.max(0, page[i + 2] as number);
    }
    return total;
  }

  /** Takes the next entry of the page; false if it is gone. */
  #step(): boolean {
    const store = this.#store;
    const at = 1 + this.#index * FIELDS;
    this.#index += 1;
    this.address = this.#page[at] as number;
    this.key = this.#page[at + 1] as number;
    const size = this.#page[at + 2] as number;
    if (this.#values) {
      this.#keyStart = this.#offset;
      this.#keySize = this.#kind === EntryKind.STRING ? this.key : 0;
      this.bytes = this.#pageBytes;
      this.start = this.#keyStart + this.#keySize;
      this.size = size;
      this.#offset = this.start + Math.max(0, size); // a negative size: too large for a page
    }
    if (store.changes === this.#changes && store.handle >= 0 && size >= 0) return true;
    store.assertOpen();
    return this.#values ? this.#readAgain() : store.native.has(store.handle, this.address);
  }

  #readAgain(): boolean {
    const value = readEntry(this.#store, this.address);
    if (typeof value === 'number') {
      if (value === -NativeCode.NOT_FOUND) return false;
      throw this.#store.failure(value);
    }
    this.bytes = value;
    this.start = 0;
    this.size = value.length;
    return true;
  }
}

/** The data of an entry as a Buffer of the caller's own, or a negative code. */
export function readEntry(store: Store, address: number): Buffer | number {
  const { native, slab } = store;
  const size = native.read(store.handle, address, slab.position);
  if (size < 0) return size;
  if (slab.position + size <= SLAB_SIZE) return slab.take(size);
  return readLarge(
    slab,
    size,
    (position) => native.read(store.handle, address, position),
    (target) => native.readInto(store.handle, address, target, 0),
  );
}

/** The prototype of built-in iterators: Symbol.iterator, and the helpers (map, filter, ...) where Node has them. */
const iteratorPrototype: object = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

/** An iterator over what `pick` makes of each entry of some cursors, one after the other. */
export class EntryIterator<T, C extends Cursor = EntryCursor> implements IterableIterator<T> {
  readonly #cursors: readonly C[];
  readonly #pick: (cursor: C) => T;
  #current = 0;

  constructor(cursors: readonly C[], pick: (cursor: C) => T) {
    this.#cursors = cursors;
    this.#pick = pick;
  }

  next(): IteratorResult<T, undefined> {
    for (; this.#current < this.#cursors.length; this.#current++) {
      const cursor = this.#cursors[this.#current] as C;
      if (cursor.advance()) return { done: false, value: this.#pick(cursor) };
    }
    return { done: true, value: undefined };
  }

  /** Ends the iteration, as `break` does. */
  return(): IteratorResult<T, undefined> {
    for (const cursor of this.#cursors) cursor.end();
    this.#current = this.#cursors.length;
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}
Object.setPrototypeOf(EntryIterator.prototype, iteratorPrototype);
