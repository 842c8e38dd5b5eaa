/**
 * The memory layer: entries with bounds. What goes first is found by a second-chance clock (Corbató, 1968): a hand goes
 * round the entries, spares those that were looked at since it last came by, and takes the first that was not. A hit then
 * only sets a flag, where a list in order of use would be written in several places (docs/architecture.md).
 *
 * Each key has a place, a small number, and what a hit needs lies in arrays by place: a hit then touches a few dense arrays
 * instead of one object for each entry, somewhere in memory.
 */
import type { Entry } from './entry.js';

/** Bounds of a layer. */
export interface Bounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export class MemoryLayer {
  readonly #bounds: Bounds;
  readonly #evicted: (key: string, entry: Entry) => void;
  readonly #placeOf = new Map<string, number>();
  // By place. Places that are free have no entry, and are in #free.
  #keys: string[] = [];
  #entries: (Entry | undefined)[] = [];
  #values: unknown[] = [];
  #expires = new Float64Array(64);
  #used = new Uint8Array(64);
  #free: number[] = [];
  #hand = 0;
  #bytes = 0;

  /** `evicted` is told of each entry that had to go. */
  constructor(bounds: Bounds, evicted: (key: string, entry: Entry) => void) {
    this.#bounds = bounds;
    this.#evicted = evicted;
  }

  get size(): number {
    return this.#placeOf.size;
  }

  /** Bytes of the encoded values, as far as they are known. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Places in use are below this. Entries that are put in while others walk over the places may be met or not. */
  get places(): number {
    return this.#entries.length;
  }

  /** Where the entry of a key is, until the next change. */
  placeOf(key: string): number | undefined {
    return this.#placeOf.get(key);
  }

  /** The value at a place in use. */
  valueAt(place: number): unknown {
    return this.#values[place];
  }

  /** Until when that is fresh: ms since 1970. */
  expiresAt(place: number): number {
    return this.#expires[place] as number;
  }

  entryAt(place: number): Entry | undefined {
    return this.#entries[place];
  }

  keyAt(place: number): string {
    return this.#keys[place] as string;
  }

  /** Notes that the entry at a place was looked at. */
  use(place: number): void {
    this.#used[place] = 1;
  }

  /** Whether a key was looked at since this was last asked, or the hand came by. */
  takeUsed(key: string): boolean {
    const place = this.#placeOf.get(key);
    if (place === undefined || this.#used[place] === 0) return false;
    this.#used[place] = 0;
    return true;
  }

  get(key: string): Entry | undefined {
    const place = this.#placeOf.get(key);
    return place === undefined ? undefined : this.#entries[place];
  }

  /** Whether an entry of so many bytes can be held at all. */
  fits(bytes: number): boolean {
    return bytes <= this.#bounds.maxBytes && this.#bounds.maxEntries > 0;
  }

  /** Stores an entry that fits, and makes room for it. */
  put(key: string, entry: Entry): void {
    const place = this.#placeOf.get(key) ?? this.#take(key);
    this.#bytes += entry.bytes - (this.#entries[place]?.bytes ?? 0);
    this.#entries[place] = entry;
    this.#values[place] = entry.value;
    this.#expires[place] = entry.expires;
    this.#used[place] = 0;
    while (this.size > this.#bounds.maxEntries || this.#bytes > this.#bounds.maxBytes) this.#evict(place);
  }

  delete(key: string): Entry | undefined {
    const place = this.#placeOf.get(key);
    if (place === undefined) return undefined;
    const entry = this.#entries[place] as Entry;
    this.#bytes -= entry.bytes;
    this.#placeOf.delete(key);
    this.#keys[place] = '';
    this.#entries[place] = undefined;
    this.#values[place] = undefined;
    this.#free.push(place);
    return entry;
  }

  clear(): void {
    this.#placeOf.clear();
    this.#keys = [];
    this.#entries = [];
    this.#values = [];
    this.#expires = new Float64Array(64);
    this.#used = new Uint8Array(64);
    this.#free = [];
    this.#hand = 0;
    this.#bytes = 0;
  }

  /** A place for a new key. */
  #take(key: string): number {
    const place = this.#free.pop() ?? this.#entries.push(undefined) - 1;
    if (place === this.#used.length) this.#grow();
    this.#keys[place] = key;
    this.#placeOf.set(key, place);
    return place;
  }

  #grow(): void {
    const [expires, used] = [this.#expires, this.#used];
    this.#expires = new Float64Array(2 * expires.length);
    this.#expires.set(expires);
    this.#used = new Uint8Array(2 * used.length);
    this.#used.set(used);
  }

  /** Takes the next entry that was not used, but not the one that room is made for. */
  #evict(spared: number): void {
    for (;;) {
      const place = this.#hand;
      this.#hand = place + 1 < this.#entries.length ? place + 1 : 0;
      const entry = this.#entries[place];
      if (entry === undefined || place === spared) continue;
      if (this.#used[place] === 1) {
        this.#used[place] = 0;
        continue;
      }
      const key = this.#keys[place] as string;
      this.delete(key);
      this.#evicted(key, entry);
      return;
    }
  }
}
