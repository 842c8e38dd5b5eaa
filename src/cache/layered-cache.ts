/**
 * LayeredCache: memory, then a mapped file, then Redis, as one cache. This is its outside; the local layers are in
 * local-layers.ts, what concerns Redis in remote-side.ts, loading in loads.ts.
 */

import type { WaitOptions } from '../buffer/options.js';
import { waitTable } from '../buffer/options.js';
import { describe, MmcbError } from '../errors.js';
import { orAbort } from '../internal/lifecycle.js';
import { checkPath, readOptions, show } from '../internal/options.js';
import { badStringKey } from '../map/keys.js';
import { type FullClock, timeOf } from '../queue/clock.js';
import type { Entry } from './entry.js';
import { CacheTeller, type DeleteReason } from './events.js';
import { DEFAULT_EXPIRY, Deadlines, NO_EXPIRY } from './expiry.js';
import { FileLayer } from './file-layer.js';
import { type CacheRecovery, openCacheFile } from './file-opening.js';
import { Flights } from './flights.js';
import { Janitor, sweepInSteps } from './janitor.js';
import { LoadClaims } from './load-claims.js';
import { type Loader, Loads, type LoadTarget } from './loads.js';
import { type DeleteListener, LocalLayers } from './local-layers.js';
import { MemoryLayer } from './memory-layer.js';
import {
  type GetOrLoadOptions,
  type LayeredCacheOptions,
  readLoadOptions,
  readSettings,
  type Settings,
} from './options.js';
import { Outbox } from './outbox.js';
import { RemoteSide } from './remote-side.js';
import { Siblings } from './siblings.js';
import { StampClock } from './stamp.js';
import type { CacheStats } from './stats.js';
import { Writing } from './writing.js';

const internal = Symbol('internal');
const NOTHING_HELD = new MemoryLayer({ maxEntries: 0, maxBytes: 0 }, () => {});

/**
 * A cache of up to three layers: memory, a mapped file (`path`) and Redis (`redis`). Reads go from the top down, and what
 * is found is promoted; writes go through to all. Keys are any strings, in the file of up to 65,534 bytes as UTF-8; values
 * anything but undefined that the codec takes. A value that is read is the one that was stored, not a copy, as long as it is in
 * memory: do not change it.
 *
 * Calls after `close` reject with (`peek`, `stats` and the like throw) MMCB_CLOSED. What is promised when, and what survives
 * what, is in docs/cache.md.
 *
 * @example
 * const cache = await LayeredCache.open({ path: 'cache.mmcb', defaultExpiry: 60_000, maxEntries: 100_000 });
 * await cache.put('user:1', { name: 'Ada' });
 * const user = await cache.getOrLoad('user:2', (key) => database.load(key));
 */
export class LayeredCache<V = unknown> {
  /** As an expiry: the one that the cache was opened with. */
  static readonly DefaultExpiry = DEFAULT_EXPIRY;
  /** As an expiry: never. */
  static readonly NoExpiry = NO_EXPIRY;

  /** What opening the file found; undefined without a file. */
  readonly recovery: CacheRecovery | undefined;
  readonly #settings: Settings<V>;
  readonly #local: LocalLayers;
  readonly #remote: RemoteSide | undefined;
  readonly #loads: Loads;
  readonly #flights = new Flights();
  readonly #writing: Writing;
  readonly #janitor: Janitor;
  readonly #teller: CacheTeller;
  readonly #stamps: StampClock;
  readonly #clock: FullClock;
  readonly #counters = { hits: 0, misses: 0, deletes: 0, staleServed: 0 };
  #closing: Promise<void> | undefined;
  /** What is in memory, where reads begin; nothing once the cache is closing. */
  #memory: MemoryLayer;

  /**
   * Opens a cache. Entries that were in the file are there again, those that have expired meanwhile excepted; nothing is read of
   * them before somebody asks.
   *
   * A damaged file is salvaged, or begun anew (see `recovery`). Rejects with MMCB_NOT_MMCB for a file of something else,
   * MMCB_LOCKED where another process has it, and with `onRedisError: 'throw'` with MMCB_LAYER where Redis cannot be had.
   */
  static async open<V = unknown>(options?: LayeredCacheOptions<V>): Promise<LayeredCache<V>> {
    const owner = 'LayeredCache.open';
    const settings = readSettings(options, owner);
    if (settings.path !== undefined) checkPath(settings.path, owner);
    settings.signal?.throwIfAborted();
    const opened = settings.path === undefined ? undefined : await openCacheFile(settings.path, settings.buffer);
    let cache: LayeredCache<V> | undefined;
    try {
      cache = new LayeredCache<V>(internal, settings, opened);
      await cache.#start();
      return cache;
    } catch (error) {
      await (cache === undefined ? opened?.buffer.close() : cache.close());
      throw error;
    }
  }

