/** CompactableBuffer: a file of addressable entries. */
import { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import { types } from 'node:util';
import { describe, MmcbError } from '../errors.js';
import { openHandle, orAbort, type Resource, Store } from '../internal/lifecycle.js';
import { runtime } from '../internal/load-binding.js';
import { EntryKind, type NativeEvent, type NativeStats } from '../internal/native.js';
import { checkNumber, checkPath, readOptions, show } from '../internal/options.js';
import { type BatchOperation, batchResult, packBatch } from './batch.js';
import { type Address, type Bytes, badAddress, checkAddress, toBytes } from './bytes.js';
import { EntryCursor, EntryIterator, readEntry } from './entry-cursor.js';
import { type EntryHeader, HEADER_FIELDS, removedHeader, validHeader } from './entry-header.js';
import { EntryStream, type ReadStreamOptions } from './entry-stream.js';
import { eventReport, nativeEvents } from './events.js';
import {
  type BackupOptions,
  type BufferOptions,
  backupTable,
  bufferTable,
  nativeOptions,
  type VerifyOptions,
  verifyTable,
  type WaitOptions,
  type WorkOptions,
  waitTable,
  workTable,
} from './options.js';
import {
  type BufferEvents,
  type BufferStats,
  bufferStats,
  type CompactionReport,
  compactionReport,
  type RecoveryReport,
  recoveryReport,
  type VerifyReport,
  verifyReport,
} from './reports.js';

/** Proves that a constructor call comes from this module. */
const internal = Symbol('internal');

/** The store of a buffer, for the maps over it; a TypeError for anything else. Not exported from the package. */
export let storeOf: (buffer: CompactableBuffer) => Store;

/**
 * A file (or, as ':memory:', no file) of entries, each of 0 to 2 GiB - 1 bytes and known by its {@link Address}. Entries
 * can grow and shrink; the file follows, by compaction in the background.
 *
 * All calls on single entries are synchronous, take constant time and, once they have returned, survive the death of the
 * process. After `close` every call throws or rejects with MMCB_CLOSED. Writing calls can also fail with MMCB_READ_ONLY,
 * MMCB_NO_SPACE, MMCB_FULL, MMCB_TOO_LARGE, MMCB_IO and, after a failed sync, MMCB_FAILED; they then have changed nothing.
 * Reading calls throw MMCB_CORRUPT when an entry's checksum does not hold.
 *
 * @example
 * const buffer = await CompactableBuffer.open('entries.mmcb');
 * const address = buffer.add('hello');
 * buffer.update(address, 'hello, world');
 * buffer.read(address).toString(); // 'hello, world', now and after reopening
 * await buffer.close();
 */
export class CompactableBuffer extends EventEmitter<BufferEvents> {
  /** The path given to `open`, or ':memory:'. */
  readonly path: string;
  /** What opening found. */
  readonly recovery: RecoveryReport;
  readonly #store: Store;
  readonly #header = new Float64Array(HEADER_FIELDS);
  #listening = false;

  /**
   * Opens a file, or creates it if there is none; ':memory:' stands for no file. Several threads may open the same file;
   * the options of the first to come are in force.
   *
   * Rejects with MMCB_LOCKED when another process writes to it, MMCB_NOT_MMCB and MMCB_VERSION for files that are not ours
   * to touch, MMCB_CORRUPT for damage (see the option `recovery`), MMCB_NO_SPACE, MMCB_IO with the system error in `cause`
   * (no such folder, no permission, ...), MMCB_NATIVE when the addon cannot be loaded.
   */
  static async open(path: string, options?: BufferOptions): Promise<CompactableBuffer> {
    const owner = 'CompactableBuffer.open';
    const file = checkPath(path, owner);
    const values = readOptions(bufferTable, options, owner);
    const shared = runtime();
    const handle = await openHandle(shared, file, nativeOptions(values, owner), values);
    return new CompactableBuffer(internal, new Store(shared, handle, path), path);
  }

  /** The same, blocking this thread; recovery of a large file after a crash takes a while. */
  static openSync(path: string, options?: BufferOptions): CompactableBuffer {
    const owner = 'CompactableBuffer.openSync';
    const file = checkPath(path, owner);
    const values = readOptions(bufferTable, options, owner);
    values.signal?.throwIfAborted();
    const shared = runtime();
    const handle = shared.native.openSync(file, nativeOptions(values, owner));
    return new CompactableBuffer(internal, new Store(shared, handle, path), path);
  }

  /** Not for use: see `open` and `openSync`. */
  constructor(token: symbol, store: Store, path: string) {
    super();
    if (token !== internal) throw new TypeError('use CompactableBuffer.open() or openSync() instead of new');
    this.#store = store;
    this.path = path;
    this.recovery = recoveryReport(store.native.recovery(store.handle));
    (this as EventEmitter).on('newListener', (name: string) => {
      if (!this.#listening && nativeEvents.has(name)) this.#listen();
    });
    setImmediate(() => {
      if (store.status === 'open') this.emit('recovery', this.recovery);
    }).unref();
  }

  // ---- Entries ----

  /**
   * Stores a new entry and returns its address, which names it for good. The bytes are copied before the call returns; if
   * they lie in a SharedArrayBuffer, no other thread may change them meanwhile.
   */
  add(data: Bytes): Address {
    const store = this.#store;
    const result = store.native.add(store.handle, data instanceof Uint8Array ? data : toBytes(data));
    if (result < 0) throw store.failure(result);
    store.changes++;
    return result;
  }

  /** Replaces the data of an entry, in place where it fits. Throws MMCB_NOT_FOUND. */
  update(address: Address, data: Bytes): void {
    const store = this.#store;
    if (!Number.isSafeInteger(address) || address < 0) throw badAddress(address);
    const result = store.native.update(store.handle, address, data instanceof Uint8Array ? data : toBytes(data));
    if (result < 0) throw store.failure(result, `address ${address}`);
    store.changes++;
  }

  /** Removes an entry. Its address is never valid again. Throws MMCB_NOT_FOUND. */
  remove(address: Address): void {
    const store = this.#store;
    if (!Number.isSafeInteger(address) || address < 0) throw badAddress(address);
    const result = store.native.remove(store.handle, address);
    if (result < 0) throw store.failure(result, `address ${address}`);
    store.changes++;
  }

  /** A copy of an entry's data. Throws MMCB_NOT_FOUND. */
  read(address: Address): Buffer {
    if (!Number.isSafeInteger(address) || address < 0) throw badAddress(address);
    const data = readEntry(this.#store, address);
    if (typeof data === 'number') throw this.#store.failure(data, `address ${address}`);
    return data;
  }

  /**
   * Copies an entry's data, from byte `position` on, into `target`. Returns the number of bytes copied, 0 at or behind the
   * end. One call sees one version of the entry. Throws MMCB_NOT_FOUND.
   */
  readInto(address: Address, target: Uint8Array, position = 0): number {
    const store = this.#store;
    if (!Number.isSafeInteger(address) || address < 0) throw badAddress(address);
    if (!types.isUint8Array(target)) throw new TypeError(`target must be a Uint8Array, got ${show(target)}`);
    if (position !== 0) checkNumber(position, 'position', 0, Number.MAX_SAFE_INTEGER, 'bytes');
    const result = store.native.readInto(store.handle, address, target, position);
    if (result < 0) throw store.failure(result, `address ${address}`);
    return result;
  }

  /**
   * Calls `fn` with an entry's data in place, without copying it, and returns what `fn` returns. The bytes are for reading
   * and valid inside `fn` only: they are detached when it ends (their length is then 0). For large entries; below about a
   * kilobyte `read` is faster. Throws MMCB_NOT_FOUND, and a TypeError when `fn` is asynchronous.
   */
  view<T>(address: Address, fn: (bytes: Uint8Array) => T): T {
    const store = this.#store;
    checkAddress(address);
    if (typeof fn !== 'function') throw new TypeError(`fn must be a function, got ${show(fn)}`);
    store.assertOpen();
    const memory = store.native.beginView(store.handle, address);
    const view = new View(store, memory);
    try {
      const result = fn(new Uint8Array(memory));
      if (typeof result === 'object' && result !== null && 'then' in result && typeof result.then === 'function') {
        throw new TypeError(
          'fn of view() must not be asynchronous: the bytes are gone when it returns; use read() instead',
        );
      }
      return result;
    } finally {
      view.end();
    }
  }

  /**
   * What is known about an entry besides its data. For an address whose entry has been removed the status is 'removed';
   * for one that was never given out it throws MMCB_NOT_FOUND.
   */
  readHeader(address: Address): EntryHeader {
    const store = this.#store;
    checkAddress(address);
    const result = store.native.readHeader(store.handle, address, this.#header);
    if (result === 0) return validHeader(this.#header);
    if (result > 0) return removedHeader();
    throw store.failure(result, `address ${address}`);
  }

  /**
   * A stream over an entry's data as it is now, whatever happens to it later. Until the stream ends or is destroyed, the
   * space of everything removed meanwhile cannot be reused. The stream fails with MMCB_NOT_FOUND.
   */
  createReadStream(address: Address, options?: ReadStreamOptions): Readable {
    this.#store.assertOpen();
    return new EntryStream(this.#store, checkAddress(address), options);
  }

  /** Whether there is an entry with this address. */
  has(address: Address): boolean {
    const store = this.#store;
    store.assertOpen();
    if (typeof address !== 'number') throw badAddress(address);
    return Number.isSafeInteger(address) && address >= 0 && store.native.has(store.handle, address);
  }

  /**
   * The addresses of all entries, in no particular order; entries of maps over the same file are among them. Entries added
   * meanwhile may or may not appear.
   */
  addresses(): IterableIterator<Address> {
    return new EntryIterator([new EntryCursor(this.#store, EntryKind.ALL, false)], (cursor) => cursor.address);
  }

  /** The same, with a copy of each entry's data. */
  entries(): IterableIterator<[Address, Buffer]> {
    const kinds = [EntryKind.PLAIN, EntryKind.INT, EntryKind.STRING];
    const cursors = kinds.map((kind) => new EntryCursor(this.#store, kind, true));
    return new EntryIterator<[Address, Buffer]>(cursors, (cursor) => [cursor.address, cursor.take()]);
  }

  /**
   * Does several changes in order, all or none of them, also under process death and power cuts. Returns the address of
   * each 'add', undefined for the others. Throws MMCB_NOT_FOUND and does nothing when any address has no entry.
   */
  batch(operations: readonly BatchOperation[]): (Address | undefined)[] {
    const store = this.#store;
    store.assertOpen();
    const packed = packBatch(operations);
    if (packed.types.length === 0) return [];
    const result = store.native.batch(store.handle, packed.types, packed.addresses, packed.data);
    if (result < 0) throw store.failure(result, 'batch');
    store.changes++;
    return batchResult(packed);
  }

  // ---- The whole ----

  /**
   * A sync point: resolves when everything done so far is on the disk. Concurrent flushes share one. Rejects with
   * MMCB_NO_SPACE or MMCB_IO when that fails, and with MMCB_FAILED when it has failed before.
   */
  async flush(options?: WaitOptions): Promise<void> {
    const { signal } = readOptions(waitTable, options, 'flush');
    return this.#store.run<void>({ signal, detached: true }, (handle, _, done) =>
      this.#store.native.flush(handle, done),
    );
  }

  /** Compacts now, in the background; reads and writes go on. Space is returned to the file system. */
  async compact(options?: WorkOptions): Promise<CompactionReport> {
    const wait = readOptions(workTable, options, 'compact');
    const { native } = this.#store;
    return compactionReport(
      await this.#store.run(wait, (handle, progress, done) => native.compact(handle, progress, done)),
    );
  }

  /**
   * Checks every checksum and every invariant. Damage is in the report; it does not reject because of it. With
   * `acknowledge` it rejects with MMCB_READ_ONLY where the file may not be written.
   */
  async verify(options?: VerifyOptions): Promise<VerifyReport> {
    const { acknowledge, ...wait } = readOptions(verifyTable, options, 'verify');
    const { native } = this.#store;
    return verifyReport(
      await this.#store.run(wait, (handle, progress, done) => native.verify(handle, acknowledge, progress, done)),
    );
  }

  /**
   * Writes a consistent copy to another file, while writes go on; addresses are the same in it. Rejects with MMCB_IO and an
   * EEXIST in `cause` when there is a file already, unless `overwrite` is set.
   */
  async backup(path: string, options?: BackupOptions): Promise<void> {
    const target = checkPath(path, 'backup');
    if (target === ':memory:') throw new TypeError('path of backup must be a file');
    const wait = readOptions(backupTable, options, 'backup');
    const { native } = this.#store;
    return this.#store.run<void>(wait, (handle, progress, done) =>
      native.backup(handle, target, wait.overwrite, progress, done),
    );
  }

  /** Counters, as of now. */
  stats(): BufferStats {
    return bufferStats(this.#stats());
  }

  #stats(): NativeStats {
    this.#store.assertOpen();
    return this.#store.native.stats(this.#store.handle);
  }

  // ---- Closing ----

  /**
   * Waits for what is pending, makes a last sync point, and closes. May be called any number of times. Streams that are
   * still open fail with MMCB_CLOSED. With `signal`, only the waiting can be given up, not the closing.
   */
  async close(options?: WaitOptions): Promise<void> {
    const { signal } = readOptions(waitTable, options, 'close');
    this.#unlisten();
    return orAbort(this.#store.close(), signal);
  }

  /** Closes at once, blocking this thread for the last sync point. What is pending rejects with MMCB_CLOSED. */
  closeSync(): void {
    this.#unlisten();
    this.#store.closeSync();
  }

  /** `closeSync()`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.closeSync();
  }

  /** `close()`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- Events ----

  #listen(): void {
    const store = this.#store;
    if (store.handle < 0) return;
    this.#listening = true;
    store.native.setEventListener(store.handle, (event, detail) => {
      // Not from here: an exception of a listener belongs to the event loop, not to native code.
      process.nextTick(() => this.#deliver(event, detail));
    });
  }

  #deliver(event: NativeEvent, detail: object): void {
    if (event === 'error') {
      const error =
        detail instanceof Error ? detail : new MmcbError('MMCB_IO', describe('MMCB_IO', this.path), { cause: detail });
      if (this.listenerCount('error') > 0) this.emit('error', error);
    } else if (event === 'sync') this.emit('sync', eventReport.sync(detail));
    else this.emit('compaction', eventReport.compaction(detail));
  }

  #unlisten(): void {
    if (this.#listening && this.#store.handle >= 0) this.#store.native.setEventListener(this.#store.handle, null);
    this.#listening = false;
  }

  static {
    storeOf = (buffer) => {
      if (typeof buffer === 'object' && buffer !== null && #store in buffer) return buffer.#store;
      throw new TypeError(`buffer must be a CompactableBuffer of this copy of mmcb, got ${show(buffer)}`);
    };
  }
}

/** Memory of an entry lent to a function. Ended when the function ends, or when the buffer is closed inside it. */
class View implements Resource {
  #open = true;

  constructor(
    readonly store: Store,
    readonly memory: ArrayBuffer,
  ) {
    store.attach(this);
  }

  /** Throws where the file was cut short, or failed, while it was looked at. */
  end(): void {
    if (!this.#open) return;
    this.store.detach(this);
    const result = this.#end();
    if (result < 0) throw this.store.failure(result);
  }

  abandon(): void {
    this.#end();
  }

  #end(): number {
    this.#open = false;
    return this.store.native.endView(this.store.handle, this.memory);
  }
}
