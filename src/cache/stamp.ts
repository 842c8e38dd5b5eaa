/**
 * Stamps: which of two writes of a key is the newer one, wherever they were made.
 *
 * A stamp is a moment of a hybrid logical clock (Kulkarni, Demirbas et al., "Logical Physical Clocks", 2014) and the
 * instance that made it. The moment follows the wall clock as long as that goes forward, never goes back, and is always
 * behind everything the instance has seen, so that a write that answers another one is the newer of the two.
 */
import { randomBytes } from 'node:crypto';

/** When a value was written, and by whom: of two values the one with the higher stamp is the newer. */
export interface Stamp {
  /** Milliseconds since 1970 times {@link TICKS}, counted up where the clock stands still: a safe integer until 2248. */
  readonly time: number;
  /** The instance: {@link ORIGIN_LENGTH} characters, or none for what nobody has stamped. */
  readonly origin: string;
}

/** Moments in a millisecond. */
export const TICKS = 1024;
export const ORIGIN_LENGTH = 8;

/** Further ahead than this, in milliseconds, the moment of somebody else is not believed. */
const MOST_AHEAD = 3_600_000;

/** A name for an instance: 48 random bits. */
export function newOrigin(): string {
  return randomBytes(6).toString('base64url');
}

/** Whether `a` is newer than `b`. Total: of two different stamps one is. */
export function isNewer(a: Stamp, b: Stamp): boolean {
  return a.time === b.time ? a.origin > b.origin : a.time > b.time;
}

export class StampClock {
  readonly origin: string;
  readonly #now: () => number;
  #last = 0;

  /** `now`: milliseconds since 1970. */
  constructor(now: () => number, origin = newOrigin()) {
    this.#now = now;
    this.origin = origin;
  }

  /** A stamp newer than all before, and than all that were observed. */
  next(): Stamp {
    this.#last = Math.max(this.#last + 1, Math.floor(this.#now() * TICKS));
    return { time: this.#last, origin: this.origin };
  }

  /** Takes note of a moment of somebody else. */
  observe(time: number): void {
    if (time > this.#last && time <= (this.#now() + MOST_AHEAD) * TICKS) this.#last = time;
  }
}
