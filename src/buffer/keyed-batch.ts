/** Changes of keyed entries, of both kinds of keys, that happen all together or not at all, also in a crash. */
import type { Store } from '../internal/lifecycle.js';
import { NativeCode } from '../internal/native.js';

const SET = 0;
const INSERT = 1;
const DELETE = 2;

export class KeyedBatch {
  readonly #types: number[] = [];
  readonly #keys: (number | string)[] = [];
  readonly #data: (Uint8Array | undefined)[] = [];

  get size(): number {
    return this.#types.length;
  }

  set(key: number | string, data: Uint8Array): this {
    return this.#push(SET, key, data);
  }

  /** Sets a key that nobody has: of several threads that insert one, one commits. */
  insert(key: number | string, data: Uint8Array): this {
    return this.#push(INSERT, key, data);
  }

  /** Throws MMCB_NOT_FOUND in `commit` where there is none. */
  delete(key: number | string): this {
    return this.#push(DELETE, key, undefined);
  }

  /**
   * Each operation sees those before it. False, and nothing was changed, where a key to insert exists. Data is copied here,
   * not before.
   */
  commit(store: Store): boolean {
    if (this.size === 0) return true;
    const result = store.native.keyedBatch(store.handle, Uint8Array.from(this.#types), this.#keys, this.#data);
    if (result === -NativeCode.EXISTS) return false;
    if (result < 0) throw store.failure(result);
    store.changes++;
    return true;
  }

  #push(type: number, key: number | string, data: Uint8Array | undefined): this {
    this.#types.push(type);
    this.#keys.push(key);
    this.#data.push(data);
    return this;
  }
}
