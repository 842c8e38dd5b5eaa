/**
 * The local layers: memory over file. All calls are synchronous.
 *
 * Invariants
 * - What is in memory is in the file too, unless it is too large for it: so what has to leave the file leaves memory.
 * - A change is in the file before it is in memory. Where the file cannot take it, the file has no older version of it
 *   either; where not even that can be done, the file is not read any more.
 * - Listeners hear of each entry that is gone once, after it is.
 */
import { MmcbError } from '../errors.js';
import { Entry, SUSPECT } from './entry.js';
import type { CacheTeller, DeleteReason, LayerName } from './events.js';
import type { FileLayer, Sweep } from './file-layer.js';
import type { FileRecord } from './file-record.js';
import { type Bounds, MemoryLayer } from './memory-layer.js';
import { runOfProcess, type Siblings } from './siblings.js';
import { newCounters } from './stats.js';
import type { Coding, Encoded } from './values.js';

export type DeleteListener = (key: string, value: never, reason: DeleteReason) => void;

const NOTHING: Encoded = { bytes: Buffer.alloc(0), text: false };

export class LocalLayers {
  readonly memory: MemoryLayer;
  readonly counters = { memory: newCounters(), file: newCounters() };
  readonly listeners = new Set<DeleteListener>();
  /** Where `find` found what it returned. */
  foundIn: LayerName = 'memory';
  /** Set once the file has been opened. */
  file: FileLayer | undefined;
  siblings: Siblings | undefined;
  broken = false;

  readonly #coding: Coding<unknown>;
  readonly #teller: CacheTeller;
  readonly #now: () => number;
  readonly #run = runOfProcess();
  /** Nothing is over before this. */
  #earliest = Number.NEGATIVE_INFINITY;

  constructor(bounds: Bounds, coding: Coding<unknown>, teller: CacheTeller, now: () => number) {
    this.memory = new MemoryLayer(bounds, (key, entry) => this.#evictedFromMemory(key, entry));
    this.#coding = coding;
    this.#teller = teller;
    this.#now = now;
  }

  /** Entries, those included that have expired and have not been taken away. */
  get size(): number {
    return this.file === undefined ? this.memory.size : this.file.size;
  }

  // ---- Looking ----

  /**
   * The entry of a key, promoted from the file if it was there; undefined if there is none or it is over. It may be stale, and it
   * may be suspect. Throws MMCB_CODEC.
   */
  find(key: string): Entry | undefined {
    const now = this.#now();
    const place = this.memory.placeOf(key);
    const held = place === undefined ? undefined : this.memory.entryAt(place);
    if (place !== undefined && held !== undefined) {
      if (held.staleUntil > now) {
        this.memory.use(place);
        this.foundIn = 'memory';
        return held;
      }
      this.#expire(key, held, now);
    } else this.counters.memory.misses += 1;
    const record = this.#read(key);
    if (record === undefined) {
      if (this.file !== undefined) this.counters.file.misses += 1;
      return undefined;
    }
    if (record.staleUntil <= now) {
      this.#expireInFile(key, record);
      return undefined;
    }
    const entry = this.#entryOf(key, record);
    this.file?.mark(key);
    if (this.memory.fits(entry.bytes)) {
      this.memory.put(key, entry);
      this.counters.memory.promotions += 1;
    }
    this.foundIn = 'file';
    return entry;
  }

  /** The same, with nothing promoted, marked, counted or taken away. */
  peek(key: string): Entry | undefined {
    const now = this.#now();
    const held = this.memory.get(key);
    if (held !== undefined) return held.staleUntil > now ? held : undefined;
    const record = this.#read(key);
    return record !== undefined && record.staleUntil > now ? this.#entryOf(key, record) : undefined;
  }

  #entryOf(key: string, record: FileRecord): Entry {
    const { bytes, text } = record.encoded;
    return new Entry(
      record.absent ? undefined : this.#coding.decode(key, bytes, text),
      record.expires,
      record.staleUntil,
      bytes.length,
      record.time,
      record.origin,
      record.run === this.#run ? record.validated : SUSPECT,
      record.absent,
    );
  }

