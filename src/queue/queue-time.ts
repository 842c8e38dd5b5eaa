/** The time of a queue: that of its clock, but it never goes back. */
import { type FullClock, timeOf } from './clock.js';
import { Counter, type QueueIndex } from './queue-index.js';

export class QueueTime {
  readonly #clock: FullClock;
  readonly #index: QueueIndex;

  /** What has to be remembered stands in the counters of the index. */
  constructor(clock: FullClock, index: QueueIndex) {
    this.#clock = clock;
    this.#index = index;
  }

  /** Now. Where the clock has been set back, the queue goes on from the latest time that it has seen. */
  now(): number {
    const time = timeOf(this.#clock);
    const { counters } = this.#index;
    const now = time + (counters[Counter.OFFSET] as number);
    const latest = counters[Counter.LATEST] as number;
    if (now >= latest) {
      counters[Counter.LATEST] = now;
      return now;
    }
    counters[Counter.OFFSET] = (counters[Counter.OFFSET] as number) + (latest - now);
    return latest;
  }

  /** A time of the queue as its clock would say it. */
  byClock(time: number): number {
    return time - (this.#index.counters[Counter.OFFSET] as number);
  }
}
