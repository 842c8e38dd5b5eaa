/** RecordMap: records that carry their own key. */
import type { Address } from '../buffer/bytes.js';
import { CompactableBuffer } from '../buffer/compactable-buffer.js';
import type { BackupOptions, BufferOptions, VerifyOptions, WaitOptions, WorkOptions } from '../buffer/options.js';
import { bufferTable } from '../buffer/options.js';
import type { BufferStats, CompactionReport, VerifyReport } from '../buffer/reports.js';
import type { Codec } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import { custom, readOptions, show } from '../internal/options.js';
import { IntMap } from './int-map.js';
import { built, codecRule, type MapRecovery } from './keyed-map.js';
import { StringMap } from './string-map.js';

/** Where a record has its id: a field's name, or a function. */
export type IdOf<R> = (keyof R & string) | ((record: R) => RecordId);

/** An id: a safe integer or a string. 1 and '1' are two ids. */
export type RecordId = number | string;

/** Options of `RecordMap.open`. */
export interface RecordMapOptions<R> extends BufferOptions {
  id: IdOf<R>;
  /** How records become bytes. Give the same each time. @default msgpack() */
  codec?: Codec<R> | undefined;
}

const table = {
  ...bufferTable,
  codec: codecRule,
  id: custom<IdOf<never> | undefined>(undefined, (value, name) => {
    if ((typeof value === 'string' && value !== '') || typeof value === 'function') return value as IdOf<never>;
    throw new TypeError(`${name} must be the name of a field or a function, got ${show(value)}`);
  }),
};

function split<R>(options: RecordMapOptions<R>, owner: string): [BufferOptions, IdOf<R>, Codec<R>] {
  readOptions(table, options, owner);
  if (options?.id === undefined) {
    throw new TypeError(`option 'id' of ${owner} is required: the name of the field that holds the id, or a function`);
  }
  const { id, codec, ...rest } = options;
  return [rest, id, codec ?? msgpack<R>()];
}

/**
 * A persistent set of records, each known by its id. Integer ids are stored as int keys and string ids as string keys of
 * the same file.
 *
 * @example
 * const cities = await RecordMap.open<City>('cities.mmcb', { id: 'cityId' });
 * cities.put({ cityId: 2759794, name: 'Amsterdam' });
 * cities.get(2759794);
 */
export class RecordMap<R extends object> {
  /** The buffer underneath. Closing the map closes it. */
  readonly buffer: CompactableBuffer;
  readonly #id: (record: R) => unknown;
  readonly #ints: IntMap<R>;
  readonly #strings: StringMap<R>;

  /** Opens a file as a record map; see {@link CompactableBuffer.open}. */
  static async open<R extends object>(path: string, options: RecordMapOptions<R>): Promise<RecordMap<R>> {
    const [rest, id, codec] = split(options, 'RecordMap.open');
    return built(await CompactableBuffer.open(path, rest), (buffer) => new this<R>(buffer, id, codec));
  }

  /** The same, blocking this thread; see {@link CompactableBuffer.openSync}. */
  static openSync<R extends object>(path: string, options: RecordMapOptions<R>): RecordMap<R> {
    const [rest, id, codec] = split(options, 'RecordMap.openSync');
    return built(CompactableBuffer.openSync(path, rest), (buffer) => new this<R>(buffer, id, codec));
  }

  /** A map over the keyed entries of an open buffer. */
  constructor(buffer: CompactableBuffer, id: IdOf<R>, codec: Codec<R> = msgpack<R>()) {
    this.buffer = buffer;
    this.#id = typeof id === 'function' ? id : (record) => record[id];
    this.#ints = new IntMap(buffer, codec);
    this.#strings = new StringMap(buffer, codec);
  }

  get [Symbol.toStringTag](): string {
    return 'RecordMap';
  }

  /** Number of records. */
  get size(): number {
    return this.#ints.size + this.#strings.size;
  }

  /** Adds a record, or replaces the one with its id. Throws a TypeError or RangeError when it has no usable id. */
  put(record: R): this {
    const id = this.#idOf(record, 'record');
    if (typeof id === 'number') this.#ints.set(id, record);
    else this.#strings.set(id, record);
    return this;
  }

  /** Puts many records: those with integer ids all or none, and then those with string ids all or none. */
  putMany(records: Iterable<R>): void {
    const ints: [number, R][] = [];
    const strings: [string, R][] = [];
    let i = 0;
    for (const record of records) {
      const id = this.#idOf(record, `records[${i++}]`);
      if (typeof id === 'number') ints.push([id, record]);
      else strings.push([id, record]);
    }
    this.#ints.setMany(ints);
    this.#strings.setMany(strings);
  }