  /** Not for use: see `open`. */
  constructor(token: symbol, settings: Settings<V>, opened: Awaited<ReturnType<typeof openCacheFile>> | undefined) {
    if (token !== internal) throw new TypeError('use LayeredCache.open() instead of new');
    const { redis, clock } = settings;
    const now = (): number => timeOf(clock);
    this.#settings = settings;
    this.#clock = clock;
    this.#teller = new CacheTeller(settings.name);
    this.#stamps = new StampClock(now);
    this.#local = new LocalLayers(settings.memory, settings.coding, this.#teller, now);
    this.#memory = this.#local.memory;
    this.recovery = opened?.recovery;
    const claims = this.#openFile(opened);
    this.#remote =
      redis &&
      new RemoteSide({
        layer: redis,
        local: this.#local,
        outbox: new Outbox(this.#local.file, settings.maxPending),
        flights: this.#flights,
        stamps: this.#stamps,
        coding: settings.coding,
        policy: settings.onRedisError,
        teller: this.#teller,
        now,
      });
    this.#writing = new Writing({
      local: this.#local,
      remote: this.#remote,
      flights: this.#flights,
      stamps: this.#stamps,
      deadlines: new Deadlines(settings.defaultExpiry, settings.jitter),
      clock,
      coding: settings.coding,
      teller: this.#teller,
      encodes: opened !== undefined || redis !== undefined || settings.memory.maxBytes !== Number.POSITIVE_INFINITY,
    });
    const target: LoadTarget = {
      findTrusted: (key) => this.#findTrusted(key),
      isFresh: (entry) => this.#isFresh(entry),
      storeLoaded: async (key, value, flight, load) => {
        if (this.#closing === undefined) await this.#writing.writeLoaded(key, value, flight, load);
      },
    };
    this.#loads = new Loads(target, this.#flights, claims, this.#teller);
    this.#janitor = new Janitor(clock, settings.cleanupInterval, () => void this.#clean());
  }

