/** Entry: what the cache knows of a key, in memory. */
import type { Stamp } from './stamp.js';

/** Trusted whatever happens to Redis: a write of our own that Redis has not taken yet. */
export const OWN_WRITE = Number.POSITIVE_INFINITY;
/** Not trusted until Redis has been asked. */
export const SUSPECT = Number.NEGATIVE_INFINITY;

export class Entry implements Stamp {
  constructor(
    /** The value itself, not a copy; undefined where `absent`. */
    readonly value: unknown,
    /** Until when it is fresh: ms since 1970. */
    readonly expires: number,
    /** Until when it may be served while another is being loaded: `expires` or later. Then it is over. */
    readonly staleUntil: number,
    /** Bytes of the encoded value, or 0 where nobody has asked. */
    readonly bytes: number,
    readonly time: number,
    readonly origin: string,
    /** When Redis was last known to hold this (`monotonic`), {@link OWN_WRITE} or {@link SUSPECT}. */
    public validated: number,
    /** There is nothing, and a loader has said so (negative caching). */
    readonly absent: boolean,
  ) {}
}

/**
 * Milliseconds of a clock that is never set, the same in all threads of the process: by it they agree on what happened
 * before what.
 */
export function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
