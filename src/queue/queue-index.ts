/**
 * QueueIndex: what a queue keeps in memory of its records: for each key its hash, the address of its record, and where it
 * stands in two orders. Keys and values stay in the file.
 *
 * Invariants
 * - A slot in use stands for one record, and each record has one slot; it hangs in the chain of its hash.
 * - A slot is in `ready` exactly when its record waits (State.WAITING), ordered by due time, then by order.
 * - A slot is in `timers` exactly when time alone will change it: the end of a lease, of a ttl, of a remembered id.
 * - All of it lies in one buffer of `bytesPerSlot * capacity` bytes and a little. What belongs to a slot lies side by side,
 *   in one or two cache lines: with a million keys, whoever comes to a slot comes from far away.
 *
 * Finding a key is O(1), everything else O(log n). Growing copies, once for each doubling.
 */
import { NONE } from './slot-heap.js';
import { type OrderArrays, SlotOrder } from './slot-order.js';

/** What a record is. The numbers stand in the file. */
export const State = { FREE: 0, WAITING: 1, LEASED: 2, REMEMBERED: 3 } as const;

export { NONE };

/** So many records at most are fetched at once: all of their memory is still in the cache when their turn comes. */
export const FETCHED = 64;

/** Counters, by position in `QueueIndex.counters`. READY and TIMERS are the slots that are in, wherever they stand there. */
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
  READY_HEAP: 9,
  READY_RUN_START: 10,
  READY_RUN_END: 11,
  TIMERS_HEAP: 12,
  TIMERS_RUN_START: 13,
  TIMERS_RUN_END: 14,
} as const;
const COUNTERS = 16;

/** A slot: numbers of 8 bytes, then words of 4. */
const NUMBERS = 7;
const ADDRESS = 0;
const DUE = 1;
const TIME = 2;
const ORDER = 3;
const WORDS = 2 * NUMBERS;
const HASH = 8;
const NEXT = 9;
const READY_PLACE = 10;
const TIMER_PLACE = 11;
const STATE = 12;
const PENDING = 13;

/** Bytes for each slot: itself, and one word each in the buckets and in the heap and the run of two orders. */
export const bytesPerSlot = NUMBERS * 8 + 5 * 4;
const SMALLEST = 1024;

export class QueueIndex {
  counters!: Float64Array;
  readonly ready: SlotOrder;
  readonly timers: SlotOrder;

  #buffer: ArrayBuffer;
  #numbers!: Float64Array;
  #words!: Uint32Array;
  #buckets!: Uint32Array;
  #readyHeap!: Uint32Array;
  #readyRun!: Uint32Array;
  #timerHeap!: Uint32Array;
  #timerRun!: Uint32Array;
  readonly #looking = new Uint32Array(FETCHED);
  readonly #wanted = new Uint32Array(FETCHED);
  readonly #seen = new Uint32Array(FETCHED);