  /** The record with an id, or undefined. */
  get(id: RecordId): R | undefined {
    return typeof id === 'number' ? this.#ints.get(id) : this.#strings.get(checkId(id));
  }

  /** Whether there is an entry. Does not read its value. */
  has(id: RecordId): boolean {
    return typeof id === 'number' ? this.#ints.has(id) : this.#strings.has(checkId(id));
  }

  /** Removes the record with an id; false if there is none. */
  delete(id: RecordId): boolean {
    return typeof id === 'number' ? this.#ints.delete(id) : this.#strings.delete(checkId(id));
  }

  /** Replaces the record with an id by what `fn` makes of it, and returns that. The id must stay the same. */
  update(id: RecordId, fn: (record: R | undefined) => R): R {
    if (typeof fn !== 'function') throw new TypeError(`fn must be a function, got ${show(fn)}`);
    const record = fn(this.get(id));
    const after = this.#idOf(record, 'record');
    if (after !== id) throw new RangeError(`fn must not change the id: from ${show(id)} to ${show(after)}`);
    this.put(record);
    return record;
  }

  /** The address of a record's entry in {@link buffer}, or undefined. */
  address(id: RecordId): Address | undefined {
    return typeof id === 'number' ? this.#ints.address(id) : this.#strings.address(checkId(id));
  }

  /** All records at once, in no particular order. For many, iterate instead. */
  getAll(): R[] {
    return [...this.values()];
  }

  /** Removes all records: those with integer ids, then those with string ids. */
  clear(): void {
    this.#ints.clear();
    this.#strings.clear();
  }

  /** All ids. */
  *keys(): IterableIterator<RecordId> {
    yield* this.#ints.keys();
    yield* this.#strings.keys();
  }

  /** All values, read as the iteration goes. */
  *values(): IterableIterator<R> {
    yield* this.#ints.values();
    yield* this.#strings.values();
  }

  /** All ids with their records, read as the iteration goes. */
  *entries(): IterableIterator<[RecordId, R]> {
    yield* this.#ints.entries();
    yield* this.#strings.entries();
  }

  /** The same as `entries()`. */
  [Symbol.iterator](): IterableIterator<[RecordId, R]> {
    return this.entries();
  }

  /** Calls `fn` for each entry, as `Map` does. */
  forEach(fn: (record: R, id: RecordId, map: this) => void, thisArg?: unknown): void {
    if (typeof fn !== 'function') throw new TypeError(`fn must be a function, got ${show(fn)}`);
    for (const [id, record] of this.entries()) fn.call(thisArg, record, id, this);
  }

  /** What opening found; see {@link CompactableBuffer.recovery}. */
  get recovery(): MapRecovery<RecordId> {
    const { damagedKeys: ints, ...recovery } = this.#ints.recovery;
    return { ...recovery, damagedKeys: [...ints, ...this.#strings.recovery.damagedKeys] };
  }

  /** A sync point; see {@link CompactableBuffer.flush}. */
  flush(options?: WaitOptions): Promise<void> {
    return this.buffer.flush(options);
  }

  /** Compacts now; see {@link CompactableBuffer.compact}. */
  compact(options?: WorkOptions): Promise<CompactionReport> {
    return this.buffer.compact(options);
  }

  /** Checks the whole file; see {@link CompactableBuffer.verify}. */
  verify(options?: VerifyOptions): Promise<VerifyReport> {
    return this.buffer.verify(options);
  }

  /** Writes a consistent copy to another file; see {@link CompactableBuffer.backup}. */
  backup(path: string, options?: BackupOptions): Promise<void> {
    return this.buffer.backup(path, options);
  }

  /** Counters of the buffer, as of now. */
  stats(): BufferStats {
    return this.buffer.stats();
  }

  /** Closes the buffer underneath; see {@link CompactableBuffer.close}. */
  close(options?: WaitOptions): Promise<void> {
    return this.buffer.close(options);
  }

  /** Closes it, waiting for the last sync point. Idempotent. */
  closeSync(): void {
    this.buffer.closeSync();
  }

  /** `closeSync()`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.closeSync();
  }

  /** `close()`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #idOf(record: R, name: string): RecordId {
    if (typeof record !== 'object' || record === null)
      throw new TypeError(`${name} must be an object, got ${show(record)}`);
    const id = this.#id(record);
    if (typeof id === 'number' && !Number.isSafeInteger(id)) {
      throw new RangeError(`the id of ${name} must be a safe integer or a string, got ${id}`);
    }
    if (typeof id === 'number' || typeof id === 'string') return id;
    throw new TypeError(`the id of ${name} must be a safe integer or a string, got ${show(id)}`);
  }
}

function checkId(id: unknown): string {
  if (typeof id === 'string') return id;
  throw new TypeError(`id must be a safe integer or a string, got ${show(id)}`);
}
