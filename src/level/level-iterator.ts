/** Iterators and snapshots of a level database. */
import { AbstractIterator, type AbstractIteratorOptions, AbstractSnapshot } from 'abstract-level';
import type { Store } from '../internal/lifecycle.js';
import { OrderedCursor } from '../map/ordered-cursor.js';
import type { Values } from '../map/values.js';
import { type Format, keyAt, type LevelKey, storedKey } from './level-keys.js';
import { LevelRange, type LevelRangeOptions } from './level-range.js';
import type { MmcbLevel } from './mmcb-level.js';

/** The data of an entry, as abstract-level takes it. */
export type LevelValue = string | Uint8Array;

/** A snapshot of all keys: of one iterator, or an explicit one. */
export class KeySnapshot {
  readonly number: number;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
    this.number = store.native.openOrderedSnapshot(store.handle);
    if (this.number < 0) throw store.failure(this.number);
  }

  /** Idempotent; after the store has been closed there is nothing left to do. */
  close(): void {
    if (this.#store.handle >= 0) this.#store.native.closeOrderedSnapshot(this.#store.handle, this.number);
  }
}

/** What `snapshot()` of a level database returns. */
export class LevelSnapshot extends AbstractSnapshot {
  readonly keys: KeySnapshot;

  constructor(options: object, store: Store) {
    // The owner, which the types keep to themselves, is among the options.
    super(...([options] as unknown as []));
    this.keys = new KeySnapshot(store);
  }

  async _close(): Promise<void> {
    this.keys.close();
  }
}

/** Options as abstract-level hands them over. */
export interface LevelIteratorOptions extends LevelRangeOptions {
  keys: boolean;
  values: boolean;
  keyEncoding: Format;
  valueEncoding: Format;
  snapshot?: LevelSnapshot | null;
}

type Entry = [LevelKey | undefined, LevelValue | undefined];

/** Walks a range as of its snapshot, or as of the moment when it was made. All of it is synchronous underneath. */
export class LevelIterator<K, V> extends AbstractIterator<MmcbLevel<K, V>, K, V> {
  readonly #options: LevelIteratorOptions;
  readonly #range: LevelRange;
  readonly #cursor: OrderedCursor;
  readonly #values: Values<LevelValue>;
  /** Its own snapshot, unless it was given one. */
  readonly #own: KeySnapshot | undefined;

  constructor(db: MmcbLevel<K, V>, options: LevelIteratorOptions, store: Store, values: Values<LevelValue>) {
    super(db, options as unknown as AbstractIteratorOptions<K, V>);
    this.#options = options;
    this.#values = values;
    this.#range = new LevelRange(options);
    this.#own = options.snapshot == null ? new KeySnapshot(store) : undefined;
    const snapshot = (this.#own ?? (options.snapshot as LevelSnapshot).keys).number;
    // abstract-level counts for itself, and a limit must not end what seek() begins again.
    const range = { ...this.#range.native, limit: Number.MAX_SAFE_INTEGER };
    this.#cursor = new OrderedCursor(store, range, options.values, snapshot);
    if (options.limit >= 0) this.#cursor.expect(options.limit);
  }

  async _next(): Promise<Entry | undefined> {
    return this.#cursor.advance() ? this.#entry() : undefined;
  }

  async _nextv(size: number): Promise<Entry[]> {
    const entries: Entry[] = [];
    while (entries.length < size && this.#cursor.advance()) entries.push(this.#entry());
    return entries;
  }

  _seek(target: LevelKey): void {
    const key = storedKey(target);
    if (this.#range.includes(key)) this.#cursor.seek(key);
    else this.#cursor.end();
  }

  async _close(): Promise<void> {
    this.#own?.close();
  }

  #entry(): Entry {
    const { keys, values, keyEncoding } = this.#options;
    return [
      keys ? keyAt(this.#cursor, keyEncoding) : undefined,
      values ? this.#values.fromCursor(this.#cursor) : undefined,
    ];
  }
}
