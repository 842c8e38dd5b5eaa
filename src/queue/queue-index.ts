/**
 * QueueIndex: what a queue keeps in memory of its records: for each key its hash, the address of its record, and where it
 * stands in two heaps. Keys and values stay in the file.
 *
 * Invariants
 * - A slot in use stands for one record, and each record has one slot; it hangs in the chain of its hash.
 * - A slot is in `ready` exactly when its record waits (State.WAITING), ordered by due time, then by order.
 * - A slot is in `timers` exactly when time alone will change it: the end of a lease, of a ttl, of a remembered id.
 * - All of it lies in one buffer of `bytesPerSlot * capacity` bytes and a little.
 *
 * Finding a key is O(1), everything else O(log n). Growing copies, once for each doubling.
 */
import { SlotHeap } from './slot-heap.js';

/** What a record is. The numbers stand in the file. */
export const State = { FREE: 0, WAITING: 1, LEASED: 2, REMEMBERED: 3 } as const;

/** No slot. */
export const NONE = 0xffff_ffff;

/** Counters, by position in `QueueIndex.counters`. */
export const Counter = {
  CAPACITY: 0,
  /** First free slot, or NONE. */
  FREE: 1,
  READY: 2,
  TIMERS: 3,
  LEASED: 4,
  REMEMBERED: 5,
  /** The order of the next record whose due time is set. */
  ORDER: 6,
  /** The latest time seen, and what has to be added to the clock since it was set back; see delay-queue's clock. */
  LATEST: 7,
  OFFSET: 8,
} as const;
const COUNTERS = 16;

/** Bytes for each slot: four of 8, seven of 4, one of 1. */
export const bytesPerSlot = 4 * 8 + 7 * 4 + 1;
const SMALLEST = 1024;

export class QueueIndex {
  counters!: Float64Array;
  addresses!: Float64Array;
  /** Due times of what waits. */
  dues!: Float64Array;
  /** When time alone changes the slot. */
  times!: Float64Array;
  orders!: Float64Array;
  states!: Uint8Array;
  readonly ready: SlotHeap;
  readonly timers: SlotHeap;

  #buffer: ArrayBuffer;
  #hashes!: Uint32Array;
  #next!: Uint32Array;
  #buckets!: Uint32Array;
  #readyHeap!: Uint32Array;
  #readyPlaces!: Uint32Array;
  #timerHeap!: Uint32Array;
  #timerPlaces!: Uint32Array;

