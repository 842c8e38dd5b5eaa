/** Clocks: where a queue has its time and its timer from, so that tests need not wait. */
import { show } from '../internal/options.js';

/** A source of time. */
export interface Clock {
  /** Milliseconds since 1970, whole or not. */
  now(): number;
  /** Calls `fn` once, `ms` milliseconds from now; as the global function. @default the global function */
  setTimeout?(fn: () => void, ms: number): unknown;
  /** Undoes `setTimeout`. @default the global function */
  clearTimeout?(timer: unknown): void;
}

/** A clock with all its parts. */
export type FullClock = Required<Clock>;

/** Longest wait that timers take, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

const globalTimers = {
  setTimeout: (fn: () => void, ms: number): unknown => setTimeout(fn, ms),
  clearTimeout: (timer: unknown): void => clearTimeout(timer as NodeJS.Timeout),
};

/** The clock of everybody. Asks `Date.now` each time, because tests replace it. */
export const systemClock: FullClock = { now: () => Date.now(), ...globalTimers };

/** The rule of an option that takes a {@link Clock}, or only its `now`. */
export const clockRule = {
  fallback: systemClock,
  check(value: unknown, name: string): FullClock {
    if (typeof value === 'function') return { now: value as () => number, ...globalTimers };
    const clock = value as Clock;
    if (typeof value !== 'object' || value === null || typeof clock.now !== 'function') {
      throw new TypeError(`${name} must be a function or an object with 'now', got ${show(value)}`);
    }
    if (typeof clock.setTimeout !== typeof clock.clearTimeout) {
      throw new TypeError(`${name} must have both 'setTimeout' and 'clearTimeout', or neither`);
    }
    if (clock.setTimeout === undefined) return { now: () => clock.now(), ...globalTimers };
    return {
      now: () => clock.now(),
      setTimeout: (fn, ms) => (clock as FullClock).setTimeout(fn, ms),
      clearTimeout: (timer) => (clock as FullClock).clearTimeout(timer),
    };
  },
};

/** Asks a clock; a RangeError if what it says is no time. */
export function timeOf(clock: FullClock): number {
  const now = clock.now();
  if (typeof now === 'number' && Number.isFinite(now)) return now;
  throw new RangeError(`the clock must say a finite number of milliseconds, got ${show(now)}`);
}

/**
 * One timer at a time, for the earliest moment asked for. A timer may fire early, or be too far off for `setTimeout`: who
 * is called looks at the clock and asks again.
 */
export class Alarm {
  readonly #clock: FullClock;
  readonly #ring: () => void;
  #timer: unknown;
  #at = Number.POSITIVE_INFINITY;

  constructor(clock: FullClock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings at `at` (the clock's time) and no more at any other; Infinity: not at all. */
  set(at: number, now: number): void {
    if (at === this.#at) return;
    this.#stop();
    if (at === Number.POSITIVE_INFINITY) return;
    this.#at = at;
    const wait = Math.min(Math.max(0, Math.ceil(at - now)), LONGEST);
    this.#timer = this.#clock.setTimeout(() => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#ring();
    }, wait);
  }

  stop(): void {
    this.#stop();
  }

  #stop(): void {
    if (this.#at !== Number.POSITIVE_INFINITY) this.#clock.clearTimeout(this.#timer);
    this.#at = Number.POSITIVE_INFINITY;
  }
}