  constructor(buffer: ArrayBuffer = emptyIndex(SMALLEST)) {
    this.#buffer = buffer;
    this.#bind(buffer);
    this.ready = new SlotOrder(this.#readyArrays());
    this.timers = new SlotOrder(this.#timerArrays());
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#buffer.byteLength;
  }

  /** Slots, those that are free among them. */
  get capacity(): number {
    return this.counters[Counter.CAPACITY] as number;
  }

  // ---- Looking ----

  /** The first slot with this hash, or NONE. */
  first(hash: number): number {
    return this.#matching(this.#buckets[hash & (this.#buckets.length - 1)] as number, hash);
  }

  /** The next one with the same hash. */
  following(slot: number): number {
    return this.#matching(this.#word(slot, NEXT), this.#word(slot, HASH));
  }

  #matching(from: number, hash: number): number {
    let slot = from;
    while (slot !== NONE && this.#word(slot, HASH) !== hash) slot = this.#word(slot, NEXT);
    return slot;
  }

  /**
   * The addresses of the first slots with the first `count` of these hashes, where there is one; how many there are. What it
   * looks at lies far apart, so it goes one step along all chains before the next, and first looks without deciding: the
   * processor then waits for many at once. Precondition: count <= FETCHED.
   */
  addressesOf(hashes: Uint32Array, count: number, addresses: Float64Array): number {
    const slots = this.#looking;
    const wanted = this.#wanted;
    const seen = this.#seen;
    const buckets = this.#buckets;
    const mask = buckets.length - 1;
    for (let i = 0; i < count; i++) slots[i] = buckets[(hashes[i] as number) & mask] as number;
    wanted.set(hashes.subarray(0, count));
    let found = 0;
    for (let left = count; left > 0; ) {
      for (let i = 0; i < left; i++) seen[i] = slots[i] === NONE ? 0 : this.#word(slots[i] as number, HASH);
      const looked = left;
      left = 0;
      for (let i = 0; i < looked; i++) {
        const slot = slots[i] as number;
        if (slot === NONE) continue;
        if (seen[i] === wanted[i]) addresses[found++] = this.addressOf(slot);
        else {
          slots[left] = this.#word(slot, NEXT);
          wanted[left++] = wanted[i] as number;
        }
      }
    }
    return found;
  }

  /**
   * The addresses of the first `count` of these slots. It also looks at what `delete` will look at, so that it is at hand
   * then. Precondition: count <= FETCHED.
   */
  addressesOfSlots(slots: Uint32Array, count: number, addresses: Float64Array): void {
    const heads = this.#looking;
    const buckets = this.#buckets;
    const mask = buckets.length - 1;
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number;
      addresses[i] = this.addressOf(slot);
      heads[i] = buckets[this.#word(slot, HASH) & mask] as number;
    }
    for (let i = 0; i < count; i++) heads[i] = this.#word(heads[i] as number, NEXT);
  }

  addressOf(slot: number): number {
    return this.#numbers[slot * NUMBERS + ADDRESS] as number;
  }

  stateOf(slot: number): number {
    return this.#word(slot, STATE);
  }

  /** When it becomes available. */
  dueOf(slot: number): number {
    return this.#numbers[slot * NUMBERS + DUE] as number;
  }

  /** When time alone changes it. */
  timeOf(slot: number): number {
    return this.#numbers[slot * NUMBERS + TIME] as number;
  }

  orderOf(slot: number): number {
    return this.#numbers[slot * NUMBERS + ORDER] as number;
  }

  /** Whether there is a record for it that is not in the file yet; somebody's mark, which nothing here goes by. */
  isPending(slot: number): boolean {
    return this.#word(slot, PENDING) !== 0;
  }

  setPending(slot: number, pending: boolean): void {
    this.#words[slot * WORDS + PENDING] = pending ? 1 : 0;
  }

  #word(slot: number, field: number): number {
    return this.#words[slot * WORDS + field] as number;
  }

  // ---- Changing ----

  /** Makes sure that `add` will not have to grow: the one thing here that can fail, so it comes before any change. */
  reserve(): void {
    if (this.counters[Counter.FREE] === NONE) this.#grow();
  }

  /** Takes a slot for a new record; `reserve` comes first. The caller then sets its state. */
  add(hash: number, address: number): number {
    const slot = this.counters[Counter.FREE] as number;
    this.counters[Counter.FREE] = this.#word(slot, NEXT);
    this.#words[slot * WORDS + HASH] = hash;
    this.setAddress(slot, address);
    this.#chain(slot);
    return slot;
  }

  /** Says where the record of a slot is. */
  setAddress(slot: number, address: number): void {
    this.#numbers[slot * NUMBERS + ADDRESS] = address;
  }

  /** Sets a slot's state and what goes with it. `time` is Infinity where time alone changes nothing. */
  set(slot: number, state: number, due: number, order: number, time: number): void {
    const numbers = this.#numbers;
    const at = slot * NUMBERS;
    const before = this.stateOf(slot);
    const isDueAsBefore = before === state && numbers[at + DUE] === due && numbers[at + ORDER] === order;
    if (isDueAsBefore && numbers[at + TIME] === time) return;
    this.#count(before, -1);
    this.#count(state, 1);
    this.#words[slot * WORDS + STATE] = state;
    numbers[at + DUE] = due;
    numbers[at + ORDER] = order;
    if (state !== State.WAITING) this.ready.remove(slot);
    else if (!isDueAsBefore) this.ready.put(slot);
    numbers[at + TIME] = time;
    if (time === Number.POSITIVE_INFINITY) this.timers.remove(slot);
    else this.timers.put(slot);
  }

  /** Gives a slot back. */
  delete(slot: number): void {
    this.#count(this.stateOf(slot), -1);
    this.ready.remove(slot);
    this.timers.remove(slot);
    const bucket = this.#word(slot, HASH) & (this.#buckets.length - 1);
    let at = this.#buckets[bucket] as number;
    if (at === slot) this.#buckets[bucket] = this.#word(slot, NEXT);
    else {
      while (this.#word(at, NEXT) !== slot) at = this.#word(at, NEXT);
      this.#words[at * WORDS + NEXT] = this.#word(slot, NEXT);
    }
    this.#words[slot * WORDS + STATE] = State.FREE;
    this.#words[slot * WORDS + NEXT] = this.counters[Counter.FREE] as number;
    this.counters[Counter.FREE] = slot;
  }

  /** Hangs a slot into the chain of its hash. */
  #chain(slot: number): void {
    const bucket = this.#word(slot, HASH) & (this.#buckets.length - 1);
    this.#words[slot * WORDS + NEXT] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = slot;
  }

  #count(state: number, by: number): void {
    if (state === State.LEASED) this.counters[Counter.LEASED] = (this.counters[Counter.LEASED] as number) + by;
    else if (state === State.REMEMBERED) {
      this.counters[Counter.REMEMBERED] = (this.counters[Counter.REMEMBERED] as number) + by;
    }
  }

