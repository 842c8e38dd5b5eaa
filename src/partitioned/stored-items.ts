/**
 * Items as the journal stores them (journal.ts): the bytes of its entries, made and read.
 *
 *     an item           a pack of items             the marks of a pack
 *     0  2  version: 1  0  2  version: 2            0  2  version: 3
 *     2  2  0           2  2  0                     2  2  0
 *     4  4  hash        4  4  items: 2 or more      4  4  0
 *     8  8  number      8  8  number of the first   8  8  address of the pack
 *    16  4  bytes of   16     each item:           16     a bit for each item, from the lowest of the
 *           details           4  hash                     first byte on: 1 if it is done
 *    20  4  bytes of          4  bytes of details
 *           the item          4  bytes of the item
 *    24     details           details
 *           the item          the item
 *
 * Numbers are little-endian; hash is the one by which an item is routed, number the order in which items were accepted, as
 * binary64. Details are MessagePack, of the kind of buffer; in a pack they are the key to sort by, and none where there is
 * none. The item is by its codec.
 */
import { codecError } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import type { Staging } from '../internal/staging.js';

export const Version = { ITEM: 1, PACK: 2, MARKS: 3 } as const;

const HEADER = 24;
const PACK_HEADER = 16;
const ITEM_HEADER = 12;
export const MARKS_HEADER = 16;

/** Bytes of a pack beyond which another one begins, so that the space of what is done is not kept for long. */
const FULL_PACK = 65_536;
/** Most items of one; see places.ts. */
export const MOST_ITEMS = 65_536;

/** An item as it is stored. */
export interface JournalEntry {
  hash: number;
  number: number;
  details: unknown;
  bytes: Uint8Array;
}

const details = msgpack<unknown>();
const none = new Uint8Array();

function detailsOf(value: unknown): Uint8Array {
  try {
    return details.encode(value);
  } catch (error) {
    throw codecError('encode', error);
  }
}

/** The details of an item of a queue that is not sorted: so most are. */
const unsorted = Uint8Array.from(details.encode([undefined]));

/** The bytes of an item by itself; in memory of their own, unless there is some for writing them at once. */
export function storedItem({ hash, number, details: said, bytes: item }: JournalEntry, staging?: Staging): Buffer {
  const isUnsorted = Array.isArray(said) && said.length === 1 && said[0] === undefined;
  const detailBytes = isUnsorted ? unsorted : detailsOf(said);
  const size = HEADER + detailBytes.length + item.length;
  staging?.reserve(size);
  const bytes = staging?.view(size) ?? Buffer.allocUnsafe(size);
  bytes.writeUInt32LE(Version.ITEM, 0);
  bytes.writeUInt32LE(hash, 4);
  bytes.writeDoubleLE(number, 8);
  bytes.writeUInt32LE(detailBytes.length, 16);
  bytes.writeUInt32LE(item.length, 20);
  bytes.set(detailBytes, HEADER);
  bytes.set(item, HEADER + detailBytes.length);
  return bytes;
}

/** The item in bytes of its own; undefined where they are none. */
export function readItem(bytes: Buffer): JournalEntry | undefined {
  if (bytes.length < HEADER || bytes.readUInt16LE(0) !== Version.ITEM) return undefined;
  const end = HEADER + bytes.readUInt32LE(16);
  if (end > bytes.length) return undefined;
  return {
    hash: bytes.readUInt32LE(4),
    number: bytes.readDoubleLE(8),
    details: details.decode(bytes.subarray(HEADER, end)),
    bytes: bytes.subarray(end),
  };
}

/** The items of a pack; undefined where the bytes are none. */
export function readPack(bytes: Buffer): JournalEntry[] | undefined {
  if (bytes.length < PACK_HEADER || bytes.readUInt16LE(0) !== Version.PACK) return undefined;
  const count = bytes.readUInt32LE(4);
  const first = bytes.readDoubleLE(8);
  const items: JournalEntry[] = [];
  for (let at = PACK_HEADER; at < bytes.length; ) {
    const start = at + ITEM_HEADER;
    if (start > bytes.length) return undefined;
    const middle = start + bytes.readUInt32LE(at + 4);
    const end = middle + bytes.readUInt32LE(at + 8);
    if (end > bytes.length) return undefined;
    items.push({
      hash: bytes.readUInt32LE(at),
      number: first + items.length,
      details: [middle === start ? undefined : details.decode(bytes.subarray(start, middle))],
      bytes: bytes.subarray(middle, end),
    });
    at = end;
  }
  return items.length === count ? items : undefined;
}

/**
 * Makes packs in a memory that is used again: their bytes are for writing at once. `begin`, `put` for each item, `finish`. No
 * object is made for an item.
 */
export class PackWriter {
  #staging = Buffer.allocUnsafeSlow(FULL_PACK);
  #end = 0;
  /** Where packs begin, and how many items each has. */
  readonly #starts: number[] = [];
  readonly counts: number[] = [];
  /** Between `begin` and `finish`: what the program is asked meanwhile must not begin another. */
  isBusy = false;

  begin(): void {
    this.isBusy = true;
    this.#end = 0;
    this.#starts.length = 0;
    this.counts.length = 0;
  }

  put(hash: number, sort: unknown, item: Uint8Array): void {
    const detailBytes = sort === undefined ? none : detailsOf(sort);
    const pack = this.counts.length - 1;
    const isFull =
      pack < 0 || this.#end - (this.#starts[pack] as number) >= FULL_PACK || this.counts[pack] === MOST_ITEMS;
    this.#reserve(PACK_HEADER + ITEM_HEADER + detailBytes.length + item.length);
    if (isFull) {
      this.#starts.push(this.#end);
      this.counts.push(1);
      this.#end += PACK_HEADER;
    } else (this.counts[pack] as number) += 1;
    const target = this.#staging;
    const at = this.#end;
    target.writeUInt32LE(hash, at);
    target.writeUInt32LE(detailBytes.length, at + 4);
    target.writeUInt32LE(item.length, at + 8);
    if (detailBytes.length > 0) target.set(detailBytes, at + ITEM_HEADER);
    target.set(item, at + ITEM_HEADER + detailBytes.length);
    this.#end = at + ITEM_HEADER + detailBytes.length + item.length;
  }

  /** The bytes of the packs, whose items are numbered from `number` on. */
  finish(number: number): Buffer[] {
    let next = number;
    return this.#starts.map((start, i) => {
      const count = this.counts[i] as number;
      const bytes = this.#staging.subarray(start, this.#starts[i + 1] ?? this.#end);
      bytes.writeUInt32LE(Version.PACK, 0);
      bytes.writeUInt32LE(count, 4);
      bytes.writeDoubleLE(next, 8);
      next += count;
      return bytes;
    });
  }

  /** Whoever has begun is done, or has failed. */
  end(): void {
    this.isBusy = false;
    if (this.#staging.length > 16 * FULL_PACK) this.#staging = Buffer.allocUnsafeSlow(FULL_PACK);
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#staging.length) return;
    const larger = Buffer.allocUnsafeSlow(needed * 2);
    this.#staging.copy(larger, 0, 0, this.#end);
    this.#staging = larger;
  }
}
