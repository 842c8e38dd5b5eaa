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
 *       48     8   deadline of the lease
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
import { isLatin1, putText, readText, textOf } from '../internal/text.js';
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
  deadline: number;
  updates: number;
  attempts: number;
  idStored: number;
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

/** Makes the bytes of records, in a memory that is used again: they are for writing at once. */
export class RecordWriter {
  #staging = Buffer.allocUnsafeSlow(4096);

  /** The bytes of a record. `id` and `held` may be undefined. */
  write(head: RecordHead, key: string, id: string | undefined, value: Uint8Array, held?: Held): Buffer {
    const keyText = textOf(key);
    const idText = id === undefined ? undefined : textOf(id);
    const idBytes = idText?.bytes ?? 0;
    const heldBytes = held === undefined ? 0 : HELD_HEADER + held.value.length;
    const size = HEADER + keyText.bytes + idBytes + value.length + heldBytes;
    if (size > this.#staging.length) this.#staging = Buffer.allocUnsafeSlow(size * 2);
    const target = this.#staging;
    writeHead(target, head);
    target[1] =
      (keyText.utf16 ? Flag.KEY_UTF16 : 0) |
      (idText?.utf16 ? Flag.ID_UTF16 : 0) |
      (idText === undefined ? 0 : Flag.ID) |
      (held === undefined ? 0 : Flag.HELD) |
      (head.byIteration ? Flag.ITERATION : 0);
    target.writeUInt16LE(VERSION, 2);
    target.writeUInt32LE(keyText.bytes, 4);
    target.writeUInt32LE(value.length, 72);
    target.writeUInt32LE(idBytes, 76);
    let at = putText(target, keyText, HEADER);
    if (idText !== undefined) at = putText(target, idText, at);
    target.set(value, at);
    at += value.length;
    if (held !== undefined) {
      target.writeDoubleLE(held.due, at);
      target.writeDoubleLE(held.first, at + 8);
      target.writeDoubleLE(held.stored, at + 16);
      target.writeUInt32LE(held.updates, at + 24);
      target.writeUInt32LE(held.value.length, at + 28);
      target.set(held.value, at + HELD_HEADER);
    }
    return target.subarray(0, size);
  }
}

/** A record that was read. */
export class StoredRecord implements RecordHead {
  readonly bytes: Buffer;
  state: number;
  due: number;
  first: number;
  stored: number;
  touched: number;
  order: number;
  deadline: number;
  updates: number;
  attempts: number;
  idStored: number;
  byIteration: boolean;

  readonly #flags: number;
  readonly #keyBytes: number;
  readonly #idBytes: number;
  readonly #valueBytes: number;

  /** Where in `bytes` the record begins and ends. */
  readonly #start: number;
  readonly #end: number;

  /** A record in bytes [start, end). Throws MMCB_CORRUPT where they are none. */
  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    if (end - start < HEADER || bytes.readUInt16LE(start + 2) !== VERSION) throw notARecord();
    this.bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.state = bytes[start] as number;
    this.#flags = bytes[start + 1] as number;
    this.#keyBytes = bytes.readUInt32LE(start + 4);
    this.due = bytes.readDoubleLE(start + 8);
    this.first = bytes.readDoubleLE(start + 16);
    this.stored = bytes.readDoubleLE(start + 24);
    this.touched = bytes.readDoubleLE(start + 32);
    this.order = bytes.readDoubleLE(start + 40);
    this.deadline = bytes.readDoubleLE(start + 48);
    this.idStored = bytes.readDoubleLE(start + 56);
    this.updates = bytes.readUInt32LE(start + 64);
    this.attempts = bytes.readUInt32LE(start + 68);
    this.#valueBytes = bytes.readUInt32LE(start + 72);
    this.#idBytes = bytes.readUInt32LE(start + 76);
    this.byIteration = (this.#flags & Flag.ITERATION) !== 0;
    if (this.state < State.WAITING || this.state > State.REMEMBERED || this.#heldStart > end) {
      throw notARecord();
    }
    if (this.hasHeld && this.#heldStart + HELD_HEADER > end) throw notARecord();
  }

  get key(): string {
    return readText(this.bytes, this.#start + HEADER, this.#keyBytes, (this.#flags & Flag.KEY_UTF16) !== 0);
  }

  get id(): string | undefined {
    if ((this.#flags & Flag.ID) === 0) return undefined;
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
    return this.valueStart + this.#valueBytes;
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

  get #heldStart(): number {
    return this.valueEnd;
  }

  /** The same record with the numbers that it has now, for writing: changes `bytes`, and returns its part of them. */
  rewritten(): Buffer {
    const own = this.bytes.subarray(this.#start, this.#end);
    writeHead(own, this);
    own[1] = (this.#flags & ~Flag.ITERATION) | (this.byIteration ? Flag.ITERATION : 0);
    return own;
  }

  /** Moves all times by as much: for a clock that was set back. */
  shift(by: number): void {
    this.due += by;
    this.first += by;
    this.stored += by;
    this.touched += by;
    this.deadline += by;
    this.idStored += by;
    if (!this.hasHeld) return;
    for (let at = this.#heldStart, end = at + 24; at < end; at += 8) {
      this.bytes.writeDoubleLE(this.bytes.readDoubleLE(at) + by, at);
    }
  }
}

function writeHead(target: Buffer, head: RecordHead): void {
  target[0] = head.state;
  target.writeDoubleLE(head.due, 8);
  target.writeDoubleLE(head.first, 16);
  target.writeDoubleLE(head.stored, 24);
  target.writeDoubleLE(head.touched, 32);
  target.writeDoubleLE(head.order, 40);
  target.writeDoubleLE(head.deadline, 48);
  target.writeDoubleLE(head.idStored, 56);
  target.writeUInt32LE(head.updates, 64);
  target.writeUInt32LE(head.attempts, 68);
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
