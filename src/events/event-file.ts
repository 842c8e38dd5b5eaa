/**
 * EventFile: the file of an event store, as keys and bytes. Knows where everything is, and nothing of what it means.
 *
 *     key                      value
 *     a version (int)          the record of that event
 *     'events:head'            era and latest version, each as binary64
 *     'snapshot:' + aggregate  see snapshots.ts
 *     'checkpoint:' + name     a version, as binary64
 *
 * Several threads write to a file. What they decide on may change before they have written it, so every write says what it
 * relies on, and fails if that is no longer so:
 * - an append *inserts* the versions after the last one that it knows: it fails if somebody else has appended;
 * - it also *requires* the head that it knows. Whoever removes events, or saves a snapshot, ends the era and begins the next
 *   with another head, in the same batch: it fails if that has happened. (A version that was removed could otherwise be given
 *   out again.) No two eras have the same head, and no other write changes it.
 */
import { type CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { EntryCursor } from '../buffer/entry-cursor.js';
import { claimKind } from '../buffer/file-kind.js';
import { KeyedBatch } from '../buffer/keyed-batch.js';
import { MmcbError } from '../errors.js';
import type { Store } from '../internal/lifecycle.js';
import { EntryKind, NativeCode } from '../internal/native.js';
import { readLarge, SLAB_SIZE } from '../internal/slab.js';
import { decodeStringKey } from '../map/keys.js';
import type { Version } from './event.js';
import { notARecord } from './record.js';
import type { RecordBatch } from './record-batch.js';

const KIND = 'EventStore 1';
const HEAD = 'events:head';
const SNAPSHOT = 'snapshot:';
const CHECKPOINT = 'checkpoint:';
const HEAD_BYTES = 16;

/** One change of a batch. Without bytes it removes. */
export interface Change {
  readonly key: Version | string;
  readonly bytes?: Uint8Array | undefined;
}

export class EventFile {
  readonly buffer: CompactableBuffer;
  readonly store: Store;
  readonly isReadOnly: boolean;
  /** The head as it was read last, or written. */
  #head: Buffer = head(0, 0);

  constructor(buffer: CompactableBuffer, isReadOnly: boolean) {
    this.buffer = buffer;
    this.store = storeOf(buffer);
    this.isReadOnly = isReadOnly;
  }

  /** Marks a new file as one of events, or checks that it is one. The latest version that the head knows of. */
  claim(): Version {
    claimKind(this.buffer, KIND);
    const { native, handle } = this.store;
    if (!native.stringHas(handle, HEAD)) {
      if (this.isReadOnly) return 0;
      // A new file, or one that was salvaged without its head. Of several threads one begins the first era.
      new KeyedBatch().insert(HEAD, head(1, 0)).commit(this.store);
    }
    return this.readHead();
  }

  // ---- Eras ----

  /** Whether the era that is known is still the file's. A file that is only read has no other. */
  isCurrent(): boolean {
    if (this.isReadOnly) return true;
    const { native, handle, slab } = this.store;
    if (slab.position + HEAD_BYTES > SLAB_SIZE) slab.renew();
    // Looked at where it was read to: nobody keeps it.
    const { bytes, position } = slab;
    if (native.stringGet(handle, HEAD, position) !== HEAD_BYTES) return false;
    for (let i = 0; i < HEAD_BYTES; i++) if (bytes[position + i] !== this.#head[i]) return false;
    return true;
  }

  /** Learns the era of the file; the latest version as its head knows it. */
  readHead(): Version {
    const bytes = this.readString(HEAD);
    if (bytes?.length !== HEAD_BYTES) throw notARecord();
    const [era, latest] = [bytes.readDoubleLE(0), bytes.readDoubleLE(8)];
    if (!Number.isSafeInteger(era) || !Number.isSafeInteger(latest) || latest < 0) throw notARecord();
    this.#head = Buffer.from(bytes);
    return latest;
  }

  // ---- Writing ----

  /**
   * Stores records as the versions from `first` on, all or none. False if another thread was faster, or began an era: nothing
   * has changed then.
   */
  append(first: Version, { bytes, sizes, count }: RecordBatch): boolean {
    const { native, handle } = this.store;
    return this.#answer(native.intInsertRun(handle, HEAD, this.#head, first, bytes, sizes, count));
  }

  /** Makes changes, and begins a new era, all or none; false as `append`. `latest`: the latest version there is. */
  change(latest: Version, changes: readonly Change[]): boolean {
    const next = head(this.#head.readDoubleLE(0) + 1, latest);
    const batch = new KeyedBatch().require(HEAD, this.#head).set(HEAD, next);
    for (const { key, bytes } of changes) {
      if (bytes === undefined) batch.delete(key);
      else batch.set(key, bytes);
    }
    if (!batch.commitIfCurrent(this.store)) return false;
    this.#head = next;
    return true;
  }

  #answer(code: number): boolean {
    if (code === -NativeCode.EXISTS || code === -NativeCode.NOT_FOUND) return false;
    if (code < 0) throw this.store.failure(code);
    return true;
  }

  // ---- Reading events ----

  has(version: Version): boolean {
    return this.store.native.intHas(this.store.handle, version);
  }

  /** The record of a version as bytes of the caller's own; undefined if there is none. Throws MMCB_CORRUPT for damage. */
  readOne(version: Version): Buffer | undefined {
    const { native, handle, slab } = this.store;
    return this.#value(
      native.intGet(handle, version, slab.position),
      (position) => native.intGet(handle, version, position),
      (target) => native.intGetInto(handle, version, target, 0),
    );
  }

  /**
   * The versions that there are, ascending; those of damaged events, too. What is stored meanwhile may be there or not, but
   * never lacks one before it. `known`: a version that had been given out before. O(versions).
   */
  versions(known: Version): Float64Array {
    const { native, handle } = this.store;
    const listed = new VersionList(native.count(handle, EntryKind.INT));
    let whole = known;
    for (const cursor = new EntryCursor(this.store, EntryKind.INT, false); ; ) {
      try {
        if (!cursor.advance()) break;
        listed.add(cursor.key);
      } catch (error) {
        if (!isDamage(error)) throw error;
        whole = 0; // the cursor is behind it, and has not said which version it is
      }
    }
    // The cursor goes by slots, and meets what another thread stores in front of it, but not behind it.
    const versions = listed.sorted();
    let before = Math.max(0, whole);
    for (const version of versions) {
      for (let missing = before + 1; missing < version; missing++) if (this.has(missing)) listed.add(missing);
      if (version > before) before = version;
    }
    return listed.sorted();
  }

  // ---- Reading and writing what has a name ----

  readString(key: string): Buffer | undefined {
    const { native, handle, slab } = this.store;
    return this.#value(
      native.stringGet(handle, key, slab.position),
      (position) => native.stringGet(handle, key, position),
      (target) => native.stringGetInto(handle, key, target, 0),
    );
  }

  set(key: string, bytes: Uint8Array): void {
    const { native, handle } = this.store;
    const code = native.stringSet(handle, key, bytes);
    if (code < 0) throw this.store.failure(code);
    this.store.changes++;
  }

  /** False if it was not there. */
  remove(key: string): boolean {
    const { native, handle } = this.store;
    const code = native.stringDelete(handle, key);
    if (code < 0) throw this.store.failure(code);
    this.store.changes++;
    return code > 0;
  }

  /** Everything that has a name: snapshots by aggregate, checkpoints by name. */
  *named(): Generator<{ kind: 'snapshot' | 'checkpoint'; name: string; bytes: Buffer }> {
    const cursor = new EntryCursor(this.store, EntryKind.STRING, true);
    while (cursor.advance()) {
      const key = cursor.stringKey(decodeStringKey);
      if (key.startsWith(SNAPSHOT)) {
        yield { kind: 'snapshot', name: key.slice(SNAPSHOT.length), bytes: cursor.take() };
      } else if (key.startsWith(CHECKPOINT)) {
        yield { kind: 'checkpoint', name: key.slice(CHECKPOINT.length), bytes: cursor.take() };
      }
    }
  }

  #value(
    size: number,
    read: (position: number) => number,
    readInto: (target: Uint8Array) => number,
  ): Buffer | undefined {
    const { slab } = this.store;
    if (size >= 0 && slab.position + size <= SLAB_SIZE) return slab.take(size);
    const bytes = size < 0 ? size : readLarge(slab, size, read, readInto);
    if (typeof bytes !== 'number') return bytes;
    if (bytes === -NativeCode.NOT_FOUND) return undefined;
    throw this.store.failure(bytes);
  }
}

