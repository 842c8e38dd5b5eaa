/**
 * OrderedCursor walks the entries of a range of string keys in order, a page at a time. What it remembers between pages is a
 * key, not a position, so that it goes on right whatever is added and removed meanwhile. Like an EntryCursor it holds
 * nothing to be released.
 *
 * A page is a copy. When this thread has changed anything since it was filled, the rest of it is dropped and read again,
 * unless it is of a snapshot.
 */
import { type Cursor, readEntry } from '../buffer/entry-cursor.js';
import type { Store } from '../internal/lifecycle.js';
import { NativeCode, RangeFlag } from '../internal/native.js';
import { copyOf, LARGE, readLarge, SLAB_SIZE } from '../internal/slab.js';
import type { NativeRange } from './key-range.js';
import { decodeStringKey } from './keys.js';

/** Entries of a page: of the first, for those who look at few; of one after a change, as the next change may come at once; at most. */
const FIRST_PAGE = 32;
const PAGE_AFTER_CHANGE = 4;
const LARGEST_PAGE = 1024;
/** Numbers per entry: address, key size, data size. Whether the range ends stands before them all. */
const FIELDS = 3;

export class OrderedCursor implements Cursor {
  bytes: Buffer;
  start = 0;
  size = 0;

  readonly #store: Store;
  readonly #snapshot: number;
  readonly #values: boolean;
  #from: string | undefined;
  readonly #to: string | undefined;
  #flags: number;
  #left: number;
  #page = new Float64Array(1 + FIRST_PAGE * FIELDS);
  #pageLimit = FIRST_PAGE;
  #count = 0;
  #index = 0;
  #changes = 0;
  /** Nothing came behind the page when it was filled. */
  #isLast = false;
  #ended = false;
  /** The slab that the page lies in, and where in it the next entry is. */
  #pageBytes: Buffer;
  #offset = 0;
  /** The current entry's key, in `#pageBytes`; a size below 0: not yet an entry. */
  #keyStart = 0;
  #keySize = -1;
  #keyIsAscii = false;

  /** `values`: also read data. `snapshot` 0: what is there now. */
  constructor(store: Store, range: NativeRange, values: boolean, snapshot = 0) {
    store.assertOpen();
    this.#store = store;
    this.#snapshot = snapshot;
    this.#values = values;
    this.#from = range.from;
    this.#to = range.to;
    this.#flags = range.flags | (values ? RangeFlag.VALUES : 0);
    this.#left = range.limit;
    this.bytes = store.slab.bytes;
    this.#pageBytes = this.bytes;
  }

