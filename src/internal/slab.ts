/**
 * The slab: 64 KiB owned by JavaScript, which native code fills and JavaScript slices. Handing out a slice costs a quarter
 * of having native code make a Buffer (docs/architecture.md).
 *
 * Invariant: bytes before `position` belong to Buffers that were handed out, or to an iterator or decoder at work, and are
 * never written again. Native code writes from `position` on, or into a window that starts there.
 */
import { markAsUntransferable } from 'node:worker_threads';
import type { NativeBinding } from './native.js';

/** Bytes of a slab. */
export const SLAB_SIZE = 65_536;
/** Larger values get memory of their own, so that keeping one does not keep 64 KiB. */
export const LARGE = 8_192;

export class Slab {
  /** All of the current slab. */
  bytes!: Buffer;
  /** The memory of `bytes`. */
  memory!: ArrayBuffer;
  /** Where the next bytes go: 0 to SLAB_SIZE, a multiple of 8. */
  position = 0;

  readonly #native: NativeBinding;

  constructor(native: NativeBinding) {
    this.#native = native;
    this.renew();
  }

  /** Starts a new slab; the old one lives on as long as a Buffer over it does. */
  renew(): void {
    const bytes = Buffer.allocUnsafeSlow(SLAB_SIZE);
    markAsUntransferable(bytes.buffer);
    this.bytes = bytes;
    this.memory = bytes.buffer as ArrayBuffer;
    this.position = 0;
    this.#native.setSlab(bytes);
  }

  /** The `size` bytes at `position` as a Buffer of the caller's own. */
  take(size: number): Buffer {
    return this.takePart(size, 0, size);
  }

  /** Bytes [from, to) of the `size` bytes at `position` as a Buffer of the caller's own. */
  takePart(size: number, from: number, to: number): Buffer {
    const start = this.position;
    if (size > LARGE) return copyOf(this.bytes, start + from, to - from);
    this.position = (start + size + 7) & ~7;
    return Buffer.from(this.memory, start + from, to - from);
  }

  /**
   * Lets native code write a page (getMany, next) from `position` on, as if the slab began there; at least half a slab.
   * Ends with `closeWindow`. Nothing may read through the slab in between.
   */
  openWindow(): void {
    if (this.position > SLAB_SIZE / 2) this.renew();
    else if (this.position > 0) this.#native.setSlab(this.bytes.subarray(this.position));
  }

  closeWindow(): void {
    if (this.position > 0) this.#native.setSlab(this.bytes);
  }

  /** Keeps `size` bytes from `position` on for the caller, who knows where they are. */
  advance(size: number): void {
    this.position = (this.position + size + 7) & ~7;
  }
}

/** A copy of bytes [start, start + size) with memory of its own. */
export function copyOf(bytes: Buffer, start: number, size: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(size);
  bytes.copy(copy, 0, start, start + size);
  return copy;
}

/**
 * Reads a value that was found not to fit behind `slab.position`. `read` is the slab read, `readInto` the direct one; both
 * return a size or a negative code. The result is a Buffer of the caller's own, or the code.
 */
export function readLarge(
  slab: Slab,
  size: number,
  read: (position: number) => number,
  readInto: (target: Uint8Array) => number,
): Buffer | number {
  // Another thread may change the value between two calls, so its size is only believed when one call has seen it end.
  for (;;) {
    if (size < 0) return size;
    if (size <= LARGE) {
      if (slab.position + size > SLAB_SIZE) slab.renew();
      size = read(slab.position);
      if (size >= 0 && slab.position + size <= SLAB_SIZE) return slab.take(size);
    } else {
      const target = Buffer.allocUnsafeSlow(size + 1);
      const copied = readInto(target);
      if (copied < 0) return copied;
      if (copied <= size) return target.subarray(0, copied);
      size = read(SLAB_SIZE); // it has grown: only its size is wanted
    }
  }
}
