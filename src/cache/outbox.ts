/**
 * The outbox: writes that the remote layer has not taken yet, the last one of each key, in the order in which they were made.
 * With a file they are kept there, as plain entries, and survive the process:
 *
 *     offset  size
 *        0     1   version of this layout: 1
 *        1     1   flags: 1 the encoded value was a string, 2 a removal (no value)
 *        2     2   0
 *        4     4   bytes of the key
 *        8     8   fresh until: ms since 1970, Infinity for ever; binary64, as all below
 *       16     8   to be served stale until
 *       24     8   time of the stamp
 *       32     8   origin of the stamp: 8 characters
 *       40         the key as UTF-16, the encoded value
 */
import { readEntry } from '../buffer/entry-cursor.js';
import { MmcbError } from '../errors.js';
import type { FileLayer } from './file-layer.js';
import { isNewer, type Stamp } from './stamp.js';
import type { Encoded } from './values.js';

const HEADER = 40;
const VERSION = 1;
const TEXT = 1;
const REMOVAL = 2;

/** A write that waits. */
export interface PendingWrite {
  readonly key: string;
  readonly stamp: Stamp;
  readonly expires: number;
  readonly staleUntil: number;
  /** undefined: a removal. */
  readonly encoded: Encoded | undefined;
}

interface Waiting {
  readonly write: PendingWrite;
  /** Of its plain entry, or -1. */
  readonly address: number;
}

export class Outbox {
  readonly #file: FileLayer | undefined;
  readonly #limit: number;
  /** A write of a key that waits already goes to the end: the order is that of the last writes. */
  readonly #waiting = new Map<string, Waiting>();

  /** Takes over what is in the file. */
  constructor(file: FileLayer | undefined, limit: number) {
    this.#file = file;
    this.#limit = limit;
    const found: Waiting[] = [];
    for (const { address, bytes } of file?.plain() ?? []) {
      const write = unpack(bytes);
      if (write !== undefined) found.push({ write, address });
    }
    found.sort((a, b) => (isNewer(a.write.stamp, b.write.stamp) ? 1 : -1));
    for (const waiting of found) {
      this.#discard(this.#waiting.get(waiting.write.key));
      this.#set(waiting);
    }
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Whether there is room for a write of this key. */
  hasRoom(key: string): boolean {
    return this.#waiting.size < this.#limit || this.#waiting.has(key);
  }

  get(key: string): PendingWrite | undefined {
    return this.#waiting.get(key)?.write;
  }

  /** All that wait, oldest first. */
  all(): PendingWrite[] {
    return [...this.#waiting.values()].map(({ write }) => write);
  }

  /** Adds a write. Throws what writing to the file can throw; nothing has changed then. */
  add(write: PendingWrite): void {
    const buffer = this.#file?.buffer;
    let address = this.#waiting.get(write.key)?.address ?? -1;
    if (buffer !== undefined) {
      const bytes = pack(write);
      // Another thread may have replayed the write before it, and taken it away.
      if (address < 0 || !unlessGone(() => buffer.update(address, bytes))) address = buffer.add(bytes);
    }
    this.#set({ write, address });
  }

  /** Takes a write away that has got there, unless a newer one of its key has come. */
  settle(key: string, stamp: Stamp): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined || isNewer(waiting.write.stamp, stamp)) return;
    this.#waiting.delete(key);
    this.#discard(waiting);
  }

  #set(waiting: Waiting): void {
    this.#waiting.delete(waiting.write.key);
    this.#waiting.set(waiting.write.key, waiting);
  }

  #discard(waiting: Waiting | undefined): void {
    if (waiting === undefined || waiting.address < 0) return;
    const { address, write } = waiting;
    const file = this.#file as FileLayer; // it has an address
    // Another thread may have replayed it, and taken it away, or have put a newer one of the key there.
    const bytes = readEntry(file.store, address);
    const present = typeof bytes === 'number' ? undefined : unpack(bytes);
    if (present !== undefined && isNewer(present.stamp, write.stamp)) return;
    unlessGone(() => file.buffer.remove(address));
  }
}

/** Changes an entry; false where it is not there any more. */
function unlessGone(change: () => void): boolean {
  try {
    change();
    return true;
  } catch (error) {
    if (error instanceof MmcbError && error.code === 'MMCB_NOT_FOUND') return false;
    throw error;
  }
}

function pack({ key, stamp, expires, staleUntil, encoded }: PendingWrite): Buffer {
  const name = Buffer.from(key, 'utf16le'); // exact for every string
  const value = encoded?.bytes ?? Buffer.alloc(0);
  const bytes = Buffer.alloc(HEADER + name.length + value.length);
  bytes[0] = VERSION;
  bytes[1] = (encoded?.text ? TEXT : 0) | (encoded === undefined ? REMOVAL : 0);
  bytes.writeUInt32LE(name.length, 4);
  bytes.writeDoubleLE(expires, 8);
  bytes.writeDoubleLE(staleUntil, 16);
  bytes.writeDoubleLE(stamp.time, 24);
  bytes.write(stamp.origin, 32, 8, 'latin1');
  bytes.set(name, HEADER);
  bytes.set(value, HEADER + name.length);
  return bytes;
}

function unpack(bytes: Buffer): PendingWrite | undefined {
  if (bytes.length < HEADER || bytes[0] !== VERSION) return undefined;
  const end = HEADER + bytes.readUInt32LE(4);
  if (end > bytes.length) return undefined;
  const flags = bytes[1] as number;
  return {
    key: bytes.toString('utf16le', HEADER, end),
    stamp: { time: bytes.readDoubleLE(24), origin: bytes.toString('latin1', 32, 40) },
    expires: bytes.readDoubleLE(8),
    staleUntil: bytes.readDoubleLE(16),
    encoded: (flags & REMOVAL) === 0 ? { bytes: bytes.subarray(end), text: (flags & TEXT) !== 0 } : undefined,
  };
}
