/** The janitor: takes away what has expired, from time to time, and in steps that leave the event loop free. */
import type { FullClock } from '../queue/clock.js';
import type { Sweep } from './file-layer.js';

/** Milliseconds of a step. */
const STEP = 4;

export class Janitor {
  readonly #clock: FullClock;
  readonly #interval: number;
  readonly #clean: () => void;
  #timer: unknown;
  #stopped = true;

  /** Calls `clean` each `interval` milliseconds. */
  constructor(clock: FullClock, interval: number, clean: () => void) {
    this.#clock = clock;
    this.#interval = interval;
    this.#clean = clean;
  }

  start(): void {
    if (this.#interval === Number.POSITIVE_INFINITY || !this.#stopped) return;
    this.#stopped = false;
    this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#clock.clearTimeout(this.#timer);
  }

  #wait(): void {
    const timer = this.#clock.setTimeout(() => {
      if (this.#stopped) return;
      this.#clean();
      this.#wait();
    }, this.#interval);
    this.#timer = timer;
    // A cache alone keeps no process alive.
    if (typeof timer === 'object' && timer !== null && 'unref' in timer) (timer as NodeJS.Timeout).unref();
  }
}

/**
 * Runs a sweep to its end, the first step at once. Between steps everything else gets its turn. `stopped` ends it early.
 */
export function sweepInSteps(sweep: Sweep, stopped: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (): void => {
      try {
        if (stopped() || sweep.step(performance.now() + STEP)) resolve();
        else setImmediate(step);
      } catch (error) {
        reject(error);
      }
    };
    step();
  });
}
