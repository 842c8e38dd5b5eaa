/** Changes of keyed entries, of both kinds of keys, that happen all together or not at all, also in a crash. */
import type { Store } from '../internal/lifecycle.js';
import { KeyedChange, NativeCode } from '../internal/native.js';

export class KeyedBatch {
  readonly #types: number[] = [];
  readonly #keys: (number | string)[] = [];
  readonly #data: (Uint8Array | undefined)[] = [];

  get size(): number {
    return this.#types.length;
  }

  set(key: number | string, data: Uint8Array): this {
    return this.#push(KeyedChange.SET, key, data);
  }

  /** Sets a key that nobody has: of several threads that insert one, one commits. */
  insert(key: number | string, data: Uint8Array): this {
    return this.#push(KeyedChange.INSERT, key, data);
  }

  /** Throws MMCB_NOT_FOUND in `commit` where there is none. */
  delete(key: number | string): this {
    return this.#push(KeyedChange.DELETE, key, undefined);
  }

  /** Deletes a key, or does nothing where there is none. */
  discard(key: number | string): this {
    return this.#push(KeyedChange.DISCARD, key, undefined);
  }

  /**
   * Changes nothing, but asks that a key be there, with these data if any are given. Throws MMCB_NOT_FOUND in `commit` where
   * that is not so.
   */
  require(key: number | string, data?: Uint8Array): this {
    return this.#push(KeyedChange.REQUIRE, key, data);
  }

  /**
   * Each operation sees those before it. False, and nothing was changed, where a key to insert exists. Data is copied here,
   * not before.
   */
  commit(store: Store): boolean {
    const result = this.#commit(store);
    if (result < 0 && result !== -NativeCode.EXISTS) throw store.failure(result);
    return result === 0;
  }

  /**
   * The same; false as well where a key to delete or to require is missing, or has other data: what was decided on is no longer
   * so.
   */
  commitIfCurrent(store: Store): boolean {
    const result = this.#commit(store);
    if (result < 0 && result !== -NativeCode.EXISTS && result !== -NativeCode.NOT_FOUND) throw store.failure(result);
    return result === 0;
  }

  #commit(store: Store): number {
    if (this.size === 0) return 0;
    const result = store.native.keyedBatch(store.handle, Uint8Array.from(this.#types), this.#keys, this.#data);
    if (result === 0) store.changes++;
    return result;
  }

  #push(type: number, key: number | string, data: Uint8Array | undefined): this {
    this.#types.push(type);
    this.#keys.push(key);
    this.#data.push(data);
    return this;
  }
}
