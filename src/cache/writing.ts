/** Writing: how a value becomes an entry, and gets into the layers that there are. */
import { MmcbError } from '../errors.js';
import { show } from '../internal/options.js';
import { type FullClock, timeOf } from '../queue/clock.js';
import { Entry, monotonic, OWN_WRITE, SUSPECT } from './entry.js';
import type { CacheTeller } from './events.js';
import { checkExpiry, type Deadlines } from './expiry.js';
import type { Flight, Flights } from './flights.js';
import type { LoadSettings } from './loads.js';
import type { LocalLayers } from './local-layers.js';
import type { NewValue, RemoteSide } from './remote-side.js';
import type { StampClock } from './stamp.js';
import type { Coding } from './values.js';

export interface WritingParts {
  readonly local: LocalLayers;
  readonly remote: RemoteSide | undefined;
  readonly flights: Flights;
  readonly stamps: StampClock;
  readonly deadlines: Deadlines;
  readonly clock: FullClock;
  readonly coding: Coding<unknown>;
  readonly teller: CacheTeller;
  /** Whether values have to be encoded to be stored. */
  readonly encodes: boolean;
}

export class Writing {
  readonly #parts: WritingParts;
  /** Values written so far. */
  writes = 0;

  constructor(parts: WritingParts) {
    this.#parts = parts;
  }

  /** Stores a value; false if there was one and `ifAbsent` is set. */
  async write(key: string, value: unknown, expiry: number, ifAbsent: boolean): Promise<boolean> {
    const written = this.#written(key, value, expiry, 0);
    const { remote } = this.#parts;
    if (remote === undefined) return this.#writeLocally(key, written, ifAbsent);
    const done = await remote.write(key, written, ifAbsent);
    if (done) this.#wrote(key);
    return done;
  }

  /** Stores what a loader gave; undefined: that there is nothing. `flight`: that of the load. */
  async writeLoaded(key: string, value: unknown, flight: Flight, load: LoadSettings): Promise<void> {
    if (value === undefined) {
      if (load.negativeExpiry > 0) this.#writeAbsent(key, load.negativeExpiry);
      return;
    }
    const written = this.#written(key, value, load.expiry, load.staleFor);
    const { remote, teller } = this.#parts;
    if (remote === undefined) {
      this.#writeLocally(key, written, false, flight);
      return;
    }
    try {
      await remote.write(key, written, false, flight);
      this.#wrote(key);
    } catch (error) {
      // The value is there, though it could not be kept.
      if (!(error instanceof MmcbError) || error.code !== 'MMCB_LAYER') throw error;
      teller.tell('error', { layer: 'remote', key, error });
    }
  }

  /** A value as it is stored; encoded, where that is needed. Throws MMCB_CODEC. */
  #written(key: string, value: unknown, expiry: number, staleFor: number): NewValue {
    if (value === undefined) throw new TypeError('value must not be undefined: that stands for none; use delete()');
    checkExpiry(expiry, 'expiry');
    const { deadlines, clock, encodes, coding } = this.#parts;
    const expires = deadlines.of(expiry, timeOf(clock));
    const encoded = encodes ? coding.encode(key, value) : undefined;
    return { value, encoded, expires, staleUntil: expires + staleFor };
  }

  #writeLocally(key: string, written: NewValue, ifAbsent: boolean, own?: Flight): boolean {
    const { local, flights, stamps } = this.#parts;
    const { value, encoded, expires, staleUntil } = written;
    const { time, origin } = stamps.next();
    const bytes = encoded?.bytes.length ?? 0;
    if (!local.memory.fits(bytes) && local.file?.fits(bytes) !== true) {
      throw new MmcbError(
        'MMCB_TOO_LARGE',
        `the value of ${show(key)} takes ${bytes} bytes, more than any layer may hold`,
      );
    }
    const entry = new Entry(value, expires, staleUntil, bytes, time, origin, OWN_WRITE, false);
    if (!ifAbsent) local.put(key, entry, encoded, true);
    else if (!local.insert(key, entry, encoded)) return false;
    flights.changed(key, own);
    this.#wrote(key);
    return true;
  }

  /** Remembers, in this instance, that there is nothing. */
  #writeAbsent(key: string, negativeExpiry: number): void {
    const { local, remote, stamps, clock } = this.#parts;
    const expires = timeOf(clock) + negativeExpiry;
    const { time, origin } = stamps.next();
    const validated = remote === undefined ? OWN_WRITE : remote.link.state === 'up' ? monotonic() : SUSPECT;
    local.put(key, new Entry(undefined, expires, expires, 0, time, origin, validated, true), undefined, false);
  }

  #wrote(key: string): void {
    this.writes += 1;
    this.#parts.teller.tell('write', { key });
  }
}
