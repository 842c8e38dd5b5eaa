/** MmcbLevel: an abstract-level database in one file. */
import { access } from 'node:fs/promises';
import { type AbstractDatabaseOptions, AbstractLevel } from 'abstract-level';
import { CompactableBuffer, storeOf } from '../buffer/compactable-buffer.js';
import { KeyedBatch } from '../buffer/keyed-batch.js';
import { type BufferOptions, bufferTable } from '../buffer/options.js';
import { binary } from '../codec/binary.js';
import type { Codec } from '../codec/codec.js';
import { utf8 } from '../codec/utf8.js';
import type { Store } from '../internal/lifecycle.js';
import { NativeCode } from '../internal/native.js';
import { checkPath } from '../internal/options.js';
import { valuesOf } from '../map/keyed-map.js';
import { OrderedCursor, readOrdered } from '../map/ordered-cursor.js';
import { OrderedMap } from '../map/ordered-map.js';
import { LevelIterator, type LevelIteratorOptions, LevelSnapshot, type LevelValue } from './level-iterator.js';
import { type Format, type LevelKey, storedKey } from './level-keys.js';
import { LevelRange, type LevelRangeOptions } from './level-range.js';

/** Options of the constructor and of `open`. */
export interface MmcbLevelOptions<K, V> extends AbstractDatabaseOptions<K, V>, Omit<BufferOptions, 'ordered'> {}

/** Options of calls that write. */
export interface MmcbLevelWriteOptions {
  /** Resolve only when it is on the disk: `flush` afterwards, shared with others that wait. @default false */
  sync?: boolean | undefined;
}

/** Options of reads as abstract-level hands them over. */
interface ReadOptions {
  valueEncoding: Format;
  snapshot?: LevelSnapshot | null;
}

/** Options of `open()` as abstract-level hands them over: the constructor's among them. */
interface LevelOpenOptions extends Omit<BufferOptions, 'ordered'> {
  createIfMissing: boolean;
  errorIfExists: boolean;
}

/** An operation of a batch as abstract-level hands it over. */
type LevelOperation = { type: 'put'; key: LevelKey; value: LevelValue } | { type: 'del'; key: LevelKey };

interface Open {
  readonly buffer: CompactableBuffer;
  readonly store: Store;
  readonly maps: Readonly<Record<Format, OrderedMap<LevelValue>>>;
}

/**
 * An [abstract-level](https://github.com/Level/abstract-level) database over one file of mmcb: ordered keys, ranges, batches
 * that are atomic also under power cuts, snapshots, sublevels. Operations take effect before their promise is made, so that
 * `getSync` and other threads see them at once; a call that returned survives the death of the process. Several threads may
 * open the same file.
 *
 * Iterators see the database as it was when they were made. Close what is not read to its end: until then space of what is
 * changed meanwhile cannot be used again.
 *
 * @example
 * const db = new MmcbLevel<string, User>('users.mmcb', { valueEncoding: 'json' });
 * await db.put('users/ada', { name: 'Ada' });
 * for await (const [key, user] of db.iterator({ gte: 'users/', lt: 'users0' })) console.log(key, user.name);
 */
export class MmcbLevel<K = string, V = string> extends AbstractLevel<string | Buffer | Uint8Array, K, V> {
  readonly #location: string;
  #open: Open | undefined;

  /**
   * `location`: the file, which is created if there is none. It opens by itself in the next tick; what is called before
   * waits for that.
   */
  constructor(location: string, options?: MmcbLevelOptions<K, V>) {
    const path = checkPath(location, 'MmcbLevel', 'location');
    if (path === ':memory:') throw new TypeError('location of MmcbLevel must be a file; use memory-level for no file');
    // The types do not know getSync yet.
    const manifest: ConstructorParameters<typeof AbstractLevel>[0] & { getSync: boolean } = {
      encodings: { utf8: true, buffer: true, view: true },
      implicitSnapshots: true,
      explicitSnapshots: true,
      permanence: true,
      createIfMissing: true,
      errorIfExists: true,
      has: true,
      getSync: true,
    };
    super(manifest, options);
    this.#location = path;
  }

  /** The location that was given, as an absolute path. */
  get location(): string {
    return this.#location;
  }

  /** The buffer underneath, for `stats`, `compact`, `verify`, `backup` and its events; undefined unless open. */
  get buffer(): CompactableBuffer | undefined {
    return this.#open?.buffer;
  }

  // ---- What abstract-level asks for; it has checked and encoded the arguments ----