  /** Moves to the next entry; false at the end. Throws MMCB_CLOSED when the store has been closed meanwhile. */
  advance(): boolean {
    for (;;) {
      if (this.#left === 0) this.end();
      const isOld = this.#store.changes !== this.#changes && this.#snapshot === 0;
      if ((this.#index === this.#count || isOld) && !this.#fill(isOld)) return false;
      if (!this.#step()) continue;
      this.#left--;
      return true;
    }
  }

  end(): void {
    this.#ended = true;
    this.#index = this.#count;
  }

  /** Says how many entries are likely to be wanted in all, so that the first page need not be larger. */
  expect(entries: number): void {
    this.#pageLimit = Math.max(1, Math.min(this.#pageLimit, entries));
  }

  /** Goes on from a key, there or not, in the same direction and up to the same end. */
  seek(key: string): void {
    this.#from = key;
    this.#flags |= RangeFlag.FROM_INCLUSIVE;
    this.#keySize = -1;
    this.#index = 0;
    this.#count = 0;
    this.#isLast = false;
    this.#ended = false;
    this.#pageLimit = FIRST_PAGE;
  }

  take(): Buffer {
    if (this.bytes !== this.#pageBytes) return this.bytes;
    if (this.size > LARGE) return copyOf(this.bytes, this.start, this.size);
    return Buffer.from(this.bytes.buffer as ArrayBuffer, this.start, this.size);
  }

  /** The current entry's key. */
  get key(): string {
    const end = this.#keyStart + this.#keySize;
    if (this.#keyIsAscii) return this.#pageBytes.toString('latin1', this.#keyStart, end);
    return decodeStringKey(this.#pageBytes, this.#keyStart, end);
  }

  /** Whether the current entry's key is all ASCII. */
  get isAscii(): boolean {
    return this.#keyIsAscii;
  }

  /** The stored form of the key, as a Buffer of the caller's own, where it is all ASCII; else undefined. */
  get asciiKey(): Buffer | undefined {
    if (!this.#keyIsAscii) return undefined;
    if (this.#keySize > LARGE) return copyOf(this.#pageBytes, this.#keyStart, this.#keySize);
    return Buffer.from(this.#pageBytes.buffer as ArrayBuffer, this.#keyStart, this.#keySize);
  }

  #fill(isOld: boolean): boolean {
    if (this.#isLast && !isOld) this.#ended = true;
    if (this.#ended) return false;
    if (this.#keySize >= 0) {
      this.#from = this.key;
      this.#flags &= ~RangeFlag.FROM_INCLUSIVE;
      this.#keySize = -1;
      this.#pageLimit = isOld ? PAGE_AFTER_CHANGE : Math.min(this.#pageLimit * 2, LARGEST_PAGE);
      if (this.#page.length < 1 + this.#pageLimit * FIELDS) this.#page = new Float64Array(1 + LARGEST_PAGE * FIELDS);
    }
    const store = this.#store;
    const { slab } = store;
    let count = this.#fetch();
    if (count === -NativeCode.TOO_LARGE && slab.position > 0) {
      slab.renew(); // a key may be almost as long as a slab
      count = this.#fetch();
    }
    if (count < 0) throw store.failure(count);
    this.#index = 0;
    this.#count = count;
    this.#changes = store.changes;
    this.#pageBytes = slab.bytes;
    this.#offset = slab.position;
    this.#isLast = count === 0 || this.#page[0] === 1;
    this.#ended = count === 0;
    slab.advance(this.#pageSize());
    return count > 0;
  }

  #fetch(): number {
    const { native, handle, slab } = this.#store;
    slab.openWindow();
    const limit = Math.min(this.#pageLimit, this.#left);
    const count = native.range(handle, this.#snapshot, this.#from, this.#to, this.#flags, limit, this.#page);
    slab.closeWindow();
    return count;
  }

  /** Bytes of the slab that the page takes. */
  #pageSize(): number {
    const page = this.#page;
    let total = 0;
    for (let i = 1; i <= this.#count * FIELDS; i += FIELDS) {
      total += sizeOf(page[i + 1] as number);
      if (this.#values) total += Math.max(0, page[i + 2] as number);
    }
    return total;
  }

  /** Takes the next entry of the page; false if it is gone. */
  #step(): boolean {
    this.#store.assertOpen();
    const at = 1 + this.#index * FIELDS;
    this.#index += 1;
    const keySize = this.#page[at + 1] as number;
    const size = this.#page[at + 2] as number;
    this.#keyIsAscii = keySize >= 0;
    this.#keyStart = this.#offset;
    this.#keySize = sizeOf(keySize);
    this.#offset += this.#keySize;
    if (!this.#values) return true;
    this.bytes = this.#pageBytes;
    this.start = this.#offset;
    this.size = size;
    this.#offset += Math.max(0, size);
    return size >= 0 || this.#readLarge(this.#page[at] as number);
  }

  /** Reads data that was too large for a page. */
  #readLarge(address: number): boolean {
    const data =
      this.#snapshot === 0 ? readEntry(this.#store, address) : readOrdered(this.#store, this.#snapshot, this.key);
    if (typeof data === 'number') {
      if (data === -NativeCode.NOT_FOUND) return false;
      throw this.#store.failure(data);
    }
    this.bytes = data;
    this.start = 0;
    this.size = data.length;
    return true;
  }
}

function sizeOf(field: number): number {
  return field < 0 ? -field - 1 : field;
}

/** The data of a key in a snapshot as a Buffer of the caller's own, or a negative code. */
export function readOrdered(store: Store, snapshot: number, key: string): Buffer | number {
  const { native, slab } = store;
  const size = native.orderedGet(store.handle, snapshot, key, slab.position);
  if (size < 0) return size;
  if (slab.position + size <= SLAB_SIZE) return slab.take(size);
  return readLarge(
    slab,
    size,
    (position) => native.orderedGet(store.handle, snapshot, key, position),
    (target) => native.orderedGetInto(store.handle, snapshot, key, target, 0),
  );
}
