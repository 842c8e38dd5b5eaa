/**
 * The border between TypeScript and the addon: what `mmcb.node` exports. The addon converts and decides nothing; all
 * policy lives on this side.
 *
 * Conventions
 * - A store is named by a small integer handle. One handle belongs to the thread (environment) that opened it; handles of
 *   the same file in several workers share one engine.
 * - Hot calls return a number: zero or more on success, `-code` (see {@link NativeCode}) on failure. They never throw and
 *   never allocate a JavaScript object. `lastError(handle)` turns the latest failure of a handle into an error object.
 * - Cold synchronous calls throw the error made by the factory given to `initialize`.
 * - Long calls take a callback, run off the JavaScript thread, and return an operation number for `cancel`.
 * - Bytes go in as the caller's Uint8Array (copied before the call returns) and come out through the slab: a buffer that
 *   JavaScript owns and native code fills (`setSlab`).
 */

/** Failure codes as the core numbers them (`native/core/status.h`), returned negated by hot calls. */
export const NativeCode = {
  NOT_FOUND: 1,
  CLOSED: 2,
  LOCKED: 3,
  READ_ONLY: 4,
  NOT_MMCB: 5,
  VERSION: 6,
  CORRUPT: 7,
  NO_SPACE: 8,
  FULL: 9,
  TOO_LARGE: 10,
  IO: 11,
  FAILED: 12,
  ABORTED: 13,
  INVALID_ARGUMENT: 14,
  NO_MEMORY: 15,
  EXISTS: 16,
} as const;

