/**
 * RowTable: rows of a few 32-bit numbers each, in chunks, so that growing copies nothing and never takes long. The numbers
 * of a row lie side by side: who needs one of them mostly needs the others.
 */
const SHIFT = 16;
/** Rows of a chunk, and of the first one, so that small tables stay small. */
const CHUNK = 1 << SHIFT;
const FIRST = 1024;

export class RowTable {
  readonly #width: number;
  readonly #chunks: Uint32Array[] = [];
  #length = 0;

  /** `width`: numbers of a row. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Rows. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  }

  get(row: number, column: number): number {
    return (this.#chunks[row >>> SHIFT] as Uint32Array)[(row & (CHUNK - 1)) * this.#width + column] as number;
  }

  set(row: number, column: number, value: number): void {
    (this.#chunks[row >>> SHIFT] as Uint32Array)[(row & (CHUNK - 1)) * this.#width + column] = value;
  }

  /** Adds a row of zeros; its number. */
  add(): number {
    const row = this.#length;
    const index = row >>> SHIFT;
    const chunk = this.#chunks[index];
    if (chunk === undefined) this.#chunks.push(new Uint32Array((index === 0 ? FIRST : CHUNK) * this.#width));
    else if ((row & (CHUNK - 1)) * this.#width === chunk.length) {
      const larger = new Uint32Array(Math.min(chunk.length * 4, CHUNK * this.#width));
      larger.set(chunk);
      this.#chunks[index] = larger;
    }
    this.#length = row + 1;
    return row;
  }
}
