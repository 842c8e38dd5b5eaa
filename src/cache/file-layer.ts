/**
 * The file layer: entries as records (file-record.ts) under string keys, within bounds, in a file that survives the process.
 *
 * Nothing is read at opening but what the engine reads to find the keys. Which entry goes first is found as in memory, by a
 * second-chance clock, but one whose marks are shared by entries with the same hash and are forgotten at a restart: a hand
 * goes through the file, spares what is marked, and takes the first that is not. So the order is approximate.
 */
import { type CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { EntryCursor, readEntry } from '../buffer/entry-cursor.js';
import { KeyedBatch } from '../buffer/keyed-batch.js';
import { MmcbError } from '../errors.js';
import type { Store } from '../internal/lifecycle.js';
import { EntryKind, NativeCode } from '../internal/native.js';
import { readLarge, SLAB_SIZE } from '../internal/slab.js';
import { decodeStringKey } from '../map/keys.js';
import { endOf, type FileRecord, HEADER, packRecord, unpackRecord } from './file-record.js';
import type { Bounds } from './memory-layer.js';

/** What stands before a key. Other string keys in the file are not entries. */
const PREFIX = 'e';
/** Marks of the clock: a power of two. */
const MARKS = 2 ** 16;
/** Entries that the hand looks at in a row before it takes one that is marked. */
const MOST_SPARED = 256;
/** Damaged entries in a row over which a walk goes on. */
const MOST_FAILURES = 1000;
/** Part of the bounds that is freed when they are reached, so that not every write has to look for room. */
const SLACK = 1 / 128;

export interface FileEvents {
  /** An entry had to go, or was over. */
  evicted(key: string, record: FileRecord): void;
  /** Whether an entry was used in the layer above since this was last asked. */
  used(key: string): boolean;
  /** An entry could not be read, and was removed. */
  damaged(key: string, error: Error): void;
}

export class FileLayer {
  readonly buffer: CompactableBuffer;
  readonly store: Store;
  readonly #bounds: Bounds;
  readonly #events: FileEvents;
  readonly #marks = new Uint8Array(MARKS);
  #hand: EntryCursor | undefined;
  /** At least the bytes of all entries, as far as this thread knows. */
  #bytes: number;

  constructor(buffer: CompactableBuffer, bounds: Bounds, events: FileEvents) {
    this.buffer = buffer;
    this.store = storeOf(buffer);
    this.#bounds = bounds;
    this.#events = events;
    this.#bytes = this.#dataSize();
  }

  /** Entries, those included that are over and have not been swept away. */
  get size(): number {
    const { native, handle } = this.store;
    return Math.max(0, native.count(handle, EntryKind.STRING) - this.ownEntries);
  }

  /** String keys in the file that are no entries; set by who puts them there. */
  ownEntries = 1;

  /** Bytes of all entries with their headers. */
  get bytes(): number {
    return this.#dataSize();
  }

  fits(bytes: number): boolean {
    return bytes + HEADER <= this.#bounds.maxBytes && this.#bounds.maxEntries > 0;
  }

  has(key: string): boolean {
    return this.store.native.stringHas(this.store.handle, PREFIX + key);
  }

  /** The record of a key. One that is damaged is removed and told. */
  read(key: string): FileRecord | undefined {
    const { native, handle, slab } = this.store;
    const name = PREFIX + key;
    const size = native.stringGet(handle, name, slab.position);
    const packed =
      size >= 0 && slab.position + size <= SLAB_SIZE
        ? slab.take(size)
        : readLarge(
            slab,
            size,
            (position) => native.stringGet(handle, name, position),
            (target) => native.stringGetInto(handle, name, target, 0),
          );
    if (typeof packed !== 'number') {
      const record = unpackRecord(packed);
      if (record !== undefined) return record;
      return this.#discard(key, unknownLayout());
    }
    if (packed === -NativeCode.NOT_FOUND) return undefined;
    const error = this.store.failure(packed);
    if (packed === -NativeCode.CORRUPT) return this.#discard(key, error);
    throw error;
  }

  /** Marks a key as used, for the hand. */
  mark(key: string): void {
    const address = this.store.native.stringAddress(this.store.handle, PREFIX + key);
    if (address >= 0) this.#marks[markOf(address)] = 1;
  }

  /** Stores a record that fits, and makes room for it. Throws what writing can throw; nothing has changed then. */
  write(key: string, record: FileRecord, now: number): void {
    const { native, handle } = this.store;
    const packed = packRecord(record);
    const result = native.stringSet(handle, PREFIX + key, packed);
    if (result < 0) throw this.store.failure(result);
    this.store.changes++;
    this.#bytes += packed.length;
    this.#makeRoom(key, now);
  }

  /** Stores a record that fits where there is none; false if there is. Of several threads one succeeds. */
  insert(key: string, record: FileRecord): boolean {
    return new KeyedBatch().insert(PREFIX + key, packRecord(record)).commit(this.store);
  }

  /** Whether there was one. Throws what removing can throw. */
  remove(key: string): boolean {
    const { native, handle } = this.store;
    const result = native.stringDelete(handle, PREFIX + key);
    if (result < 0) throw this.store.failure(result);
    if (result > 0) this.store.changes++;
    return result > 0;
  }

  /** Looks at all entries, a few at a time: `visit` gets those that are over at `now`. */
  sweep(now: number, over: (key: string, record: FileRecord) => void): Sweep {
    const cursor = new EntryCursor(this.store, EntryKind.STRING, true);
    let earliest = Number.POSITIVE_INFINITY;
    const step = (until: number): boolean => {
      // A look at the clock for each page's worth of entries, not for each entry.
      for (let count = 1; count % 64 !== 0 || performance.now() < until; count++) {
        if (!this.#advance(cursor)) return true;
        const name = cursor.stringKey(decodeStringKey);
        if (!name.startsWith(PREFIX)) continue;
        const end = endOf(cursor.bytes.subarray(cursor.start, cursor.start + cursor.size));
        if (end > now) {
          earliest = Math.min(earliest, end);
          continue;
        }
        const key = name.slice(PREFIX.length);
        const packed = cursor.take();
        const record = unpackRecord(packed);
        // Unless another thread has replaced it meanwhile.
        if (record === undefined) this.#discard(key, unknownLayout());
        else if (new KeyedBatch().require(name, packed).delete(name).commitIfCurrent(this.store)) over(key, record);
      }
      return false;
    };
    return { step, earliest: () => earliest };
  }

  #makeRoom(spared: string, now: number): void {
    const { maxEntries, maxBytes } = this.#bounds;
    if (this.#bytes > maxBytes) this.#bytes = this.#dataSize();
    if (this.#bytes <= maxBytes && this.size <= maxEntries) return;
    const entries = Math.ceil(maxEntries * (1 - SLACK));
    const bytes = Math.ceil(maxBytes * (1 - SLACK));
    for (let rounds = 0; rounds < 2; ) {
      const victim = this.#nextVictim(spared, now);
      if (victim === undefined) rounds += 1;
      else {
        this.#bytes -= victim;
        if (this.#bytes <= bytes && this.size <= entries) return;
      }
    }
  }

  /** Takes the next entry that was not used; its bytes, or undefined when the hand has come to the end of the file. */
  #nextVictim(spared: string, now: number): number | undefined {
    this.#hand ??= new EntryCursor(this.store, EntryKind.STRING, true);
    const hand = this.#hand;
    for (let passed = 0; this.#advance(hand); ) {
      const name = hand.stringKey(decodeStringKey);
      if (!name.startsWith(PREFIX) || (name.length === spared.length + 1 && name.endsWith(spared))) continue;
      const packed = hand.take();
      const key = name.slice(PREFIX.length);
      if (endOf(packed) > now && passed < MOST_SPARED && this.#wasUsed(key, hand.address)) {
        passed += 1;
        continue;
      }
      if (!this.remove(key)) continue;
      const record = unpackRecord(packed);
      if (record !== undefined) this.#events.evicted(key, record);
      return packed.length;
    }
    this.#hand = undefined;
    return undefined;
  }

  #wasUsed(key: string, address: number): boolean {
    const mark = markOf(address);
    const marked = this.#marks[mark] === 1;
    this.#marks[mark] = 0;
    return this.#events.used(key) || marked;
  }

  /** Moves on, over entries that cannot be read: who asks for one of those is told, and removes it. */
  #advance(cursor: EntryCursor): boolean {
    for (let failures = 0; ; failures++) {
      try {
        return cursor.advance();
      } catch (error) {
        if (!(error instanceof MmcbError && error.code === 'MMCB_CORRUPT') || failures === MOST_FAILURES) throw error;
      }
    }
  }

  #discard(key: string, error: Error): undefined {
    this.remove(key);
    this.#events.damaged(key, error);
  }

  #dataSize(): number {
    return this.buffer.stats().dataSize;
  }

  // ---- Plain and own entries, for the outbox and for what threads leave for each other ----

  /** All plain entries. */
  plain(): { address: number; bytes: Buffer }[] {
    const found: { address: number; bytes: Buffer }[] = [];
    const cursor = new EntryCursor(this.store, EntryKind.PLAIN, true);
    while (cursor.advance()) found.push({ address: cursor.address, bytes: Buffer.from(cursor.take()) });
    return found;
  }

  /** An own entry, by its whole name. */
  own(name: string): string | undefined {
    const { native, handle } = this.store;
    const address = native.stringAddress(handle, name);
    if (address === -NativeCode.NOT_FOUND) return undefined;
    const bytes = address < 0 ? address : readEntry(this.store, address);
    if (typeof bytes !== 'number') return bytes.toString('latin1');
    if (bytes === -NativeCode.NOT_FOUND) return undefined;
    throw this.store.failure(bytes);
  }

  hasOwn(name: string): boolean {
    return this.store.native.stringHas(this.store.handle, name);
  }

  /** Sets an own entry that is not there yet; false if it is. Of several threads one succeeds. */
  insertOwn(name: string, text: string): boolean {
    return new KeyedBatch().insert(name, ownBytes(text)).commit(this.store);
  }

  /** Removes an own entry, if it still has this text. */
  removeOwn(name: string, text: string): void {
    new KeyedBatch().require(name, ownBytes(text)).delete(name).commitIfCurrent(this.store);
  }
}

const unknownLayout = (): Error => new Error('the entry has a layout that this version does not know');

/** The bytes of an own entry: those that were found, whatever they were. */
export const ownBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** A walk through the file. */
export interface Sweep {
  /** Goes on until `performance.now()` is `until`; true at the end. */
  step(until: number): boolean;
  /** When the first of the entries that were left is over. */
  earliest(): number;
}

/** Slots are given out in order, so their low bits spread well. */
function markOf(address: number): number {
  return address % MARKS;
}
