/**
 * SlotHeap: a 4-ary min-heap of slot numbers over typed arrays that belong to somebody else. Four children share a cache
 * line, and the heap is half as deep as a binary one.
 *
 * Invariants: a slot's place is its position in `heap` plus 1, or 0 when it is not in the heap; no slot's (time, order) is
 * less than its parent's. Every operation is O(log n) and allocates nothing.
 */

/** No slot. */
export const NONE = 0xffff_ffff;

/** The arrays of a heap. Those of slots hold, for each, `stride` numbers of 8 bytes, or twice as many words. */
export interface HeapArrays {
  readonly numbers: Float64Array;
  readonly words: Uint32Array;
  readonly stride: number;
  /** Which numbers of a slot are its time and its order, and which word its place. */
  readonly time: number;
  readonly order: number;
  readonly place: number;
  readonly heap: Uint32Array;
  /** counters[counter] is the number of slots in the heap. */
  readonly counters: Float64Array;
  readonly counter: number;
}

/** Where a slot stands, as `SlotHeap` and `SlotOrder` say; 0: nowhere. */
export function placeOf({ words, stride, place }: HeapArrays, slot: number): number {
  return words[slot * 2 * stride + place] as number;
}

export function setPlace({ words, stride, place }: HeapArrays, slot: number, value: number): void {
  words[slot * 2 * stride + place] = value;
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

  /** Puts a slot in, or where it belongs after its time or order has changed. */
  put(slot: number): void {
    const { counters, counter } = this.#arrays;
    const place = placeOf(this.#arrays, slot);
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
    const { heap, counters, counter } = this.#arrays;
    const place = placeOf(this.#arrays, slot);
    if (place === 0) return;
    const last = (counters[counter] as number) - 1;
    counters[counter] = last;
    setPlace(this.#arrays, slot, 0);
    const moved = heap[last] as number;
    if (moved === slot) return;
    this.#down(this.#up(place - 1, moved), moved);
  }

  /** Moves `slot`, thought to be at `position`, towards the root; returns where it ends. */
  #up(position: number, slot: number): number {
    const { numbers, stride, time: timeAt, order: orderAt, heap } = this.#arrays;
    const time = numbers[slot * stride + timeAt] as number;
    const order = numbers[slot * stride + orderAt] as number;
    let at = position;
    while (at > 0) {
      const parent = (at - 1) >>> 2;
      const other = heap[parent] as number;
      const otherTime = numbers[other * stride + timeAt] as number;
      if (otherTime < time || (otherTime === time && (numbers[other * stride + orderAt] as number) <= order)) break;
      heap[at] = other;
      setPlace(this.#arrays, other, at + 1);
      at = parent;
    }
    heap[at] = slot;
    setPlace(this.#arrays, slot, at + 1);
    return at;
  }

  #down(position: number, slot: number): void {
    const { numbers, stride, time: timeAt, order: orderAt, heap, counters, counter } = this.#arrays;
    const size = counters[counter] as number;
    const time = numbers[slot * stride + timeAt] as number;
    const order = numbers[slot * stride + orderAt] as number;
    let at = position;
    for (;;) {
      const first = at * 4 + 1;
      if (first >= size) break;
      const end = Math.min(first + 4, size);
      let least = first;
      let leastSlot = heap[first] as number;
      let leastTime = numbers[leastSlot * stride + timeAt] as number;
      for (let child = first + 1; child < end; child++) {
        const other = heap[child] as number;
        const otherTime = numbers[other * stride + timeAt] as number;
        if (
          otherTime < leastTime ||
          (otherTime === leastTime &&
            (numbers[other * stride + orderAt] as number) < (numbers[leastSlot * stride + orderAt] as number))
        ) {
          least = child;
          leastSlot = other;
          leastTime = otherTime;
        }
      }
      if (time < leastTime || (time === leastTime && order <= (numbers[leastSlot * stride + orderAt] as number))) break;
      heap[at] = leastSlot;
      setPlace(this.#arrays, leastSlot, at + 1);
      at = least;
    }
    heap[at] = slot;
    setPlace(this.#arrays, slot, at + 1);
  }
}
