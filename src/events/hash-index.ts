/**
 * HashIndex: finds rows by the hash of something that is not kept: whoever asks compares the candidates with what is stored.
 * Open addressing with linear probing; 4 bytes for each place, at most three quarters of them taken. Nothing is removed: an
 * index that has lost rows is made anew.
 */
const SMALLEST = 1024;

export class HashIndex {
  readonly #hashOf: (row: number) => number;
  #places: Uint32Array; // row + 1, or 0
  #mask: number;
  #count = 0;

  /** `hashOf`: the hash of a row that is in the index. `expected`: rows that there will be. */
  constructor(hashOf: (row: number) => number, expected = 0) {
    let size = SMALLEST;
    while (size * 0.75 < expected) size *= 2;
    this.#hashOf = hashOf;
    this.#places = new Uint32Array(size);
    this.#mask = size - 1;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#places.byteLength;
  }

  /** Adds the next row, from 0 on, whose hash `hashOf` can be asked for by now. */
  add(row: number): void {
    if (this.#count + 1 > this.#places.length * 0.75) this.#grow();
    this.#put(row);
    this.#count += 1;
  }

  /** The row with this hash that `matches`, or -1. */
  find(hash: number, matches: (row: number) => boolean): number {
    for (let at = hash & this.#mask; ; at = (at + 1) & this.#mask) {
      const place = this.#places[at] as number;
      if (place === 0) return -1;
      if (this.#hashOf(place - 1) === hash && matches(place - 1)) return place - 1;
    }
  }

  #put(row: number): void {
    let at = this.#hashOf(row) & this.#mask;
    while (this.#places[at] !== 0) at = (at + 1) & this.#mask;
    this.#places[at] = row + 1;
  }

  #grow(): void {
    this.#places = new Uint32Array(this.#places.length * 2);
    this.#mask = this.#places.length - 1;
    // In the order of rows, which lie side by side, and not in that of their hashes.
    for (let row = 0; row < this.#count; row++) this.#put(row);
  }
}
