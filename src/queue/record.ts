/**
 * Records: the stored form of a key's state, one plain entry for each key. Every change of a key is one call that writes or
 * removes one entry, so that no crash can come between two halves of it.
 *
 *     offset  size
 *        0     1   state: 1 waiting, 2 leased, 3 remembered (State in queue-index.ts)
 *        1     1   flags: 1 key is UTF-16, 2 id is UTF-16, 4 there is an id, 8 there is a held update, 16 leased by iteration
 *        2     2   version of this layout: 1
 *        4     4   bytes of the key
 *        8     8   due: when it becomes available
 *       16     8   first: when the key was first stored
 *       24     8   stored: when it was last stored
 *       32     8   touched: when this record was written; the other times are relative to it if the clock has been set back
 *       40     8   order among equal due times
 *       48     8   deadline of the lease; leased by iteration: the ticket of the holder (native.ts)
 *       56     8   when the id was stored
 *       64     4   updates: stores that were coalesced into the first
 *       68     4   attempts: how often it was handed out
 *       72     4   bytes of the value
 *       76     4   bytes of the id
 *       80         key, id, value, and, if there is a held update:
 *        0     8   due, first, stored: 8 bytes each
 *       24     4   updates
 *       28     4   bytes of its value, which follows
 *
 * All numbers are little-endian, times are milliseconds since 1970 as binary64. Key and id are Latin-1 where that can hold
 * them, else UTF-16, so that every string is a key of its own.
 */
import { describe, MmcbError } from '../errors.js';
import { Staging } from '../internal/staging.js';
import { isLatin1, putText, readText } from '../internal/text.js';
import { State } from './queue-index.js';

export const HEADER = 80;
const HELD_HEADER = 32;
const VERSION = 1;

const Flag = { KEY_UTF16: 1, ID_UTF16: 2, ID: 4, HELD: 8, ITERATION: 16 } as const;

/** Most bytes of a stored key or id: 65,535 characters of Latin-1, 32,767 UTF-16 units. */
export const MAX_TEXT = 65_535;

/** What a record says, but for its bytes. */
export interface RecordHead {
  state: number;
  due: number;
  first: number;
  stored: number;
  touched: number;
  order: number;
  /** When the lease ends; where it is held by iteration, the ticket of the holder. */
  deadline: number;
  updates: number;
  attempts: number;
  idStored: number;
  /** Leased until it is settled, or its holder is gone. */
  byIteration: boolean;
}

/** An update of a key in flight. */
export interface Held {
  due: number;
  first: number;
  stored: number;
  updates: number;
  value: Uint8Array;
}

/**
 * The words of bytes. Records begin at multiples of 8 where they are made and, but for pages of a cursor, where they are read:
 * a whole word then costs a tenth of what it costs byte by byte. Like the addon, this is for little-endian machines only.
 */
class Words {
  readonly bytes: Uint8Array;
  readonly doubles: Float64Array;
  readonly integers: Uint32Array;

  /** Precondition: `bytes` begins at a multiple of 8 of its memory. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.doubles = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 3);
    this.integers = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  }
}

let lastWords = new Words(new Uint8Array());

/** Those of the bytes last asked for are kept: it is the slab, most of the time. undefined where `at` is not at a word. */
function wordsOf(bytes: Uint8Array, at: number): Words | undefined {
  if (at % 8 !== 0) return undefined;
  if (lastWords.bytes !== bytes) {
    if (bytes.byteOffset % 8 !== 0) return undefined;
    lastWords = new Words(bytes);
  }
  return lastWords;
}

/** The words of a copy of a record's head. */
function headWords(bytes: Uint8Array, start: number): Words {
  return new Words(Uint8Array.prototype.slice.call(bytes, start, start + HEADER));
}

/** Makes the bytes of records, in a memory that is used again: they are for writing at once. */
export class RecordWriter {
  readonly #staging: Staging;
  #words: Words;

  /** `size`: bytes at the beginning, a multiple of 8. */
  constructor(size: number) {
    this.#staging = new Staging(size);
    this.#words = new Words(this.#staging.bytes);
  }

  /** The memory; `write` may make another one of it. */
  get bytes(): Buffer {
    return this.#staging.bytes;
  }

