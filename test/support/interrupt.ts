/** Interleavings of threads, one at a time: something is done between two calls that somebody makes to the engine. */

import { storeOf } from '../../src/buffer/compactable-buffer.js';
import type { CompactableBuffer } from '../../src/index.js';
import type { NativeBinding } from '../../src/internal/native.js';

/** The number of a call that is not made: who begins with it finds out how many calls there are. */
export const NEVER = -1;

/** Calls that fill a window of the slab. */
const windowed = new Set<keyof NativeBinding>(['intGetMany', 'stringGetMany', 'next', 'range']);

/**
 * Something that happens once, before call number `at` (from 0) that the owners of buffers make, as if another thread did
 * it: with a slab of its own.
 */
export class Interruption {
  /** Calls that were made. */
  calls = 0;
  readonly #at: number;
  readonly #body: () => void;
  #isOver = false;

  constructor(at: number, body: () => void) {
    this.#at = at;
    this.#body = body;
  }

  /** From here on the calls of this buffer's owner count. */
  watch(buffer: CompactableBuffer): void {
    const store = storeOf(buffer);
    const native = new Proxy(store.native, {
      get: (target, name: keyof NativeBinding): unknown => {
        const value: unknown = target[name];
        if (typeof value !== 'function') return value;
        return (...given: unknown[]): unknown => {
          if (!this.#isOver && this.calls++ === this.#at) {
            const { slab } = store;
            const { bytes, memory, position } = slab;
            slab.renew();
            this.#body();
            Object.assign(slab, { bytes, memory, position });
            target.setSlab(windowed.has(name) ? bytes.subarray(position) : bytes);
          }
          return value(...given);
        };
      },
    });
    Object.defineProperty(store, 'native', { value: native });
  }

  /** From here on nothing happens any more. */
  end(): void {
    this.#isOver = true;
  }
}