/** The keys under which a snapshot and a checkpoint lie. */
export const snapshotKey = (aggregateId: string): string => SNAPSHOT + aggregateId;
export const checkpointKey = (name: string): string => CHECKPOINT + name;

function head(era: number, latest: Version): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.writeDoubleLE(era, 0);
  bytes.writeDoubleLE(latest, 8);
  return bytes;
}

/** Whether an error is about the one entry that was read. */
export function isDamage(error: unknown): boolean {
  return error instanceof MmcbError && error.code === 'MMCB_CORRUPT';
}

/** Versions, in an array that grows. */
class VersionList {
  #versions: Float64Array;
  #count = 0;
  #isSorted = true;

  constructor(expected: number) {
    this.#versions = new Float64Array(expected + 16);
  }

  add(version: Version): void {
    if (this.#count === this.#versions.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#versions);
      this.#versions = larger;
    }
    if (this.#count > 0 && version < (this.#versions[this.#count - 1] as number)) this.#isSorted = false;
    this.#versions[this.#count++] = version;
  }

  /** Those that are there now, ascending; what is added later is not among them. */
  sorted(): Float64Array {
    const versions = this.#versions.subarray(0, this.#count);
    if (!this.#isSorted) versions.sort();
    this.#isSorted = true;
    return versions;
  }
}
