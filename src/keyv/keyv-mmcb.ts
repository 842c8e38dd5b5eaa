/**
 * KeyvMmcb: a storage adapter for Keyv, by the shape of its interface; nothing of Keyv is imported.
 *
 * Keyv 5 puts the namespace before each key itself ('namespace:key'), and sets `namespace` so that clearing and iterating can
 * go by it. Keyv 6 wraps a store that has no `namespace` of its own and does as much ('namespace::key'): so it is not
 * defined here before somebody sets it.
 */
import { EventEmitter } from 'node:events';
import { msgpack } from '../codec/msgpack.js';
import { ExpiringMap } from '../expiring/expiring-map.js';
import { type ExpiringOptions, expiringTable } from '../expiring/options.js';
import { checkPath, readOptions } from '../internal/options.js';

/** Options of {@link KeyvMmcb}. */
export type KeyvMmcbOptions = ExpiringOptions;

/** An entry of `setMany`; `ttl` in milliseconds. */
interface Entry {
  key: string;
  value: unknown;
  ttl?: number | undefined;
}

/**
 * A store for Keyv. The file is opened by the first call, and closed by `disconnect` for good. Once a call has resolved,
 * what it did survives the death of the process. Calls reject as those of a StringMap do.
 *
 * @example
 * const keyv = new Keyv({ store: new KeyvMmcb({ path: 'cache.mmcb' }), namespace: 'users' });
 * await keyv.set('1', { name: 'Ada' }, 60_000);
 */
export class KeyvMmcb extends EventEmitter {
  /**
   * What the store was made with. Keyv 5 makes an iterator only for stores whose `dialect` it knows, and reads `url`; of those
   * that it knows, 'sqlite' is the one that is a file.
   */
  readonly opts: KeyvMmcbOptions & { url: string; dialect: string };
  /** Set by Keyv 5. */
  declare namespace?: string | undefined;
  readonly #settings: ReturnType<typeof readOptions<typeof expiringTable>>;
  #map: Promise<ExpiringMap<unknown>> | undefined;

  /** A TypeError or RangeError for options that are wrong; the file is not touched yet. */
  constructor(options: KeyvMmcbOptions) {
    super();
    this.#settings = readOptions(expiringTable, options, 'KeyvMmcb');
    const path = checkPath(options?.path, 'KeyvMmcb');
    this.opts = { ...options, url: `mmcb://${path}`, dialect: 'sqlite' };
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    return (await this.#open()).get(key) as Value | undefined;
  }

  async getMany<Value>(keys: string[]): Promise<(Value | undefined)[]> {
    return (await this.#open()).getMany(keys) as (Value | undefined)[];
  }

  /** `ttl` in milliseconds; 0 or none: for ever. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    (await this.#open()).set(key, value, expiry(ttl));
    return true;
  }

  /** Sets all or none. */
  async setMany(entries: Entry[]): Promise<void> {
    const map = await this.#open();
    map.setMany(entries.map(({ key, value, ttl }) => ({ key, value, expires: expiry(ttl) })));
  }

  async has(key: string): Promise<boolean> {
    return (await this.#open()).has(key);
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    const map = await this.#open();
    return keys.map((key) => map.has(key));
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#open()).delete(key);
  }

  /** Whether all of them were there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    const map = await this.#open();
    return keys.map((key) => map.delete(key)).every(Boolean);
  }

  /** Removes everything, or what is in the namespace. */
  async clear(): Promise<void> {
    (await this.#open()).clear(prefixOf(this.namespace));
  }

  /** Keys, with their prefix, and values of a namespace. */
  async *iterator<Value>(namespace?: string): AsyncGenerator<[string, Awaited<Value>], void> {
    const map = await this.#open();
    yield* map.entries(prefixOf(namespace)) as Generator<[string, Awaited<Value>]>;
  }

  /** Closes the file; calls reject with MMCB_CLOSED from then on. */
  async disconnect(): Promise<void> {
    const map = await this.#map;
    await map?.close();
  }

  #open(): Promise<ExpiringMap<unknown>> {
    if (this.#map === undefined) {
      const { path = '', codec = msgpack(), cleanupInterval } = this.#settings;
      const { path: _, codec: __, cleanupInterval: ___, url, dialect, ...buffer } = this.opts;
      const opened = ExpiringMap.open(path, buffer, codec, cleanupInterval);
      // Where opening fails the next call tries again.
      opened.catch(() => {
        this.#map = undefined;
      });
      this.#map = opened;
    }
    return this.#map;
  }
}

const prefixOf = (namespace: string | undefined): string => (namespace ? `${namespace}:` : '');

function expiry(ttl: number | undefined): number | undefined {
  return typeof ttl === 'number' && ttl !== 0 ? Date.now() + ttl : undefined;
}
