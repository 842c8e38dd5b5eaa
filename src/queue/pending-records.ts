/**
 * PendingRecords: records on their way to the file: many of them take one call of native code.
 *
 * Invariants
 * - The slot of a pending record says so (`index.isPending`). A new record is in the index already, with no address; of one that
 *   replaces another the index learns when it is in the file.
 * - Nobody but the call that makes them sees any of that: it flushes them, or discards them, before it ends.
 */
import type { Store } from '../internal/lifecycle.js';
import type { QueueCounters } from './counters.js';
import { FETCHED, type QueueIndex, State } from './queue-index.js';
import { type RecordHead, RecordWriter } from './record.js';

/** Says that an entry is to be added: as the addon wants it. */
const NO_ADDRESS = -1;

/** So many bytes go at once, unless one record has more. */
const BYTES = 32 * 1024;

export class PendingRecords {
  readonly #store: Store;
  readonly #index: QueueIndex;
  readonly #counters: QueueCounters;
  readonly #writer = new RecordWriter(BYTES);
  readonly #slots = new Uint32Array(FETCHED);
  readonly #sizes = new Float64Array(FETCHED);
  readonly #addresses = new Float64Array(FETCHED);
  /** What the index is to learn of those that replace others. */
  readonly #dues = new Float64Array(FETCHED);
  readonly #orders = new Float64Array(FETCHED);
  readonly #times = new Float64Array(FETCHED);
  #count = 0;
  /** Where the next one is to begin. */
  #end = 0;
  #hasFailed = false;

  /** `counters.stored` and `counters.coalesced` count what has got into the file. */
  constructor(store: Store, index: QueueIndex, counters: QueueCounters) {
    this.#store = store;
    this.#index = index;
    this.#counters = counters;
  }

  /** A new record, which waits until `due` and then for who comes. `time` is as in `index.set`. */
  add(head: RecordHead, time: number, key: string, hash: number, id: string | undefined, value: Uint8Array): void {
    this.#index.reserve();
    this.#put(head, key, id, value);
    const slot = this.#index.add(hash, NO_ADDRESS);
    this.#index.set(slot, State.WAITING, head.due, head.order, time);
    this.#addresses[this.#count] = NO_ADDRESS;
    this.#take(slot);
  }

  /** One in place of that of a slot, which waits, too. */
  replace(slot: number, head: RecordHead, time: number, key: string, id: string | undefined, value: Uint8Array): void {
    this.#put(head, key, id, value);
    const at = this.#count;
    this.#addresses[at] = this.#index.addressOf(slot);
    this.#dues[at] = head.due;
    this.#orders[at] = head.order;
    this.#times[at] = time;
    this.#take(slot);
  }

  /** Makes the bytes of the next one. */
  #put(head: RecordHead, key: string, id: string | undefined, value: Uint8Array): void {
    if (this.#count === FETCHED || (this.#count > 0 && !this.#writer.fits(this.#end, key, id, value))) this.flush();
    const start = this.#end;
    const end =
      start === 0 ? this.#writer.write(head, key, id, value).length : this.#writer.put(start, head, key, id, value);
    this.#sizes[this.#count] = end - start;
    this.#end = (end + 7) & ~7;
  }

  #take(slot: number): void {
    this.#slots[this.#count] = slot;
    this.#index.setPending(slot, true);
    this.#count += 1;
  }

  /**
   * Brings them into the file, one after the other. Throws where that fails for one: it and those behind it are pending, and
   * `discard` is all that is left to be done with them.
   */
  flush(): void {
    if (this.#count === 0 || this.#hasFailed) return;
    const { native, handle } = this.#store;
    const count = this.#count;
    const done = native.writeMany(handle, this.#writer.bytes, this.#sizes, this.#addresses, count);
    for (let i = 0; i < done; i++) this.#written(i);
    if (done === count) this.#clear();
    else {
      this.#hasFailed = true;
      throw this.#store.failure(done);
    }
  }

  #written(i: number): void {
    const index = this.#index;
    const slot = this.#slots[i] as number;
    index.setPending(slot, false);
    if (index.addressOf(slot) === NO_ADDRESS) index.setAddress(slot, this.#addresses[i] as number);
    else {
      const due = this.#dues[i] as number;
      index.set(slot, State.WAITING, due, this.#orders[i] as number, this.#times[i] as number);
      this.#store.changes++;
      this.#counters.coalesced += 1;
    }
    this.#counters.stored += 1;
  }

  /** Gives up those that are pending; how many there were. */
  discard(): number {
    const index = this.#index;
    let discarded = 0;
    for (const slot of this.#slots.subarray(0, this.#count)) {
      if (!index.isPending(slot)) continue;
      index.setPending(slot, false);
      if (index.addressOf(slot) === NO_ADDRESS) index.delete(slot);
      discarded += 1;
    }
    this.#clear();
    return discarded;
  }

  #clear(): void {
    this.#count = 0;
    this.#end = 0;
    this.#hasFailed = false;
  }
}
