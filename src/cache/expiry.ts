/** Expiry: when an entry ends. All deadlines are absolute, in milliseconds since 1970 by the clock of the cache. */
import { show } from '../internal/options.js';

/** Stands for the expiry that the cache was opened with. */
export const DEFAULT_EXPIRY = 0;
/** Stands for an entry that does not expire. */
export const NO_EXPIRY = Number.POSITIVE_INFINITY;

/** Largest time span that is told from {@link NO_EXPIRY}, in milliseconds: that of Date. */
const LONGEST = 8.64e15;

/**
 * Checks an expiry in milliseconds. Negative ones are valid: what has such an expiry has expired already, as when a
 * program passes the rest of a deadline that is over.
 */
export function checkExpiry(value: unknown, name: string): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number of milliseconds, got ${show(value)}`);
  if (value === NO_EXPIRY || (value >= -LONGEST && value <= LONGEST)) return value;
  throw new RangeError(`${name} must be a number from -8.64e15 to 8.64e15 milliseconds or NoExpiry, got ${value}`);
}

/** Makes deadlines of expiries. */
export class Deadlines {
  readonly #fallback: number;
  readonly #jitter: number;
  readonly #random: () => number;

  /** `jitter`: the largest part, 0 to 1, that is taken off at random, so that what came together does not go together. */
  constructor(fallback: number, jitter: number, random: () => number = Math.random) {
    this.#fallback = fallback === DEFAULT_EXPIRY ? NO_EXPIRY : fallback;
    this.#jitter = jitter;
    this.#random = random;
  }

  /** The deadline of something stored at `now`. */
  of(expiry: number, now: number): number {
    const span = expiry === DEFAULT_EXPIRY ? this.#fallback : expiry;
    if (span === NO_EXPIRY) return NO_EXPIRY;
    return now + (this.#jitter > 0 && span > 0 ? span * (1 - this.#jitter * this.#random()) : span);
  }
}
