/**
 * The memory layer: a Map with bounds. What goes first is found by a second-chance clock (Corbató, 1968): a hand goes
 * round the entries, spares those that were looked at since it last came by, and takes the first that was not. A hit then
 * only sets a flag, where a list in order of use would be written in several places (docs/architecture.md).
 */
import type { Entry } from './entry.js';

/** Bounds of a layer. */
export interface Bounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export class MemoryLayer {
  readonly entries = new Map<string, Entry>();
  readonly #bounds: Bounds;
  readonly #evicted: (key: string, entry: Entry) => void;
  #hand: Iterator<[string, Entry]>;
  #bytes = 0;

  /** `evicted` is told of each entry that had to go. */
  constructor(bounds: Bounds, evicted: (key: string, entry: Entry) => void) {
    this.#bounds = bounds;
    this.#evicted = evicted;
    this.#hand = this.entries.entries();
  }

  get size(): number {
    return this.entries.size;
  }

  /** Bytes of the encoded values, as far as they are known. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Entry | undefined {
    return this.entries.get(key);
  }

  /** Whether an entry of so many bytes can be held at all. */
  fits(bytes: number): boolean {
    return bytes <= this.#bounds.maxBytes && this.#bounds.maxEntries > 0;
  }

  /** Stores an entry that fits, and makes room for it. */
  put(key: string, entry: Entry): void {
    const before = this.entries.get(key);
    if (before !== undefined) this.#bytes -= before.bytes;
    this.#bytes += entry.bytes;
    this.entries.set(key, entry);
    while (this.entries.size > this.#bounds.maxEntries || this.#bytes > this.#bounds.maxBytes) this.#evict(key);
  }

  delete(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    this.#bytes -= entry.bytes;
    return entry;
  }

  clear(): void {
    this.entries.clear();
    this.#bytes = 0;
  }

  /** Takes the next entry that was not used, but not the one that room is made for. */
  #evict(spared: string): void {
    for (;;) {
      // An iterator of a Map goes on where it is, whatever is added and removed meanwhile.
      const step = this.#hand.next();
      if (step.done) {
        this.#hand = this.entries.entries();
        continue;
      }
      const [key, entry] = step.value;
      if (key === spared) continue;
      if (entry.used) {
        entry.used = false;
        continue;
      }
      this.delete(key);
      this.#evicted(key, entry);
      return;
    }
  }
}