  #openFile(opened: Awaited<ReturnType<typeof openCacheFile>> | undefined): LoadClaims | undefined {
    if (opened === undefined) return undefined;
    const local = this.#local;
    const file = new FileLayer(opened.buffer, this.#settings.file, {
      evicted: (key, record) => local.evictedFromFile(key, record),
      used: (key) => local.used(key),
      damaged: (key, error) => local.damagedInFile(key, error),
    });
    local.file = file;
    if (opened.recovery.rebuilt !== undefined) local.failed(undefined, opened.recovery.rebuilt.error);
    if (opened.buffer.path === ':memory:') return undefined; // no other thread can open it
    let claims: LoadClaims | undefined;
    const { origin } = this.#stamps;
    local.siblings = new Siblings(file, origin, ({ kind, key }) => {
      if (kind === 'loaded') return claims?.wake(key);
      this.#flights.changed(key);
      local.forget(key);
    });
    claims = new LoadClaims(file, local.siblings, origin, this.#settings.loadTimeout);
    return claims;
  }

  async #start(): Promise<void> {
    if (this.#remote !== undefined) {
      const started = this.#remote.link.start();
      await orAbort(
        this.#settings.onRedisError === 'throw' ? started : started.catch(() => {}), // trials go on in the background
        this.#settings.signal,
      );
    }
    this.#janitor.start();
  }

  // ---- Reading ----

  /**
   * The value of a key, from the first layer that has it, or undefined. Rejects with MMCB_CODEC when it cannot be decoded, and
   * with MMCB_LAYER when Redis fails and `onRedisError` is 'throw'.
   */
  get(key: string): Promise<V | undefined> {
    const memory = this.#memory;
    const place = memory.placeOf(key);
    if (place !== undefined && this.#isServedAt(place)) {
      memory.use(place);
      this.#counters.hits += 1;
      this.#local.counters.memory.hits += 1;
      if (this.#teller.hearsHits) this.#teller.tell('hit', { key, layer: 'memory' });
      return Promise.resolve(memory.valueAt(place) as V | undefined);
    }
    // What is in the file is not worth a second promise either.
    try {
      return this.#getBelow(key);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #getBelow(key: string): Promise<V | undefined> {
    this.#check(key);
    const entry = this.#findLocally(key);
    if (entry !== undefined && this.#isServable(entry)) {
      this.#counters.hits += 1;
      return Promise.resolve(entry.value as V | undefined);
    }
    if (this.#remote !== undefined) return this.#getRemotely(this.#remote, key, entry);
    this.#missed(key);
    return Promise.resolve(undefined);
  }

  async #getRemotely(remote: RemoteSide, key: string, suspect: Entry | undefined): Promise<V | undefined> {
    const entry = await remote.read(key, suspect);
    if (entry !== undefined && this.#isFresh(entry)) {
      this.#counters.hits += 1;
      return entry.value as V | undefined;
    }
    this.#missed(key);
    return undefined;
  }

  #missed(key: string): void {
    this.#counters.misses += 1;
    this.#teller.tell('miss', { key });
  }

  /**
   * What `get` would give without asking Redis, at once: what the local layers have, unless it is suspect while Redis could be
   * asked. Promotes nothing. Throws MMCB_CODEC.
   */
  peek(key: string): V | undefined {
    const place = this.#memory.placeOf(key);
    if (place !== undefined && this.#isServedAt(place)) return this.#memory.valueAt(place) as V | undefined;
    this.#check(key);
    const entry = this.#local.peek(key);
    if (entry === undefined || !this.#isFresh(entry)) return undefined;
    const remote = this.#remote;
    return remote === undefined || remote.trusts(entry) || remote.servesSuspects
      ? (entry.value as V | undefined)
      : undefined;
  }

  /** Whether there is a value, without reading or promoting it. */
  async has(key: string): Promise<boolean> {
    this.#check(key);
    const entry = this.#local.peek(key);
    if (entry !== undefined && this.#isServable(entry)) return !entry.absent;
    return this.#remote === undefined ? false : this.#remote.has(key, entry);
  }

  /**
   * The value of a key; where there is none, what `loader` makes of the key, which is then stored. One loader of a key at a
   * time, also among the threads that have the file open; who asks meanwhile gets the same. If `loader` gives undefined, nothing
   * is stored, unless `negativeExpiry` says so. Rejects with the error of the loader.
   *
   * With `staleFor`, a value that has expired is still served so long, while it is loaded again in the background.
   */
  async getOrLoad(key: string, loader: Loader<V>, options?: GetOrLoadOptions): Promise<V | undefined> {
    this.#check(key);
    if (typeof loader !== 'function') throw new TypeError(`loader must be a function, got ${show(loader)}`);
    const { signal, expiry, staleFor, negativeExpiry = this.#settings.negativeExpiry } = readLoadOptions(options);
    signal?.throwIfAborted();
    const settings = { expiry, staleFor, negativeExpiry };
    const entry = this.#findTrusted(key) ?? (await orAbort(this.#find(key), signal));
    if (entry !== undefined && this.#isFresh(entry)) {
      this.#counters.hits += 1;
      return entry.value as V | undefined;
    }
    this.#assertOpen();
    const loading = this.#loads.load(key, loader, settings) as Promise<V | undefined>;
    if (entry === undefined || entry.absent) {
      this.#counters.misses += 1;
      return orAbort(loading, signal);
    }
    loading.catch(() => {}); // told as 'load:failed'; the next to ask tries again
    this.#counters.hits += 1;
    this.#counters.staleServed += 1;
    return entry.value as V | undefined;
  }

  /** The entry of a key, fresh or stale, from whichever layer. */
  async #find(key: string): Promise<Entry | undefined> {
    const entry = this.#findLocally(key);
    if (this.#remote === undefined || (entry !== undefined && this.#isServable(entry))) return entry;
    return this.#remote.read(key, entry);
  }

  #findTrusted(key: string): Entry | undefined {
    const entry = this.#findLocally(key);
    return entry !== undefined && (this.#remote?.trusts(entry) ?? true) ? entry : undefined;
  }

  #findLocally(key: string): Entry | undefined {
    const entry = this.#local.find(key);
    if (entry !== undefined && this.#isServable(entry)) {
      const layer = this.#local.foundIn === 'memory' ? 'memory' : 'file';
      this.#local.counters[layer].hits += 1;
      if (this.#teller.hearsHits) this.#teller.tell('hit', { key, layer });
    }
    return entry;
  }

  /** Whether an entry can be served as it is, without asking anybody. */
  #isServable(entry: Entry): boolean {
    return this.#isFresh(entry) && (this.#remote === undefined || this.#remote.trusts(entry));
  }

  /** The same of the entry at a place in memory, which is looked at only where Redis is to be trusted. */
  #isServedAt(place: number): boolean {
    const expires = this.#memory.expiresAt(place);
    if (expires !== Number.POSITIVE_INFINITY && expires <= this.#clock.now()) return false;
    return this.#remote === undefined || this.#remote.trusts(this.#memory.entryAt(place) as Entry);
  }

  #isFresh(entry: Entry): boolean {
    return entry.expires > this.#clock.now();
  }

  // ---- Writing ----

  /**
   * Stores a value under a key that has none; false, with nothing changed, if it has one. Atomic, with Redis among all instances;
   * while Redis is down the local layers decide. `expiry`: milliseconds, `DefaultExpiry` or `NoExpiry`.
   */
  async set(key: string, value: V, expiry: number = DEFAULT_EXPIRY): Promise<boolean> {
    this.#check(key);
    return this.#writing.write(key, value, expiry, true);
  }

  /** Stores a value, in place of what there was. `expiry`: milliseconds, `DefaultExpiry` or `NoExpiry`. */
  async put(key: string, value: V, expiry: number = DEFAULT_EXPIRY): Promise<void> {
    this.#check(key);
    await this.#writing.write(key, value, expiry, false);
  }

  /** Removes a key from all layers; false if there was nothing. */
  async delete(key: string): Promise<boolean> {
    this.#check(key);
    this.#flights.changed(key);
    const existed = this.#remote === undefined ? this.#local.remove(key, 'delete') : await this.#remote.remove(key);
    if (existed) this.#counters.deletes += 1;
    return existed;
  }

  // ---- Expiry ----

  /**
   * Calls `listener` after an entry is gone: deleted, expired (when that is noticed: by a read, the janitor, or
   * `deleteExpired`), or evicted from the local layers by their bounds. Once each. Returns a function that ends it.
   *
   * The value is undefined if it cannot be decoded any more. What a listener throws is thrown again in the event loop.
   */
  onDelete(listener: (key: string, value: V, reason: DeleteReason) => void): () => void {
    if (typeof listener !== 'function') throw new TypeError(`listener must be a function, got ${show(listener)}`);
    this.#assertOpen();
    const own: DeleteListener = (key, value, reason) => listener(key, value, reason);
    this.#local.listeners.add(own);
    return () => void this.#local.listeners.delete(own);
  }

  /**
   * Takes away what has expired from the local layers, in steps of a few milliseconds, the first at once; resolves to how
   * many entries that were. Redis does so by itself.
   */
  async deleteExpired(): Promise<number> {
    this.#assertOpen();
    let count = 0;
    const sweep = this.#local.sweep(() => {
      count += 1;
    });
    await sweepInSteps(sweep, () => this.#closing !== undefined);
    return count;
  }

  /** Ends the janitor. Expired entries are still not found, and `deleteExpired` still takes them away. */
  stopCleaner(): void {
    this.#janitor.stop();
  }

  async #clean(): Promise<void> {
    if (this.#closing !== undefined) return;
    await this.deleteExpired().catch((error: unknown) => this.#local.failed(undefined, error));
  }

  // ---- The whole ----

  /** Entries in the local layers; those included that have expired and have not been taken away. */
  get size(): number {
    this.#assertOpen();
    return this.#local.size;
  }

  /** Counters and health, as of now. */
  stats(): CacheStats {
    this.#assertOpen();
    const { memory, file, counters, broken } = this.#local;
    return {
      ...this.#counters,
      writes: this.#writing.writes,
      loads: this.#loads.started,
      failedLoads: this.#loads.failed,
      memory: { ...counters.memory, entries: memory.size, bytes: memory.bytes },
      file: file && { ...counters.file, entries: file.size, bytes: file.bytes, broken, buffer: file.buffer.stats() },
      redis: this.#remote?.stats(),
    };
  }

  /** Everything so far is on the disk; see {@link CompactableBuffer.flush}. */
  async flush(options?: WaitOptions): Promise<void> {
    this.#assertOpen();
    await this.#local.file?.buffer.flush(options);
  }

  /**
   * Ends the janitor, sends what waits for Redis if that is there, and closes. What waits still is in the file, and is sent when
   * that is opened again; without a file it is lost. Loads that are under way end for those who wait for them, and are not stored.
   * May be called any number of times. With `signal`, only the waiting can be given up.
   */
  async close(options?: WaitOptions): Promise<void> {
    const { signal } = readOptions(waitTable, options, 'close');
    this.#memory = NOTHING_HELD;
    this.#closing ??= this.#close();
    return orAbort(this.#closing, signal);
  }

  async #close(): Promise<void> {
    this.#janitor.stop();
    this.#loads.close();
    await this.#remote?.close();
    this.#local.siblings?.close();
    this.#local.memory.clear();
    await this.#local.file?.buffer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(key: unknown): void {
    if (typeof key !== 'string') throw badStringKey(key);
    this.#assertOpen();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new MmcbError('MMCB_CLOSED', describe('MMCB_CLOSED', `the cache ${this.#settings.name}`));
    }
  }
}
