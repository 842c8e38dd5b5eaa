/**
 * Journal: what a partitioned buffer keeps in its file: one plain entry for each item that was accepted and not settled.
 *
 *     offset  size
 *        0     2   version of this layout: 1
 *        2     2   0
 *        4     4   hash by which the item is routed
 *        8     8   number: the order in which items were accepted, as binary64
 *       16     4   bytes of the details
 *       20     4   bytes of the item
 *       24         details: MessagePack, of the kind of buffer; the item, by its codec
 *
 * Invariants: an item is in the file before `push` returns, and until its processor has resolved ('at-least-once') or is
 * about to be called ('at-most-once'). Several items that come or go together do so in one call, all or none.
 */
import { CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { EntryCursor } from '../buffer/entry-cursor.js';
import { claimKind } from '../buffer/file-kind.js';
import type { BufferOptions } from '../buffer/options.js';
import { claimForThread, release } from '../buffer/thread-claim.js';
import { codecError } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import { describe, MmcbError } from '../errors.js';
import type { Store } from '../internal/lifecycle.js';
import { EntryKind } from '../internal/native.js';
import { checkPath } from '../internal/options.js';

const HEADER = 24;
const VERSION = 1;
const ADD = 0;
const REMOVE = 2;

/** An item as it is stored. */
export interface JournalEntry {
  hash: number;
  number: number;
  details: unknown;
  bytes: Uint8Array;
}

/** One that was found, with its address. */
export interface FoundEntry extends JournalEntry {
  address: number;
}

const details = msgpack<unknown>();

export class Journal {
  readonly buffer: CompactableBuffer;
  readonly #store: Store;
  readonly #ticket: number;

  private constructor(buffer: CompactableBuffer, ticket: number) {
    this.buffer = buffer;
    this.#ticket = ticket;
    this.#store = storeOf(buffer);
  }

  /** Opens a file of `kind`. Rejects with MMCB_LOCKED where a thread of this process has it open, and as opening a buffer does. */
  static async open(path: string, kind: string, options: BufferOptions | undefined, owner: string): Promise<Journal> {
    checkPath(path, owner);
    const buffer = await CompactableBuffer.open(path, options);
    try {
      claimKind(buffer, kind);
      return new Journal(buffer, claimForThread(buffer));
    } catch (error) {
      await buffer.close();
      throw error;
    }
  }

  /** Everything in the file, in the order in which it was accepted. */
  load(): FoundEntry[] {
    const found: FoundEntry[] = [];
    const cursor = new EntryCursor(this.#store, EntryKind.PLAIN, true);
    while (cursor.advance()) {
      const stored = cursor.take();
      const detailBytes = stored.length < HEADER ? 0 : stored.readUInt32LE(16);
      const end = HEADER + detailBytes;
      if (stored.length < HEADER || stored.readUInt16LE(0) !== VERSION || end > stored.length) {
        throw new MmcbError('MMCB_CORRUPT', describe('MMCB_CORRUPT', this.buffer.path));
      }
      found.push({
        address: cursor.address,
        hash: stored.readUInt32LE(4),
        number: stored.readDoubleLE(8),
        details: details.decode(stored.subarray(HEADER, end)),
        bytes: stored.subarray(end),
      });
    }
    return found.sort((a, b) => a.number - b.number);
  }

  /** Stores items, all or none; their addresses. */
  add(entries: readonly JournalEntry[]): number[] {
    if (entries.length === 1) return [this.buffer.add(stored(entries[0] as JournalEntry))];
    const addresses = new Float64Array(entries.length);
    const types = new Uint8Array(entries.length).fill(ADD);
    this.#batch(types, addresses, entries.map(stored));
    return Array.from(addresses);
  }

  /** Replaces what is stored at an address. */
  update(address: number, entry: JournalEntry): void {
    this.buffer.update(address, stored(entry));
  }

  /** Removes items, all or none. */
  remove(addresses: readonly number[]): void {
    if (addresses.length === 0) return;
    if (addresses.length === 1) this.buffer.remove(addresses[0] as number);
    else {
      const types = new Uint8Array(addresses.length).fill(REMOVE);
      this.#batch(types, new Float64Array(addresses), new Array(addresses.length).fill(undefined));
    }
  }

  #batch(types: Uint8Array, addresses: Float64Array, data: (Uint8Array | undefined)[]): void {
    const store = this.#store;
    const result = store.native.batch(store.handle, types, addresses, data);
    if (result < 0) throw store.failure(result, 'batch');
    store.changes++;
  }

  async close(): Promise<void> {
    if (this.#store.status === 'open') release(this.buffer, this.#ticket);
    await this.buffer.close();
  }
}

function stored(entry: JournalEntry): Buffer {
  let detailBytes: Uint8Array;
  try {
    detailBytes = details.encode(entry.details);
  } catch (error) {
    throw codecError('encode', error);
  }
  const bytes = Buffer.allocUnsafe(HEADER + detailBytes.length + entry.bytes.length);
  bytes.writeUInt16LE(VERSION, 0);
  bytes.writeUInt16LE(0, 2);
  bytes.writeUInt32LE(entry.hash, 4);
  bytes.writeDoubleLE(entry.number, 8);
  bytes.writeUInt32LE(detailBytes.length, 16);
  bytes.writeUInt32LE(entry.bytes.length, 20);
  bytes.set(detailBytes, HEADER);
  bytes.set(entry.bytes, HEADER + detailBytes.length);
  return bytes;
}