  /** @internal */
  async _open({ createIfMissing, errorIfExists, ...options }: LevelOpenOptions): Promise<void> {
    if (!createIfMissing || errorIfExists) {
      const exists = await access(this.#location).then(
        () => true,
        () => false,
      );
      if (exists && errorIfExists) throw new Error(`${this.#location} exists (errorIfExists is true)`);
      if (!exists && !createIfMissing) throw new Error(`${this.#location} does not exist (createIfMissing is false)`);
    }
    // Hooks of applications have options of their own among these.
    const known = Object.entries(options).filter(([name]) => Object.hasOwn(bufferTable, name));
    const buffer = await CompactableBuffer.open(this.#location, { ...Object.fromEntries(known), ordered: true });
    const bytes = new OrderedMap<LevelValue>(buffer, binary() as Codec<LevelValue>);
    const text = new OrderedMap<LevelValue>(buffer, utf8() as Codec<LevelValue>);
    this.#open = { buffer, store: storeOf(buffer), maps: { utf8: text, buffer: bytes, view: bytes } };
  }

  /** @internal */
  async _close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.buffer.close();
  }

  /** @internal */
  async _get(key: LevelKey, options: ReadOptions): Promise<LevelValue | undefined> {
    return this._getSync(key, options);
  }

  /** @internal */
  _getSync(key: LevelKey, { valueEncoding, snapshot }: ReadOptions): LevelValue | undefined {
    const { maps, store } = this.#opened();
    const map = maps[valueEncoding];
    const stored = storedKey(key);
    if (snapshot == null) return map.get(stored);
    const data = readOrdered(store, snapshot.keys.number, stored);
    if (typeof data !== 'number') return valuesOf(map).fromOwn(data);
    if (data === -NativeCode.NOT_FOUND) return undefined;
    throw store.failure(data);
  }

  /** @internal */
  async _getMany(keys: LevelKey[], options: ReadOptions): Promise<(LevelValue | undefined)[]> {
    if (options.snapshot != null) return keys.map((key) => this._getSync(key, options));
    return this.#opened().maps[options.valueEncoding].getMany(keys.map(storedKey));
  }

  /** @internal */
  async _has(key: LevelKey, options: ReadOptions): Promise<boolean> {
    return this.#has(key, options);
  }

  /** @internal */
  async _hasMany(keys: LevelKey[], options: ReadOptions): Promise<boolean[]> {
    return keys.map((key) => this.#has(key, options));
  }

  /** @internal */
  async _put(
    key: LevelKey,
    value: LevelValue,
    options: { valueEncoding: Format } & MmcbLevelWriteOptions,
  ): Promise<void> {
    this.#opened().maps[options.valueEncoding].set(storedKey(key), value);
    await this.#synced(options);
  }

  /** @internal */
  async _del(key: LevelKey, options: MmcbLevelWriteOptions): Promise<void> {
    this.#opened().maps.buffer.delete(storedKey(key));
    await this.#synced(options);
  }

  /** @internal */
  async _batch(operations: readonly LevelOperation[], options: MmcbLevelWriteOptions): Promise<void> {
    const { store } = this.#opened();
    const batch = new KeyedBatch();
    for (const operation of operations) {
      const key = storedKey(operation.key);
      if (operation.type === 'del') batch.discard(key);
      else batch.set(key, bytesOf(operation.value));
    }
    batch.commit(store);
    await this.#synced(options);
  }

  /** @internal */
  async _clear(options: LevelRangeOptions & { snapshot?: LevelSnapshot | null }): Promise<void> {
    const { maps, store } = this.#opened();
    const range = new LevelRange(options);
    if (options.snapshot != null) {
      this.#clearAsOf(options.snapshot, range);
      return;
    }
    if (range.isEverything) {
      maps.buffer.clear();
      return;
    }
    const { from, to, flags, limit } = range.native;
    const result = store.native.clearRange(store.handle, from, to, flags, limit);
    if (result < 0) throw store.failure(result);
    store.changes++;
  }

  /** @internal */
  _iterator(options: LevelIteratorOptions): LevelIterator<K, V> {
    const { maps, store } = this.#opened();
    return new LevelIterator<K, V>(this, options, store, valuesOf(maps[options.valueEncoding]));
  }

  /** @internal */
  _snapshot(options: object): LevelSnapshot {
    return new LevelSnapshot(options, this.#opened().store);
  }

  // ---- Helpers ----

  #opened(): Open {
    // abstract-level lets no call through before _open() has ended, nor after _close() has begun.
    return this.#open as Open;
  }

  #has(key: LevelKey, { snapshot }: ReadOptions): boolean {
    const { maps, store } = this.#opened();
    if (snapshot == null) return maps.buffer.has(storedKey(key));
    const size = store.native.orderedGet(store.handle, snapshot.keys.number, storedKey(key), store.slab.position);
    if (size >= 0) return true;
    if (size === -NativeCode.NOT_FOUND) return false;
    throw store.failure(size);
  }

  /** Deletes keys that are in a snapshot, as far as they are still there. */
  #clearAsOf(snapshot: LevelSnapshot, range: LevelRange): void {
    const { store } = this.#opened();
    const cursor = new OrderedCursor(store, range.native, false, snapshot.keys.number);
    const batch = new KeyedBatch();
    while (cursor.advance()) batch.discard(cursor.key);
    batch.commit(store);
  }

  async #synced({ sync }: MmcbLevelWriteOptions): Promise<void> {
    if (sync === true) await this.#opened().buffer.flush();
  }
}

function bytesOf(value: LevelValue): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
}
