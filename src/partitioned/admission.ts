/**
 * Admission: the bounds of a buffer, and who waits for room.
 *
 * Invariant: `items` and `bytes` are what is buffered and not yet taken; they exceed a bound only where a single item is
 * larger than `maxBytes`, which is then alone, and by what was found in a file at the start. Those who wait are admitted in the order in which they came.
 */
import { describe, MmcbError } from '../errors.js';

/** Somebody who waits for room. */
interface Waiting {
  /** Admits what there is room for; true when nothing is left. */
  admit(): boolean;
  resolve(): void;
  reject(error: unknown): void;
  cleanUp(): void;
}

export class Admission {
  items = 0;
  bytes = 0;
  readonly #limits: { readonly maxItems: number; readonly maxBytes: number };
  readonly #waiting: Waiting[] = [];

  constructor(limits: { readonly maxItems: number; readonly maxBytes: number }) {
    this.#limits = limits;
  }

  fits(items: number, bytes: number): boolean {
    const { maxItems, maxBytes } = this.#limits;
    return this.items + items <= maxItems && (this.bytes + bytes <= maxBytes || (this.items === 0 && items === 1));
  }

  add(items: number, bytes: number): void {
    this.items += items;
    this.bytes += bytes;
  }

  /** Room has been made. */
  remove(items: number, bytes: number): void {
    this.items -= items;
    this.bytes -= bytes;
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Waiting;
      let done: boolean;
      try {
        done = first.admit();
      } catch (error) {
        this.#waiting.shift();
        first.cleanUp();
        first.reject(error);
        continue;
      }
      if (!done) return;
      this.#waiting.shift();
      first.cleanUp();
      first.resolve();
    }
  }

  get anyWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves when `admit` has admitted everything; it is called whenever there may be room. */
  wait(admit: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason);
      };
      const waiting = { admit, resolve, reject, cleanUp: () => signal?.removeEventListener('abort', onAbort) };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  /** Nobody will be admitted any more. */
  close(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) {
      waiting.cleanUp();
      waiting.reject(error);
    }
  }
}

export function overflowError(name: string): MmcbError {
  return new MmcbError('MMCB_OVERFLOW', describe('MMCB_OVERFLOW', name));
}