  #read(key: string): FileRecord | undefined {
    if (this.file === undefined || this.broken) return undefined;
    try {
      return this.file.read(key);
    } catch (error) {
      this.failed(key, error);
      return undefined;
    }
  }

  // ---- Changing ----

  /**
   * Stores an entry in the layers that can hold it; false if none can. `encoded` is needed where there is a file. With
   * `must`, throws what writing to the file throws, and nothing has changed; else the file does without it.
   */
  put(key: string, entry: Entry, encoded: Encoded | undefined, must: boolean): boolean {
    if (this.listeners.size > 0) this.#expireBefore(key, this.#now());
    return this.#store(key, entry, encoded, must);
  }

  #store(key: string, entry: Entry, encoded: Encoded | undefined, must: boolean): boolean {
    const inMemory = this.memory.fits(entry.bytes);
    const inFile = this.#write(key, entry, encoded, must, this.#now());
    if (inMemory) this.memory.put(key, entry);
    else this.memory.delete(key);
    this.#earliest = Math.min(this.#earliest, entry.staleUntil);
    this.siblings?.tell({ kind: 'changed', key });
    return inMemory || inFile;
  }

  /**
   * The same where there is nothing fresh; false if there is. Of several threads one succeeds, unless what was there has just
   * expired.
   */
  insert(key: string, entry: Entry, encoded: Encoded | undefined): boolean {
    const shared = this.siblings?.shared === true;
    const known = (shared ? undefined : this.memory.get(key)) ?? this.#read(key);
    if (known !== undefined && !known.absent && known.expires > this.#now()) return false;
    if (known !== undefined) this.remove(key, undefined);
    if (shared && this.file?.fits(entry.bytes) && !this.file.insert(key, this.#recordOf(entry, encoded))) {
      this.memory.delete(key);
      return false;
    }
    this.#store(key, entry, encoded, true);
    return true;
  }

  #write(key: string, entry: Entry, encoded: Encoded | undefined, must: boolean, now: number): boolean {
    const { file } = this;
    if (file === undefined || this.broken) return false;
    try {
      if (file.fits(entry.bytes)) {
        file.write(key, this.#recordOf(entry, encoded), now);
        return true;
      }
      file.remove(key);
    } catch (error) {
      if (must) throw error;
      this.failed(key, error);
      this.#removeFromFile(key);
    }
    return false;
  }

  #recordOf(entry: Entry, encoded: Encoded | undefined): FileRecord {
    const { expires, staleUntil, validated, time, origin, absent } = entry;
    return { expires, staleUntil, validated, run: this.#run, time, origin, absent, encoded: encoded ?? NOTHING };
  }

  /** Redis holds what we hold, as of now. */
  revalidate(key: string, entry: Entry, validated: number): void {
    entry.validated = validated;
    const record = this.#read(key);
    if (record === undefined || record.time !== entry.time || record.origin !== entry.origin) return;
    try {
      this.file?.write(key, { ...record, validated, run: this.#run }, this.#now());
    } catch (error) {
      this.failed(key, error);
    }
  }

  /**
   * Takes a key away; true if there was an entry that was not over. Tells listeners of an entry that was over, at the latest
   * `slip` milliseconds from now, and of any other if there is a reason.
   */
  remove(key: string, reason: DeleteReason | undefined, slip = 0): boolean {
    const now = this.#now();
    const held = this.memory.get(key);
    const stored = held === undefined ? this.#read(key) : undefined;
    this.#removeFromFile(key);
    this.memory.delete(key);
    this.siblings?.tell({ kind: 'changed', key });
    const known = held ?? stored;
    if (known === undefined || known.absent) return false;
    const over = known.staleUntil <= now + slip;
    if (over || reason !== undefined) this.#tellGone(key, held, stored, over ? 'expiry' : (reason as DeleteReason));
    return known.expires > now;
  }

  /** Whether a key was used in memory since this was last asked. */
  used(key: string): boolean {
    return this.memory.takeUsed(key);
  }

  /** Forgets what is in memory, because another thread has changed the file. */
  forget(key: string): void {
    this.memory.delete(key);
  }

  #removeFromFile(key: string): boolean {
    if (this.file === undefined || this.broken) return false;
    try {
      return this.file.remove(key);
    } catch (error) {
      // What cannot be removed must not be found again.
      if (!(error instanceof MmcbError && error.code === 'MMCB_CLOSED')) this.broken = true;
      this.failed(key, error);
      return false;
    }
  }

  // ---- Expiry ----

  /** Takes away what is over, in both layers. */
  sweep(removed: () => void): Sweep {
    const now = this.#now();
    // Other threads do not say when their entries are over.
    if (now < this.#earliest && this.siblings?.shared !== true) return { step: () => true, earliest: () => 0 };
    const before = this.#earliest;
    this.#earliest = Number.POSITIVE_INFINITY; // from here on writes lower it
    const inMemory = this.#sweepMemory(now, removed);
    const inFile = this.file?.sweep(now, (key, record) => {
      const held = this.memory.delete(key);
      this.counters.file.expirations += 1;
      removed();
      this.siblings?.tell({ kind: 'changed', key });
      this.#tellGone(key, held, record, 'expiry');
    });
    let left = inFile === undefined || this.broken ? [inMemory] : [inMemory, inFile];
    const step = (until: number): boolean => {
      try {
        while (left.length > 0 && left[0]?.step(until)) {
          this.#earliest = Math.min(this.#earliest, left[0].earliest());
          left = left.slice(1);
        }
        return left.length === 0;
      } catch (error) {
        this.#earliest = before;
        throw error;
      }
    };
    return { step, earliest: () => this.#earliest };
  }

  #sweepMemory(now: number, removed: () => void): Sweep {
    const { memory } = this;
    let place = 0;
    let earliest = Number.POSITIVE_INFINITY;
    const step = (until: number): boolean => {
      for (let count = 1; count % 256 !== 0 || performance.now() < until; count++, place++) {
        if (place >= memory.places) return true;
        const entry = memory.entryAt(place);
        if (entry === undefined) continue;
        if (entry.staleUntil > now) earliest = Math.min(earliest, entry.staleUntil);
        else {
          this.#expire(memory.keyAt(place), entry, now);
          removed();
        }
      }
      return false;
    };
    return { step, earliest: () => earliest };
  }

  /** An entry in memory is over. */
  #expire(key: string, held: Entry, now: number): void {
    this.memory.delete(key);
    this.counters.memory.expirations += 1;
    const { siblings } = this;
    if (siblings?.shared) {
      // Another thread may have replaced it in the file, or have taken it away, and told.
      const record = this.#read(key);
      if (record === undefined || record.staleUntil > now) return;
    }
    this.#removeFromFile(key);
    siblings?.tell({ kind: 'changed', key });
    this.#tellGone(key, held, undefined, 'expiry');
  }

  #expireInFile(key: string, record: FileRecord): void {
    if (!this.#removeFromFile(key)) return;
    this.counters.file.expirations += 1;
    this.#tellGone(key, undefined, record, 'expiry');
  }

  /** What is about to be replaced may be over, and nobody has been told. */
  #expireBefore(key: string, now: number): void {
    const held = this.memory.get(key);
    if (held !== undefined) {
      if (held.staleUntil <= now) this.#expire(key, held, now);
      return;
    }
    const record = this.#read(key);
    if (record !== undefined && record.staleUntil <= now) this.#expireInFile(key, record);
  }

  // ---- Eviction and damage, as the layers tell of them ----

  #evictedFromMemory(key: string, entry: Entry): void {
    this.counters.memory.evictions += 1;
    if (this.file !== undefined && !this.broken) {
      this.file.mark(key); // used until now, though the file has not noticed
      if (this.file.has(key)) return;
    }
    this.#tellGone(key, entry, undefined, entry.staleUntil <= this.#now() ? 'expiry' : 'eviction');
  }

  evictedFromFile(key: string, record: FileRecord): void {
    const over = record.staleUntil <= this.#now();
    this.counters.file[over ? 'expirations' : 'evictions'] += 1;
    const held = this.memory.delete(key);
    this.siblings?.tell({ kind: 'changed', key });
    this.#tellGone(key, held, record, over ? 'expiry' : 'eviction');
  }

  damagedInFile(key: string, error: Error): void {
    this.memory.delete(key);
    this.failed(key, error);
  }

  /** The file failed. */
  failed(key: string | undefined, error: unknown): void {
    this.counters.file.errors += 1;
    this.#teller.tell('error', { layer: 'file', key, error });
  }

  // ---- Listeners ----

  /** Tells that an entry is gone; one of `held` and `record` knows its value. */
  #tellGone(key: string, held: Entry | undefined, record: FileRecord | undefined, reason: DeleteReason): void {
    if (held?.absent || record?.absent) return;
    this.#teller.tell('delete', { key, reason });
    if (this.listeners.size === 0) return;
    let value = held?.value;
    if (held === undefined && record !== undefined) {
      try {
        value = this.#coding.decode(key, record.encoded.bytes, record.encoded.text);
      } catch (error) {
        this.failed(key, error); // gone all the same: they are told without the value
      }
    }
    this.tellListeners(key, value, reason);
  }

  tellListeners(key: string, value: unknown, reason: DeleteReason): void {
    for (const listener of [...this.listeners]) {
      try {
        listener(key, value as never, reason);
      } catch (error) {
        this.#teller.tell('error', { layer: 'listener', key, error });
        // An exception of a listener belongs to the event loop, not to whoever happened to take the entry away.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }
}
