/**
 * Staging: memory in which bytes are made that are for writing at once, used again and again. Making a view of it costs more
 * than filling it, so views of the usual sizes are kept.
 */

/** Views of up to so many bytes are kept: a hundred kilobytes of them, if there is one of each size. */
const KEPT = 1024;

export class Staging {
  /** At least as large as `reserve` was last told. */
  bytes: Buffer;
  #views: Buffer[] = [];

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** Makes sure that there are so many bytes; true if the memory is another one then, with nothing in it. */
  reserve(size: number): boolean {
    if (size <= this.bytes.length) return false;
    this.bytes = Buffer.allocUnsafeSlow((size * 2 + 7) & ~7);
    this.#views = [];
    return true;
  }

  /** The first `size` bytes. */
  view(size: number): Buffer {
    if (size > KEPT) return this.bytes.subarray(0, size);
    this.#views[size] ??= this.bytes.subarray(0, size);
    return this.#views[size] as Buffer;
  }
}
