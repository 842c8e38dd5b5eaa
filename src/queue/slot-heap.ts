/**
 * SlotHeap: a 4-ary min-heap of slot numbers over typed arrays that belong to somebody else. Four children share a cache
 * line, and the heap is half as deep as a binary one.
 *
 * Invariants: `places[slot]` is the slot's position in `heap` plus 1, or 0 when it is not in the heap; no slot's
 * (time, order) is less than its parent's. Every operation is O(log n) and allocates nothing.
 */

/** The arrays of a heap, all indexed by slot but `heap`. */
export interface HeapArrays {
  readonly times: Float64Array;
  readonly orders: Float64Array;
  readonly heap: Uint32Array;
  readonly places: Uint32Array;
  /** counters[counter] is the number of slots in the heap. */
  readonly counters: Float64Array;
  readonly counter: number;
}

export class SlotHeap {
  #arrays: HeapArrays;

  constructor(arrays: HeapArrays) {
    this.#arrays = arrays;
  }

  /** Goes on in other arrays, which hold the same heap. */
  rebind(arrays: HeapArrays): void {
    this.#arrays = arrays;
  }

  get size(): number {
    return this.#arrays.counters[this.#arrays.counter] as number;
  }

  /** The slot with the least (time, order); only where `size` is not 0. */
  get top(): number {
    return this.#arrays.heap[0] as number;
  }

  has(slot: number): boolean {
    return this.#arrays.places[slot] !== 0;
  }

  /** Puts a slot in, or where it belongs after its time or order has changed. */
  put(slot: number): void {
    const { places, counters, counter } = this.#arrays;
    const place = places[slot] as number;
    if (place !== 0) {
      this.#down(this.#up(place - 1, slot), slot);
      return;
    }
    const size = counters[counter] as number;
    counters[counter] = size + 1;
    this.#up(size, slot);
  }

  /** Takes a slot out; nothing happens if it is not in. */
  remove(slot: number): void {
    const { heap, places, counters, counter } = this.#arrays;
    const place = places[slot] as number;
    if (place === 0) return;
    const last = (counters[counter] as number) - 1;
    counters[counter] = last;
    places[slot] = 0;
    const moved = heap[last] as number;
    if (moved === slot) return;
    this.#down(this.#up(place - 1, moved), moved);
  }

  /** Moves `slot`, thought to be at `position`, towards the root; returns where it ends. */
  #up(position: number, slot: number): number {
    const { times, orders, heap, places } = this.#arrays;
    const time = times[slot] as number;
    const order = orders[slot] as number;
    let at = position;
    while (at > 0) {
      const parent = (at - 1) >>> 2;
      const other = heap[parent] as number;
      const otherTime = times[other] as number;
      if (otherTime < time || (otherTime === time && (orders[other] as number) <= order)) break;
      heap[at] = other;
      places[other] = at + 1;
      at = parent;
    }
    heap[at] = slot;
    places[slot] = at + 1;
    return at;
  }

  #down(position: number, slot: number): void {
    const { times, orders, heap, places, counters, counter } = this.#arrays;
    const size = counters[counter] as number;
    const time = times[slot] as number;
    const order = orders[slot] as number;
    let at = position;
    for (;;) {
      const first = at * 4 + 1;
      if (first >= size) break;
      const end = Math.min(first + 4, size);
      let least = first;
      let leastSlot = heap[first] as number;
      let leastTime = times[leastSlot] as number;
      for (let child = first + 1; child < end; child++) {
        const other = heap[child] as number;
        const otherTime = times[other] as number;
        if (
          otherTime < leastTime ||
          (otherTime === leastTime && (orders[other] as number) < (orders[leastSlot] as number))
        ) {
          least = child;
          leastSlot = other;
          leastTime = otherTime;
        }
      }
      if (time < leastTime || (time === leastTime && order <= (orders[leastSlot] as number))) break;
      heap[at] = leastSlot;
      places[leastSlot] = at + 1;
      at = least;
    }
    heap[at] = slot;
    places[slot] = at + 1;
  }
}