  constructor(buffer: ArrayBuffer = emptyIndex(SMALLEST)) {
    this.#buffer = buffer;
    this.#bind(buffer);
    this.ready = new SlotHeap(this.#readyArrays());
    this.timers = new SlotHeap(this.#timerArrays());
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#buffer.byteLength;
  }

  #rebind(buffer: ArrayBuffer): void {
    this.#buffer = buffer;
    this.#bind(buffer);
    this.ready.rebind(this.#readyArrays());
    this.timers.rebind(this.#timerArrays());
  }

  /** The first slot with this hash, or NONE. */
  first(hash: number): number {
    return this.#matching(this.#buckets[hash & (this.#buckets.length - 1)] as number, hash);
  }

  /** The next one with the same hash. */
  following(slot: number): number {
    return this.#matching(this.#next[slot] as number, this.#hashes[slot] as number);
  }

  #matching(from: number, hash: number): number {
    let slot = from;
    while (slot !== NONE && this.#hashes[slot] !== hash) slot = this.#next[slot] as number;
    return slot;
  }

  /** Makes sure that `add` will not have to grow: the one thing here that can fail, so it comes before any change. */
  reserve(): void {
    if (this.counters[Counter.FREE] === NONE) this.#grow();
  }

  /** Takes a slot for a new record; `reserve` comes first. The caller then sets its state. */
  add(hash: number, address: number): number {
    const slot = this.counters[Counter.FREE] as number;
    const bucket = hash & (this.#buckets.length - 1);
    this.counters[Counter.FREE] = this.#next[slot] as number;
    this.#hashes[slot] = hash;
    this.#next[slot] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = slot;
    this.addresses[slot] = address;
    return slot;
  }

  /** Sets a slot's state and what goes with it. `time` is Infinity where time alone changes nothing. */
  set(slot: number, state: number, due: number, order: number, time: number): void {
    const before = this.states[slot] as number;
    if (before === state && this.dues[slot] === due && this.orders[slot] === order && this.times[slot] === time) return;
    this.#count(before, -1);
    this.#count(state, 1);
    this.states[slot] = state;
    this.dues[slot] = due;
    this.orders[slot] = order;
    if (state === State.WAITING) this.ready.put(slot);
    else this.ready.remove(slot);
    this.times[slot] = time;
    if (time === Number.POSITIVE_INFINITY) this.timers.remove(slot);
    else this.timers.put(slot);
  }

  /** Gives a slot back. */
  delete(slot: number): void {
    this.#count(this.states[slot] as number, -1);
    this.ready.remove(slot);
    this.timers.remove(slot);
    const bucket = (this.#hashes[slot] as number) & (this.#buckets.length - 1);
    let at = this.#buckets[bucket] as number;
    if (at === slot) this.#buckets[bucket] = this.#next[slot] as number;
    else {
      while (this.#next[at] !== slot) at = this.#next[at] as number;
      this.#next[at] = this.#next[slot] as number;
    }
    this.states[slot] = State.FREE;
    this.#next[slot] = this.counters[Counter.FREE] as number;
    this.counters[Counter.FREE] = slot;
  }

  #count(state: number, by: number): void {
    if (state === State.LEASED) this.counters[Counter.LEASED] = (this.counters[Counter.LEASED] as number) + by;
    else if (state === State.REMEMBERED) {
      this.counters[Counter.REMEMBERED] = (this.counters[Counter.REMEMBERED] as number) + by;
    }
  }

  #grow(): void {
    const before = this.counters[Counter.CAPACITY] as number;
    const capacity = before * 2;
    const buffer = new ArrayBuffer(indexBytes(capacity));
    const old = {
      floats: [this.counters, this.addresses, this.dues, this.times, this.orders],
      words: [this.#hashes, this.#next, this.#readyHeap, this.#readyPlaces, this.#timerHeap, this.#timerPlaces],
      states: this.states,
    };
    this.#rebind(buffer);
    const floats = [this.counters, this.addresses, this.dues, this.times, this.orders];
    const words = [this.#hashes, this.#next, this.#readyHeap, this.#readyPlaces, this.#timerHeap, this.#timerPlaces];
    for (const [i, array] of floats.entries()) array.set(old.floats[i] as Float64Array);
    for (const [i, array] of words.entries()) array.set(old.words[i] as Uint32Array);
    this.states.set(old.states);
    this.counters[Counter.CAPACITY] = capacity;
    this.#buckets.fill(NONE);
    for (let slot = 0; slot < before; slot++) {
      if (this.states[slot] === State.FREE) continue;
      const bucket = (this.#hashes[slot] as number) & (this.#buckets.length - 1);
      this.#next[slot] = this.#buckets[bucket] as number;
      this.#buckets[bucket] = slot;
    }
    for (let slot = before; slot < capacity; slot++) this.#next[slot] = slot + 1 < capacity ? slot + 1 : NONE;
    this.counters[Counter.FREE] = before;
  }

  #bind(buffer: ArrayBuffer): void {
    const capacity = new Float64Array(buffer, 0, COUNTERS)[Counter.CAPACITY] || capacityOf(buffer.byteLength);
    let offset = 0;
    const floats = (length: number): Float64Array => {
      const array = new Float64Array(buffer, offset, length);
      offset += length * 8;
      return array;
    };
    const words = (): Uint32Array => {
      const array = new Uint32Array(buffer, offset, capacity);
      offset += capacity * 4;
      return array;
    };
    this.counters = floats(COUNTERS);
    this.addresses = floats(capacity);
    this.dues = floats(capacity);
    this.times = floats(capacity);
    this.orders = floats(capacity);
    this.#hashes = words();
    this.#next = words();
    this.#buckets = words();
    this.#readyHeap = words();
    this.#readyPlaces = words();
    this.#timerHeap = words();
    this.#timerPlaces = words();
    this.states = new Uint8Array(buffer, offset, capacity);
  }

  #readyArrays() {
    const { orders, counters } = this;
    return {
      times: this.dues,
      orders,
      heap: this.#readyHeap,
      places: this.#readyPlaces,
      counters,
      counter: Counter.READY,
    };
  }

  #timerArrays() {
    const { times, orders, counters } = this;
    return { times, orders, heap: this.#timerHeap, places: this.#timerPlaces, counters, counter: Counter.TIMERS };
  }
}

function indexBytes(capacity: number): number {
  return COUNTERS * 8 + capacity * bytesPerSlot;
}

function capacityOf(bytes: number): number {
  return (bytes - COUNTERS * 8) / bytesPerSlot;
}

/** A buffer with an index of no records in it. */
export function emptyIndex(capacity: number): ArrayBuffer {
  const buffer = new ArrayBuffer(indexBytes(capacity));
  const counters = new Float64Array(buffer, 0, COUNTERS);
  counters[Counter.CAPACITY] = capacity;
  counters[Counter.ORDER] = 1;
  counters[Counter.LATEST] = Number.NEGATIVE_INFINITY;
  const afterFloats = (COUNTERS + capacity * 4) * 8;
  const next = new Uint32Array(buffer, afterFloats + capacity * 4, capacity);
  for (let slot = 0; slot < capacity; slot++) next[slot] = slot + 1 < capacity ? slot + 1 : NONE;
  new Uint32Array(buffer, afterFloats + capacity * 8, capacity).fill(NONE);
  return buffer;
}