  /** The bytes of a record. `id` and `held` may be undefined. */
  write(head: RecordHead, key: string, id: string | undefined, value: Uint8Array, held?: Held): Buffer {
    if (this.#staging.reserve(mostBytes(key, id, value, held))) this.#words = new Words(this.#staging.bytes);
    return this.view(this.put(0, head, key, id, value, held));
  }

  /** The first `size` bytes. */
  view(size: number): Buffer {
    return this.#staging.view(size);
  }

  /** Whether there is room for a record that begins at `start`. */
  fits(start: number, key: string, id: string | undefined, value: Uint8Array): boolean {
    return start + mostBytes(key, id, value, undefined) <= this.#staging.bytes.length;
  }

  /** Puts a record into the memory, and returns where it ends. Precondition: `start` is a multiple of 8, and it `fits`. */
  put(start: number, head: RecordHead, key: string, id: string | undefined, value: Uint8Array, held?: Held): number {
    const target = this.#staging.bytes;
    const keyStart = start + HEADER;
    const idStart = putText(target, key, keyStart);
    const keyBytes = idStart - keyStart;
    let at = id === undefined ? idStart : putText(target, id, idStart);
    const idBytes = at - idStart;
    writeHead(this.#words, start / 8, head);
    const flags =
      (keyBytes === key.length ? 0 : Flag.KEY_UTF16) |
      (id === undefined || idBytes === id.length ? 0 : Flag.ID_UTF16) |
      (id === undefined ? 0 : Flag.ID) |
      (held === undefined ? 0 : Flag.HELD) |
      (head.byIteration ? Flag.ITERATION : 0);
    const { integers } = this.#words;
    const first = start / 4;
    integers[first] = head.state | (flags << 8) | (VERSION << 16);
    integers[first + 1] = keyBytes;
    integers[first + 18] = value.length;
    integers[first + 19] = idBytes;
    target.set(value, at);
    at += value.length;
    if (held === undefined) return at;
    target.writeDoubleLE(held.due, at);
    target.writeDoubleLE(held.first, at + 8);
    target.writeDoubleLE(held.stored, at + 16);
    target.writeUInt32LE(held.updates, at + 24);
    target.writeUInt32LE(held.value.length, at + 28);
    target.set(held.value, at + HELD_HEADER);
    return at + HELD_HEADER + held.value.length;
  }
}

/** Bytes that a record takes at most. */
function mostBytes(key: string, id: string | undefined, value: Uint8Array, held: Held | undefined): number {
  const heldBytes = held === undefined ? 0 : HELD_HEADER + held.value.length;
  return HEADER + 2 * (key.length + (id?.length ?? 0)) + value.length + heldBytes;
}

const NO_BYTES = Buffer.alloc(0);

/**
 * A record that was read. An object can be pointed at one record after the other: making one for each costs more than reading
 * it. Numbers begin as numbers, so that later ones are stored in place.
 */
export class StoredRecord implements RecordHead {
  bytes: Buffer = NO_BYTES;
  state = 0;
  due = 0;
  first = 0;
  stored = 0;
  touched = 0;
  order = 0;
  deadline = 0;
  updates = 0;
  attempts = 0;
  idStored = 0;
  byIteration = false;

  #flags = 0;
  #keyBytes = 0;
  #idBytes = 0;
  #valueBytes = 0;
  #heldStart = 0;

  /** Where in `bytes` the record begins and ends. */
  #start = 0;
  #end = 0;

  /** Makes this the record in bytes [start, end). Throws MMCB_CORRUPT where they are none. */
  point(bytes: Buffer, start = 0, end = bytes.length): this {
    if (end - start < HEADER) throw notARecord();
    const words = wordsOf(bytes, start);
    const { doubles, integers } = words ?? headWords(bytes, start);
    const at = words === undefined ? 0 : start / 8;
    const first = integers[at * 2] as number;
    if (first >>> 16 !== VERSION) throw notARecord();
    this.bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.state = first & 0xff;
    this.#flags = (first >>> 8) & 0xff;
    this.#keyBytes = integers[at * 2 + 1] as number;
    this.due = doubles[at + 1] as number;
    this.first = doubles[at + 2] as number;
    this.stored = doubles[at + 3] as number;
    this.touched = doubles[at + 4] as number;
    this.order = doubles[at + 5] as number;
    this.deadline = doubles[at + 6] as number;
    this.idStored = doubles[at + 7] as number;
    this.updates = integers[at * 2 + 16] as number;
    this.attempts = integers[at * 2 + 17] as number;
    this.#valueBytes = integers[at * 2 + 18] as number;
    this.#idBytes = integers[at * 2 + 19] as number;
    this.byIteration = (this.#flags & Flag.ITERATION) !== 0;
    this.#heldStart = start + HEADER + this.#keyBytes + this.#idBytes + this.#valueBytes;
    if (this.state < State.WAITING || this.state > State.REMEMBERED || this.#heldStart > end) {
      throw notARecord();
    }
    if (this.hasHeld && this.#heldStart + HELD_HEADER > end) throw notARecord();
    return this;
  }

  /** Bytes of all of it. */
  get size(): number {
    return this.#end - this.#start;
  }

  get key(): string {
    return readText(this.bytes, this.#start + HEADER, this.#keyBytes, (this.#flags & Flag.KEY_UTF16) !== 0);
  }

  get hasId(): boolean {
    return (this.#flags & Flag.ID) !== 0;
  }

  get id(): string | undefined {
    if (!this.hasId) return undefined;
    return readText(
      this.bytes,
      this.#start + HEADER + this.#keyBytes,
      this.#idBytes,
      (this.#flags & Flag.ID_UTF16) !== 0,
    );
  }

  /** The value's bytes lie from here on. */
  get valueStart(): number {
    return this.#start + HEADER + this.#keyBytes + this.#idBytes;
  }

  get valueEnd(): number {
    return this.#heldStart;
  }

  get value(): Buffer {
    return this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  get hasHeld(): boolean {
    return (this.#flags & Flag.HELD) !== 0;
  }

  get held(): Held | undefined {
    if (!this.hasHeld) return undefined;
    const at = this.#heldStart;
    const { bytes } = this;
    const start = at + HELD_HEADER;
    return {
      due: bytes.readDoubleLE(at),
      first: bytes.readDoubleLE(at + 8),
      stored: bytes.readDoubleLE(at + 16),
      updates: bytes.readUInt32LE(at + 24),
      value: bytes.subarray(start, start + bytes.readUInt32LE(at + 28)),
    };
  }

  /** The same record with the numbers that it has now, for writing: changes `bytes`, and returns its part of them. */
  rewritten(): Buffer {
    const own = this.bytes.subarray(this.#start, this.#end);
    const flags = (this.#flags & ~Flag.ITERATION) | (this.byIteration ? Flag.ITERATION : 0);
    const inPlace = wordsOf(this.bytes, this.#start);
    const words = inPlace ?? headWords(own, 0);
    const at = inPlace === undefined ? 0 : this.#start / 8;
    writeHead(words, at, this);
    words.integers[at * 2] = this.state | (flags << 8) | (VERSION << 16);
    if (inPlace === undefined) own.set(words.bytes);
    return own;
  }

  /** Moves all times by as much: for a clock that was set back. */
  shift(by: number): void {
    this.due += by;
    this.first += by;
    this.stored += by;
    this.touched += by;
    if (!this.byIteration) this.deadline += by;
    this.idStored += by;
    if (!this.hasHeld) return;
    for (let at = this.#heldStart, end = at + 24; at < end; at += 8) {
      this.bytes.writeDoubleLE(this.bytes.readDoubleLE(at) + by, at);
    }
  }
}

/** The numbers of a record, but for those of its first and last words. `at` is where it begins, in 8 bytes. */
function writeHead({ doubles, integers }: Words, at: number, head: RecordHead): void {
  doubles[at + 1] = head.due;
  doubles[at + 2] = head.first;
  doubles[at + 3] = head.stored;
  doubles[at + 4] = head.touched;
  doubles[at + 5] = head.order;
  doubles[at + 6] = head.deadline;
  doubles[at + 7] = head.idStored;
  integers[at * 2 + 16] = head.updates;
  integers[at * 2 + 17] = head.attempts;
}

/** Whether bytes are a record of this key; reads no more than the key. */
export function isOfKey(bytes: Buffer, start: number, key: string): boolean {
  const size = bytes.readUInt32LE(start + 4);
  const from = start + HEADER;
  if (((bytes[start + 1] as number) & Flag.KEY_UTF16) === 0) {
    if (size !== key.length) return false;
    for (let i = 0; i < size; i++) if (bytes[from + i] !== key.charCodeAt(i)) return false;
    return true;
  }
  return size === key.length * 2 && bytes.toString('utf16le', from, from + size) === key;
}

/** Checks a key or unique id: a TypeError or MMCB_TOO_LARGE that names it. */
export function checkText(value: string, name: string): void {
  if (value.length * 2 <= MAX_TEXT || (value.length <= MAX_TEXT && isLatin1(value))) return;
  throw new MmcbError('MMCB_TOO_LARGE', describe('MMCB_TOO_LARGE', name));
}

function notARecord(): MmcbError {
  return new MmcbError(
    'MMCB_CORRUPT',
    'an entry of the queue is no record of it; verify() the file, or restore a backup',
  );
}
