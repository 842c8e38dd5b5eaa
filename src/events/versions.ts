/**
 * Versions: the version of each row of an index, ascending. Takes no memory while there are no gaps, and 8 bytes for each row
 * from the first gap on (events were collected, or lost).
 */
import type { Version } from './event.js';
import { RowTable } from './row-table.js';

/** Columns: a version may have 53 bits. */
const LOW = 0;
const HIGH = 1;
const WORD = 2 ** 32;

export class Versions {
  #first = 1;
  #length = 0;
  #table: RowTable | undefined;

  /** Bytes of memory. */
  get bytes(): number {
    return this.#table?.bytes ?? 0;
  }

  /** Adds a row; its version must be above all others. */
  add(version: Version): void {
    if (this.#length === 0) this.#first = version;
    else if (this.#table === undefined && version !== this.#first + this.#length) this.#spell();
    if (this.#table !== undefined) put(this.#table, version);
    this.#length += 1;
  }

  /** The version of a row that there is. */
  at(row: number): Version {
    if (this.#table === undefined) return this.#first + row;
    return this.#table.get(row, HIGH) * WORD + this.#table.get(row, LOW);
  }

  /** The first row with this version or a later one; the number of rows if there is none. O(log n) with gaps. */
  from(version: Version): number {
    if (this.#table === undefined) return Math.min(Math.max(0, version - this.#first), this.#length);
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.at(middle) < version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Writes down what was plain so far. */
  #spell(): void {
    this.#table = new RowTable(2);
    for (let row = 0; row < this.#length; row++) put(this.#table, this.#first + row);
  }
}

function put(table: RowTable, version: Version): void {
  const row = table.add();
  table.set(row, LOW, version % WORD);
  table.set(row, HIGH, Math.floor(version / WORD));
}