  // ---- Memory ----

  #grow(): void {
    const before = this.capacity;
    const buffer = emptyIndex(before * 2);
    const old = [this.counters, this.#numbers, this.#readyHeap, this.#timerHeap] as const;
    this.#buffer = buffer;
    this.#bind(buffer);
    this.counters.set(old[0]);
    this.#numbers.set(old[1]);
    this.#readyHeap.set(old[2]);
    this.#timerHeap.set(old[3]);
    this.counters[Counter.CAPACITY] = before * 2;
    for (let slot = 0; slot < before; slot++) if (this.stateOf(slot) !== State.FREE) this.#chain(slot);
    this.counters[Counter.FREE] = before; // none of the old ones is free
    this.ready.rebind(this.#readyArrays());
    this.timers.rebind(this.#timerArrays());
  }

  #bind(buffer: ArrayBuffer): void {
    this.counters = new Float64Array(buffer, 0, COUNTERS);
    const { capacity } = this;
    let offset = COUNTERS * 8;
    this.#numbers = new Float64Array(buffer, offset, capacity * NUMBERS);
    this.#words = new Uint32Array(buffer, offset, capacity * WORDS);
    offset += capacity * NUMBERS * 8;
    const words = (): Uint32Array => {
      const array = new Uint32Array(buffer, offset, capacity);
      offset += capacity * 4;
      return array;
    };
    this.#buckets = words();
    this.#readyHeap = words();
    this.#readyRun = words();
    this.#timerHeap = words();
    this.#timerRun = words();
  }

  #readyArrays(): OrderArrays {
    return {
      ...this.#slots(),
      ...{ time: DUE, place: READY_PLACE, heap: this.#readyHeap, run: this.#readyRun },
      ...{ total: Counter.READY, counter: Counter.READY_HEAP },
      ...{ runStart: Counter.READY_RUN_START, runEnd: Counter.READY_RUN_END },
    };
  }

  #timerArrays(): OrderArrays {
    return {
      ...this.#slots(),
      ...{ time: TIME, place: TIMER_PLACE, heap: this.#timerHeap, run: this.#timerRun },
      ...{ total: Counter.TIMERS, counter: Counter.TIMERS_HEAP },
      ...{ runStart: Counter.TIMERS_RUN_START, runEnd: Counter.TIMERS_RUN_END },
    };
  }

  #slots() {
    const { counters } = this;
    return { numbers: this.#numbers, words: this.#words, stride: NUMBERS, order: ORDER, counters };
  }
}

/** A buffer with an index of no records in it. `capacity` is a power of two. */
export function emptyIndex(capacity: number): ArrayBuffer {
  const buffer = new ArrayBuffer(COUNTERS * 8 + capacity * bytesPerSlot);
  const counters = new Float64Array(buffer, 0, COUNTERS);
  counters[Counter.CAPACITY] = capacity;
  counters[Counter.ORDER] = 1;
  counters[Counter.LATEST] = Number.NEGATIVE_INFINITY;
  const words = new Uint32Array(buffer, COUNTERS * 8, capacity * WORDS);
  for (let slot = 0; slot < capacity; slot++) {
    words[slot * WORDS + NEXT] = slot + 1 < capacity ? slot + 1 : NONE;
  }
  new Uint32Array(buffer, COUNTERS * 8 + capacity * NUMBERS * 8, capacity).fill(NONE);
  return buffer;
}
