/** A clock that stands still until it is told to go on. */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/index.js';

interface Timer {
  at: number;
  fn: () => void;
}

export class ManualClock implements Clock {
  time: number;
  /** Timers that have been set so far, and those that are set now. */
  timersSet = 0;
  readonly timers = new Set<Timer>();

  constructor(time = 1_000_000) {
    this.time = time;
  }

  now(): number {
    return this.time;
  }

  setTimeout(fn: () => void, ms: number): Timer {
    const timer = { at: this.time + ms, fn };
    this.timers.add(timer);
    this.timersSet += 1;
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as Timer);
  }

  /** Goes on by as much, rings what is to be rung on the way, and lets what comes of it happen. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      const next = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.fn();
      await setImmediate();
    }
    this.time = end;
    await setImmediate();
  }
}
