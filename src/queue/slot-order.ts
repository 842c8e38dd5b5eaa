/**
 * SlotOrder: slots by (time, order), over typed arrays that belong to somebody else. What is put in at the end, as are items
 * that all wait equally long, stands in a *run*: a ring of ascending slots, where everything costs O(1) and looks at memory
 * in order. The rest is in a heap.
 *
 * Invariants
 * - A slot's place is 0 when it is not in, its position in the heap plus 1, or RUN and its position in the ring.
 * - Slots in the ring ascend. Those that were removed leave NONE, but for the first and the last one.
 * - Nothing goes from the heap to the run but what is put in anew, and each slot at most once the other way: all is O(log n),
 *   amortized, and nothing is allocated.
 */
import { type HeapArrays, NONE, placeOf, SlotHeap, setPlace } from './slot-heap.js';

/** Marks the place of a slot in the ring; what is left of it is the position, which the ring's length is taken from. */
const RUN = 0x8000_0000;
/** So many at the end of the run may have to make way for one that belongs before them. */
const MOST_MOVED = 8;
/** Gaps are closed when one in so many places is one: so often that it costs each removal a few steps. */
const LEAST_GAPS = 8;

/** The arrays of an order. `run` is a ring of as many slots as there are at most, a power of two. */
export interface OrderArrays extends HeapArrays {
  readonly run: Uint32Array;
  /** counters[...]: all slots that are in, and where the run begins and ends, in places from the first that there ever was. */
  readonly total: number;
  readonly runStart: number;
  readonly runEnd: number;
}

export class SlotOrder {
  readonly #heap: SlotHeap;
  #arrays: OrderArrays;

  constructor(arrays: OrderArrays) {
    this.#arrays = arrays;
    this.#heap = new SlotHeap(arrays);
  }

  /** Goes on in larger arrays, which hold the same: of the run `moveRun` sees to that. */
  rebind(arrays: OrderArrays): void {
    moveRun(this.#arrays, arrays);
    this.#arrays = arrays;
    this.#heap.rebind(arrays);
  }

  get size(): number {
    return this.#arrays.counters[this.#arrays.total] as number;
  }

  /** The slot with the least (time, order); only where `size` is not 0. */
  get top(): number {
    const { run, counters, runStart, runEnd } = this.#arrays;
    const start = counters[runStart] as number;
    if (start === counters[runEnd]) return this.#heap.top;
    const first = run[start & (run.length - 1)] as number;
    if (this.#heap.size === 0) return first;
    return this.#isBefore(this.#heap.top, first) ? this.#heap.top : first;
  }

  /** Puts a slot in, or where it belongs after its time or order has changed. */
  put(slot: number): void {
    const { counters, total } = this.#arrays;
    const place = placeOf(this.#arrays, slot);
    if (place === 0) counters[total] = (counters[total] as number) + 1;
    else if (place >= RUN) this.#leaveRun(slot, place);
    const at = this.#endFor(slot);
    if (at < 0) this.#heap.put(slot);
    else {
      this.#heap.remove(slot); // before others come there: it may not stand any more where it belongs
      this.#cut(at);
      this.#append(slot);
    }
  }

  /** Takes a slot out; nothing happens if it is not in. */
  remove(slot: number): void {
    const { counters, total } = this.#arrays;
    const place = placeOf(this.#arrays, slot);
    if (place === 0) return;
    counters[total] = (counters[total] as number) - 1;
    if (place >= RUN) this.#leaveRun(slot, place);
    else this.#heap.remove(slot);
  }

  // ---- The run ----

  /** Where the run would have to end for a slot to stand behind it; -1 if there is no room, or too many would have to make way. */
  #endFor(slot: number): number {
    const { run, counters, runStart, runEnd } = this.#arrays;
    const start = counters[runStart] as number;
    if ((counters[runEnd] as number) - start === run.length && !this.#closeUp()) return -1;
    const end = counters[runEnd] as number;
    const least = Math.max(start, end - MOST_MOVED);
    for (let at = end; at > least; at--) {
      const other = run[(at - 1) & (run.length - 1)] as number;
      if (other !== NONE && !this.#isBefore(slot, other)) return at;
    }
    return least === start ? start : -1;
  }

  /** Closes the gaps of a run that takes the whole ring; false if they are too few to be worth it. */
  #closeUp(): boolean {
    const { run, counters, total, runStart, runEnd } = this.#arrays;
    const live = (counters[total] as number) - this.#heap.size;
    if ((run.length - live) * LEAST_GAPS < run.length) return false;
    const start = counters[runStart] as number;
    const end = counters[runEnd] as number;
    counters[runEnd] = start;
    for (let at = start; at < end; at++) {
      const slot = run[at & (run.length - 1)] as number;
      if (slot !== NONE) this.#append(slot);
    }
    return true;
  }

  /** Ends the run at `at`: what stands behind it goes to the heap. */
  #cut(at: number): void {
    const { run, counters, runEnd } = this.#arrays;
    const end = counters[runEnd] as number;
    counters[runEnd] = at;
    for (let moved = at; moved < end; moved++) {
      const slot = run[moved & (run.length - 1)] as number;
      if (slot === NONE) continue;
      setPlace(this.#arrays, slot, 0);
      this.#heap.put(slot);
    }
  }

  #append(slot: number): void {
    const { run, counters, runEnd } = this.#arrays;
    const end = counters[runEnd] as number;
    run[end & (run.length - 1)] = slot;
    setPlace(this.#arrays, slot, (RUN | (end & ~RUN)) >>> 0);
    counters[runEnd] = end + 1;
  }

  #leaveRun(slot: number, place: number): void {
    const { run, counters, runStart, runEnd } = this.#arrays;
    const mask = run.length - 1;
    run[place & mask] = NONE;
    setPlace(this.#arrays, slot, 0);
    let start = counters[runStart] as number;
    let end = counters[runEnd] as number;
    while (start < end && run[start & mask] === NONE) start++;
    while (start < end && run[(end - 1) & mask] === NONE) end--;
    counters[runStart] = start;
    counters[runEnd] = end;
  }

  // ---- Slots ----

  #isBefore(slot: number, other: number): boolean {
    const { numbers, stride, time, order } = this.#arrays;
    const mine = numbers[slot * stride + time] as number;
    const others = numbers[other * stride + time] as number;
    if (mine !== others) return mine < others;
    return (numbers[slot * stride + order] as number) < (numbers[other * stride + order] as number);
  }
}

/** Copies a run into a longer ring. */
function moveRun(from: OrderArrays, to: OrderArrays): void {
  const { counters, runStart, runEnd } = from;
  const end = counters[runEnd] as number;
  for (let at = counters[runStart] as number; at < end; at++) {
    to.run[at & (to.run.length - 1)] = from.run[at & (from.run.length - 1)] as number;
  }
}
