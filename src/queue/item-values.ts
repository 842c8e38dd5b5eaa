/**
 * The functions that a program gives to a queue: codec and merge. While one is at work the queue is in the middle of a
 * change, so it must not be called from there.
 */
import type { Codec } from '../codec/codec.js';
import { callbackError } from '../errors.js';
import type { Store } from '../internal/lifecycle.js';
import { Values } from '../map/values.js';
import type { StoredRecord } from './record.js';

/** A value that has been encoded already, in another thread. */
export class Encoded {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export class ItemValues<V> {
  readonly #values: Values<V>;
  readonly #merge: ((previous: V, next: V) => V) | undefined;
  #busy = false;

  constructor(store: Store, codec: Codec<V>, merge: ((previous: V, next: V) => V) | undefined) {
    this.#values = new Values(store, codec);
    this.#merge = merge;
  }

  /** Whether the value before is needed for storing another. */
  get merges(): boolean {
    return this.#merge !== undefined;
  }

  /** Whether one of the program's functions is at work. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Throws where one of the program's functions calls back. */
  assertIdle(): void {
    if (this.#busy) throw new Error('merge, codecs and clocks of a queue must not call the queue');
  }

  /** Calls a function of the program. */
  call<T>(fn: () => T): T {
    this.#busy = true;
    try {
      return fn();
    } finally {
      this.#busy = false;
    }
  }

  encode(value: V | Encoded): Uint8Array {
    if (value instanceof Encoded) return value.bytes;
    this.#busy = true;
    try {
      return this.#values.encode(value);
    } finally {
      this.#busy = false;
    }
  }

  /** The value of bytes that nobody writes to any more. */
  decode(bytes: Uint8Array): V {
    this.#busy = true;
    try {
      return this.#values.fromOwn(bytes as Buffer);
    } finally {
      this.#busy = false;
    }
  }

  /** The value of a record that was read just now; one that was only peeked at lies at the slab's position. */
  decodeRecord(record: StoredRecord): V {
    this.#busy = true;
    try {
      const { slab } = this.#values.store;
      if (record.bytes !== slab.bytes) return this.#values.fromOwn(record.value);
      return this.#values.fromSlab(record.size, record.valueStart - slab.position, record.valueEnd - slab.position);
    } finally {
      this.#busy = false;
    }
  }

  /** What is to be stored where there was a value before: the new one, or what `merge` makes of both. */
  merged(previous: { readonly value: Uint8Array }, next: V | Encoded): Uint8Array {
    const merge = this.#merge;
    if (merge === undefined) return this.encode(next);
    const before = this.decode(previous.value);
    const after = next instanceof Encoded ? this.decode(next.bytes) : next;
    let value: V;
    try {
      value = this.call(() => merge(before, after));
    } catch (error) {
      throw callbackError('merge', error);
    }
    return this.encode(value);
  }
}