/** Kinds of entries, as iteration and counting select them. */
export const EntryKind = { PLAIN: 0, INT: 1, STRING: 2, ALL: 255 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** What `keyedBatch` does with a key. */
export const KeyedChange = { SET: 0, INSERT: 1, DELETE: 2, REQUIRE: 3, DISCARD: 4 } as const;

/** What `range` and `clearRange` are to do, added up. */
export const RangeFlag = {
  /** From the end to the beginning: `from` is then the upper bound. */
  REVERSE: 1,
  /** The bound itself belongs to the range. */
  FROM_INCLUSIVE: 2,
  TO_INCLUSIVE: 4,
  /** `range` puts data into the slab, too. */
  VALUES: 8,
} as const;

/** Makes the error that a cold call throws or hands to its callback. `errno` is 0 and `syscall` '' where none applies. */
export type ErrorFactory = (code: number, message: string, errno: number) => Error;

export interface NativeOpenOptions {
  initialSize: number;
  /** Segment size in bytes, a power of two from 16 KiB to 2 MiB; only used when the file is created. 0: the default. */
  segmentSize: number;
  extensionFactor: number;
  /** 0: disabled, 1: space, 2: time. */
  compactionPolicy: 0 | 1 | 2;
  deletionThreshold: number;
  requiredFreeSpace: number;
  /** Milliseconds between checks (space) or runs (time). */
  compactionInterval: number;
  /** 0: process, 1: interval. */
  durability: 0 | 1;
  syncInterval: number;
  /** 0: no limit. */
  maxSize: number;
  /** Save the tables at closing, if they are large, and take them at opening. */
  savedTables: boolean;
  readOnly: boolean;
  /** 0: strict, 1: salvage. */
  recovery: 0 | 1;
  /** Calls `orderKeys` before the open is done, on its thread. */
  ordered: boolean;
}

export interface NativeRecovery {
  /** 0 created, 1 clean, 2 replayed, 3 rolled back, 4 salvaged. */
  status: 0 | 1 | 2 | 3 | 4;
  entries: number;
  /** Live entries that the durable state counted and that could not be found whole. */
  lost: number;
  /** Damaged places set aside. */
  quarantined: number;
  /** Entries newer than the durable epoch that were discarded. */
  discarded: number;
  durableEpoch: number;
  milliseconds: number;
  /** The first damaged places, at most 1000. */
  damage: NativeDamage[];
  marker: NativeDamageMarker | null;
}

export interface NativeDamage {
  /** 0 superblock, 1 segment header, 2 segment mark, 3 entry header, 4 entry data, 5 entry mark. */
  kind: 0 | 1 | 2 | 3 | 4 | 5;
  offset: number;
  /** 0: not known. */
  length: number;
  /** -1: not known. */
  address: number;
  /** -1: not known; else an {@link EntryKind}. */
  entryKind: number;
  key: number | string | undefined;
}

/** What the file remembers of damage; times in milliseconds since 1970. */
export interface NativeDamageMarker {
  first: number;
  last: number;
  places: number;
  lost: number;
}

export interface NativeStats {
  count: number;
  intCount: number;
  stringCount: number;
  removedCount: number;
  dataSize: number;
  entrySize: number;
  liveBytes: number;
  slackBytes: number;
  garbageBytes: number;
  freeBytes: number;
  fileSize: number;
  segmentSize: number;
  segments: number;
  adds: number;
  updates: number;
  removes: number;
  updatesInPlace: number;
  relocations: number;
  compactions: number;
  compactedEntries: number;
  syncs: number;
  failedSyncs: number;
  openEpoch: number;
  durableEpoch: number;
  tableMemory: number;
  damaged: boolean;
  readers: number;
}

export interface NativeCompaction {
  movedEntries: number;
  movedBytes: number;
  freedSegments: number;
  sizeBefore: number;
  sizeAfter: number;
  milliseconds: number;
}

export interface NativeVerify {
  entries: number;
  bytes: number;
  errorCount: number;
  /** The first, at most 1000. Each: what is wrong, where, and in which entry if known (-1: none). */
  errors: { message: string; offset: number; address: number; key: number | string | undefined }[];
  marker: NativeDamageMarker | null;
  milliseconds: number;
}

export type Progress = (phase: string, done: number, total: number) => void;
export type Completion<T> = (error: Error | null, result?: T) => void;
export type NativeEvent = 'sync' | 'compaction' | 'error';

export interface NativeBinding {
  readonly formatVersion: number;

  /**
   * Once per environment, before anything else. `copyViews`: views are copies even where external memory is allowed, as
   * they are where it is not (Electron); for tests.
   */
  initialize(makeError: ErrorFactory, copyViews?: boolean): void;
  /**
   * Names the buffer that `read`, `get` and iteration fill from now on, for this environment. The caller keeps it
   * referenced and never transfers or detaches it.
   */
  setSlab(slab: Uint8Array): void;
  /**
   * The string whose key bytes (WTF-8, as `next` puts them there) lie in the slab at `offset`. Exact for lone surrogates,
   * which no UTF-8 decoder is. Throws if they lie outside.
   */
  keyFromBytes(offset: number, length: number): string;

  openSync(path: string, options: NativeOpenOptions): number;
  open(path: string, options: NativeOpenOptions, progress: Progress | null, done: Completion<number>): number;
  /** Waits for pending operations of this handle, makes a last sync point if it was the last handle, frees it. */
  close(handle: number, done: Completion<void>): number;
  closeSync(handle: number): void;
  /** Asks a running operation to stop; its callback then gets an ABORTED error, unless it had finished. */
  cancel(operation: number): void;

  lastError(handle: number): Error;
  recovery(handle: number): NativeRecovery;
  stats(handle: number): NativeStats;
  /**
   * Called on this environment's thread; keeps no environment alive. Pass null to stop. The detail: of 'sync'
   * { epoch, milliseconds }, of 'compaction' a NativeCompaction, of 'error' an Error. Sync events that come faster than
   * they are delivered are merged into the latest.
   */
  setEventListener(handle: number, listener: ((event: NativeEvent, detail: object) => void) | null): void;

  /** A number that is valid until it is returned or this thread ends; no other thread or process has the same. */
  drawTicket(): number;
  returnTicket(ticket: number): void;
  /** Whether whoever drew it, in whatever thread of this process, still has it. False for anything that is no ticket. */
  ticketIsValid(ticket: number): boolean;
  /**
   * Claims the file, or store in memory, for the holder of a ticket, among all who have it open in this process: 0; or, where
   * another ticket has it and is valid, that one; or -code.
   */
  claim(handle: number, ticket: number): number;
  /** Ends the claim of a ticket, if it has one. */
  unclaim(handle: number, ticket: number): void;

  // Entries by address. Addresses are safe integers.
  add(handle: number, data: Uint8Array): number;
  update(handle: number, address: number, data: Uint8Array): number;
  remove(handle: number, address: number): number;
  /**
   * Adds entries (addresses[i] is -1, and filled in) or updates them, `count` in all, one after the other. The data of the first
   * begin with `data`, those of each other one at the next multiple of 8 behind the sizes[i] bytes of the one before. -code where
   * the first cannot be written, else how many were; if those are not all, lastError says why.
   */
  writeMany(handle: number, data: Uint8Array, sizes: Float64Array, addresses: Float64Array, count: number): number;
  /** Removes the entries of addresses[0..count), one after the other. The answer is as that of writeMany. */
  removeMany(handle: number, addresses: Float64Array, count: number): number;
  /**
   * The size of the entry's data. The bytes lie in the slab from `position` if they fit there; if they do not, nothing was
   * copied: use another slab or readInto.
   */
  read(handle: number, address: number, position: number): number;
  /** Copies from `position` in the entry; the number of bytes copied (0 at or beyond the end). */
  readInto(handle: number, address: number, target: Uint8Array, position: number): number;
  /** Data size, or -code. */
  sizeOf(handle: number, address: number): number;
  has(handle: number, address: number): boolean;
  /**
   * Fills [dataSize, capacity, kind, keySize, epoch, version, offset] and returns 0. 1, with nothing filled in, for an
   * address that was given out and has been removed; else -code (NOT_FOUND: never given out, as far as can be told).
   */
  readHeader(handle: number, address: number, target: Float64Array): number;
  /**
   * Says that the entries of addresses[0..count) will be read or changed next: their memory is fetched all at once, while
   * calls would wait for each in turn. A hint: numbers that are no address of an entry are passed over. 0 or -code.
   */
  prefetch(handle: number, addresses: Float64Array, count: number): number;
  /**
   * Opens a view of the data in place: an ArrayBuffer over the mapped memory (or over a copy where the runtime forbids
   * external memory). Throws on failure. Must be ended with endView, which detaches the ArrayBuffer; its answer is an error
   * where what was seen may not have been the data.
   */
  beginView(handle: number, address: number): ArrayBuffer;
  endView(handle: number, view: ArrayBuffer): number;
  /**
   * Opens a reader that keeps seeing the entry as it is now, whatever happens to it; holds back reuse of space until it is
   * closed. A reader number, or -code.
   */
  openReader(handle: number, address: number): number;
  readerRead(handle: number, reader: number, target: Uint8Array, position: number): number;
  closeReader(handle: number, reader: number): void;

  /**
   * All or nothing. types[i]: 0 add, 1 update, 2 remove. `addresses` holds the addresses of updates and removes and
   * receives those of adds. `data[i]` is ignored for removes. 0 or -code.
   */
  batch(handle: number, types: Uint8Array, addresses: Float64Array, data: readonly (Uint8Array | undefined)[]): number;

  /**
   * The same for keys: numbers are keys of INT entries, strings of STRING entries. types[i]: 0 set, 1 insert (-EXISTS where
   * there is an entry), 2 delete and 3 require, which changes nothing (-NOT_FOUND where there is none or, given data of some
   * bytes, one with other data), 4 discard (delete, or nothing where there is none), an operation seeing those before it.
   * `data[i]` is ignored for 2 and 4, and may be left out for 3. 0 or -code.
   */
  keyedBatch(
    handle: number,
    types: Uint8Array,
    keys: readonly (number | string)[],
    data: readonly (Uint8Array | undefined)[],
  ): number;

  // Keyed entries. Missing keys: -NOT_FOUND.
  intSet(handle: number, key: number, data: Uint8Array): number;
  intGet(handle: number, key: number, position: number): number;
  intGetInto(handle: number, key: number, target: Uint8Array, position: number): number;
  intHas(handle: number, key: number): boolean;
  /** 1 removed, 0 there was none, -code. */
  intDelete(handle: number, key: number): number;
  intAddress(handle: number, key: number): number;

  stringSet(handle: number, key: string, data: Uint8Array): number;
  stringGet(handle: number, key: string, position: number): number;
  stringGetInto(handle: number, key: string, target: Uint8Array, position: number): number;
  stringHas(handle: number, key: string): boolean;
  stringDelete(handle: number, key: string): number;
  stringAddress(handle: number, key: string): number;

  /** Live entries of a kind. */
  count(handle: number, kind: EntryKind): number;
  /**
   * Reads the values of keys[from..] into the slab one behind another, their sizes into sizes[from..] (-1: missing), until
   * the slab is full. The number of keys done (0: the first value is larger than the slab).
   */
  intGetMany(handle: number, keys: Float64Array, from: number, sizes: Float64Array): number;
  stringGetMany(handle: number, keys: readonly string[], from: number, sizes: Float64Array): number;
  /** All or nothing. Value i is the next sizes[i] bytes of `values`. 0 or -code. */
  intSetMany(handle: number, keys: Float64Array, values: Uint8Array, sizes: Float64Array): number;
  stringSetMany(handle: number, keys: readonly string[], values: Uint8Array, sizes: Float64Array): number;
  /**
   * Inserts the keys `first`, `first` + 1 ..., `count` of them, with values packed in the same way, if the STRING entry
   * `required` has these data. All or nothing: 0, -NOT_FOUND where it has not, -EXISTS where one of them is there, or -code.
   */
  intInsertRun(
    handle: number,
    required: string,
    data: Uint8Array,
    first: number,
    values: Uint8Array,
    sizes: Float64Array,
    count: number,
  ): number;
  /** Removes all live entries of a kind, all or nothing; the number removed or -code. */
  clear(handle: number, kind: EntryKind): number;

  /**
   * Iteration. Fills `out` with [next cursor, then per entry: address, key (INT) or key size (STRING) or 0 (PLAIN, ALL),
   * data size] and, only when `values` is set, the slab with key bytes (STRING) and data of each entry one behind
   * another. A data size of -(n + 1) means: n bytes, not in the slab because they are larger than it; read them by
   * address. The number of entries (0: the end), or -code, the cursor then being behind the entry that failed
   * (TOO_LARGE: a key larger than the slab). Start with cursor 0. Entries added or removed meanwhile may or may not
   * appear; no entry appears twice.
   */
  next(handle: number, kind: EntryKind, cursor: number, values: boolean, out: Float64Array): number;

  // String keys in order, byte by byte of their stored form; INVALID_ARGUMENT before orderKeys().
  /** Builds the index of keys in order, unless this or another opener of the file has done so. 0 or -code. */
  orderKeys(handle: number): number;
  /**
   * Opens a snapshot of all string keys; a number, or -code. Until it is closed, space of what is removed or changed cannot
   * be used again. Closed with the handle at the latest.
   */
  openOrderedSnapshot(handle: number): number;
  closeOrderedSnapshot(handle: number, snapshot: number): void;
  /**
   * The next entries of a range: at most `limit`, and as many as there is room for. `snapshot` 0: as of now; -CLOSED where
   * there is none with this number. `flags`: see {@link RangeFlag}. Fills `out` with [1 if the range ends here, else 0, then
   * per entry: address, key size, data size], and the slab with the key and (VALUES) the data of each entry one behind another.
   * A key size of -(n + 1) means n bytes that are not all ASCII; a data size of -(n + 1), n bytes that are not in the slab
   * because they are larger than it. The number of entries, or -code (TOO_LARGE: a key larger than the slab).
   */
  range(
    handle: number,
    snapshot: number,
    from: string | undefined,
    to: string | undefined,
    flags: number,
    limit: number,
    out: Float64Array,
  ): number;
  /** As `stringGet` and `stringGetInto`, from a snapshot. */
  orderedGet(handle: number, snapshot: number, key: string, position: number): number;
  orderedGetInto(handle: number, snapshot: number, key: string, target: Uint8Array, position: number): number;
  /** Removes a range, at most `limit` entries, all or nothing; the number removed or -code. */
  clearRange(handle: number, from: string | undefined, to: string | undefined, flags: number, limit: number): number;

  // Long operations.
  flush(handle: number, done: Completion<void>): number;
  compact(handle: number, progress: Progress | null, done: Completion<NativeCompaction>): number;
  /** `acknowledge`: clears the damage marker, durably, if nothing is wrong. */
  verify(handle: number, acknowledge: boolean, progress: Progress | null, done: Completion<NativeVerify>): number;
  backup(handle: number, path: string, overwrite: boolean, progress: Progress | null, done: Completion<void>): number;
}
