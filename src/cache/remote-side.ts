/**
 * The remote side of a cache: reads and writes that pass the link, what becomes of them when it fails, and what others change.
 *
 * Invariants
 * - One session at a time, and it answers in order. So of two calls of ours for a key the one sent later is stored later.
 * - What a call brings is stored locally only if no message about its key came while it was under way.
 * - A write that was accepted while Redis was down is in the outbox until Redis has taken it or has a newer one.
 */
import { describe, MmcbError } from '../errors.js';
import { Entry, monotonic, OWN_WRITE, SUSPECT } from './entry.js';
import type { CacheTeller } from './events.js';
import type { Flight, Flights } from './flights.js';
import type { LocalLayers } from './local-layers.js';
import type { Outbox, PendingWrite } from './outbox.js';
import type { OnRemoteError, RemoteEntry, RemoteLayer } from './remote-layer.js';
import { RemoteLink } from './remote-link.js';
import { isNewer, type Stamp, type StampClock } from './stamp.js';
import { newCounters, type RemoteStats } from './stats.js';
import type { Coding, Encoded } from './values.js';

/** Writes that are replayed at a time. */
const REPLAY_CHUNK = 64;
/** Milliseconds until those are tried again that Redis refused (`OOM`, `READONLY`). */
const REPLAY_PAUSE = 500;

/**
 * Redis also tells of keys that expire. What it has sent it has sent a little later than it counted, so here an entry expires
 * that much later, in milliseconds at most, and this is how the one is told from a change.
 */
const EXPIRY_SLIP = 10;

/** A value on its way into the cache. */
export interface NewValue {
  readonly value: unknown;
  readonly encoded: Encoded | undefined;
  readonly expires: number;
  readonly staleUntil: number;
}

export interface RemoteParts {
  readonly layer: RemoteLayer;
  readonly local: LocalLayers;
  readonly outbox: Outbox;
  readonly flights: Flights;
  readonly stamps: StampClock;
  /** That of the local layers. */
  readonly coding: Coding<unknown>;
  readonly policy: OnRemoteError;
  readonly teller: CacheTeller;
  readonly now: () => number;
}

export class RemoteSide {
  readonly link: RemoteLink;
  readonly #parts: RemoteParts;
  readonly #coding: Coding<unknown>;
  readonly #counters = newCounters();
  readonly #reads = new Map<string, Promise<Entry | undefined>>();
  #replayed = 0;
  #outdated = 0;
  #invalidations = 0;
  #replaying: Promise<void> | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(parts: RemoteParts) {
    this.#parts = parts;
    this.#coding = parts.layer.coding ?? parts.coding;
    this.link = new RemoteLink(parts.layer, {
      changed: (key) => this.#changed(key),
      up: () => {
        parts.teller.tell('remote:up', { pending: parts.outbox.size });
        void this.replay();
      },
      down: (error) => parts.teller.tell('remote:down', { error }),
    });
  }

  /** Whether an entry can be served without asking. */
  trusts(entry: Entry): boolean {
    return entry.validated >= this.link.coherentSince;
  }

  /** Whether what is suspect is served all the same, because there is nobody to ask. */
  get servesSuspects(): boolean {
    return this.#parts.policy === 'serve-local' && this.link.state !== 'up';
  }

  // ---- Reading ----

  /**
   * The entry of a key as Redis has it, stored locally; what is not sent there yet comes first. `suspect`: what the local layers
   * have. Where Redis fails, that, or MMCB_LAYER, as the policy says. Concurrent reads of a key share one call.
   */
  async read(key: string, suspect: Entry | undefined): Promise<Entry | undefined> {
    const pending = this.#parts.outbox.get(key);
    if (pending !== undefined) return this.#entryOfPending(pending);
    let reading = this.#reads.get(key);
    if (reading === undefined) {
      reading = this.#fetch(key, suspect).finally(() => this.#reads.delete(key));
      this.#reads.set(key, reading);
    }
    try {
      return await reading;
    } catch (error) {
      this.#assertServing(error);
      return suspect;
    }
  }

  async #fetch(key: string, suspect: Entry | undefined): Promise<Entry | undefined> {
    const { flights, local } = this.#parts;
    const flight = flights.begin(key);
    const asked = monotonic();
    try {
      const found = await this.link.call((session) => session.read(key));
      if (found === undefined) {
        this.#counters.misses += 1;
        if (!flight.dirty && this.#parts.outbox.get(key) === undefined) local.remove(key, undefined);
        return undefined;
      }
      this.#counters.hits += 1;
      this.#parts.teller.tell('hit', { key, layer: 'remote' });
      return this.#take(key, found, suspect, asked, flight);
    } finally {
      flights.end(key, flight);
    }
  }

  /** Takes what Redis has into the local layers. */
  #take(key: string, found: RemoteEntry, suspect: Entry | undefined, asked: number, flight: Flight): Entry {
    const { local, stamps, coding } = this.#parts;
    const { bytes, text } = found.encoded;
    const { time, origin } = found.stamp;
    stamps.observe(time);
    if (suspect !== undefined && time > 0 && suspect.time === time && suspect.origin === origin) {
      if (!flight.dirty) local.revalidate(key, suspect, asked);
      return suspect;
    }
    const value = this.#coding.decode(key, bytes, text);
    const staleUntil = this.#parts.now() + found.remaining;
    const expires = found.staleFor > 0 ? staleUntil - found.staleFor : staleUntil;
    const entry = new Entry(value, expires, staleUntil, bytes.length, time, origin, asked, false);
    if (!flight.dirty) {
      const encoded = this.#coding === coding ? { bytes, text: text ?? true } : coding.encode(key, value);
      if (local.put(key, entry, encoded, false)) local.counters.memory.promotions += 1;
    }
    return entry;
  }

  /** Whether Redis has a key. */
  async has(key: string, suspect: Entry | undefined): Promise<boolean> {
    const now = this.#parts.now();
    const pending = this.#parts.outbox.get(key);
    if (pending !== undefined) return pending.encoded !== undefined && pending.expires > now;
    try {
      return await this.link.call((session) => session.has(key));
    } catch (error) {
      this.#assertServing(error);
      return suspect !== undefined && suspect.expires > now;
    }
  }

  #entryOfPending({ key, encoded, expires, staleUntil, stamp }: PendingWrite): Entry | undefined {
    if (encoded === undefined || staleUntil <= this.#parts.now()) return undefined;
    const value = this.#coding.decode(key, encoded.bytes, encoded.text);
    return new Entry(value, expires, staleUntil, encoded.bytes.length, stamp.time, stamp.origin, OWN_WRITE, false);
  }

  // ---- Writing ----

  /** Writes a value, everywhere; false if there was one and `ifAbsent` is set. `own`: a flight of the caller's for the key. */
  async write(key: string, written: NewValue, ifAbsent: boolean, own?: Flight): Promise<boolean> {
    const { flights, local, outbox, stamps, coding } = this.#parts;
    const stamp = stamps.next();
    const encoded = this.#coding === coding ? written.encoded : undefined;
    const sent = encoded ?? this.#coding.encode(key, written.value);
    flights.changed(key, own);
    const flight = flights.begin(key);
    const asked = monotonic();
    try {
      const staleFor = written.staleUntil - written.expires || 0;
      const remaining = written.staleUntil - this.#parts.now();
      const write = { encoded: sent, remaining, staleFor, stamp };
      const time = await this.link.call((session) => session.write(key, write, ifAbsent ? 'if-absent' : 'always'));
      if (time === undefined) return false;
      stamps.observe(time);
      outbox.settle(key, { time, origin: stamp.origin });
      if (flight.dirty) local.remove(key, undefined);
      else local.put(key, entryOf(written, { time, origin: stamp.origin }, asked), written.encoded, false);
      return true;
    } catch (error) {
      this.#assertServing(error, () => local.remove(key, undefined));
      return this.#keep(key, written, sent, stamp, ifAbsent, error);
    } finally {
      flights.end(key, flight);
    }
  }

  /** Keeps a write for later. */
  #keep(key: string, written: NewValue, sent: Encoded, stamp: Stamp, ifAbsent: boolean, error: unknown): boolean {
    const { local } = this.#parts;
    if (ifAbsent && this.#hasLocally(key)) return false;
    const known = local.peek(key);
    if (known !== undefined && isNewer(known, stamp)) return true; // a later write of ours got through
    this.#assertRoom(key, error);
    this.#post({ key, stamp, expires: written.expires, staleUntil: written.staleUntil, encoded: sent });
    local.put(key, entryOf(written, stamp, OWN_WRITE), written.encoded, false);
    return true;
  }

  /** Removes a key everywhere; whether there was an entry. */
  async remove(key: string): Promise<boolean> {
    const { flights, local, outbox, stamps } = this.#parts;
    const stamp = stamps.next();
    flights.changed(key);
    const flight = flights.begin(key);
    try {
      const { previous } = await this.link.call((session) => session.remove(key, stamp, 'always'));
      const waited = this.#hasPending(key);
      outbox.settle(key, stamp);
      if (local.remove(key, 'delete')) return true;
      if (previous === undefined || previous.remaining <= previous.staleFor) return waited;
      // Only Redis had it: listeners hear of it all the same.
      this.#parts.teller.tell('delete', { key, reason: 'delete' });
      if (local.listeners.size > 0) local.tellListeners(key, this.#valueOf(key, previous), 'delete');
      return true;
    } catch (error) {
      this.#assertServing(error, () => local.remove(key, undefined));
      this.#assertRoom(key, error);
      const existed = this.#hasLocally(key);
      this.#post({ key, stamp, expires: 0, staleUntil: 0, encoded: undefined });
      local.remove(key, 'delete');
      return existed;
    } finally {
      flights.end(key, flight);
    }
  }

  #valueOf(key: string, { encoded }: RemoteEntry): unknown {
    try {
      return this.#coding.decode(key, encoded.bytes, encoded.text);
    } catch (error) {
      this.#failed(key, error); // gone all the same: they are told without the value
      return undefined;
    }
  }

  #hasPending(key: string): boolean {
    const pending = this.#parts.outbox.get(key);
    return pending?.encoded !== undefined && pending.expires > this.#parts.now();
  }

  #hasLocally(key: string): boolean {
    if (this.#parts.outbox.get(key) !== undefined) return this.#hasPending(key);
    const held = this.#parts.local.peek(key);
    return held !== undefined && !held.absent && held.expires > this.#parts.now();
  }

  #post(write: PendingWrite): void {
    this.#parts.outbox.add(write);
    if (this.link.state === 'up') this.#replayLater(); // it was refused
  }

  #assertRoom(key: string, cause: unknown): void {
    const { outbox } = this.#parts;
    if (outbox.hasRoom(key)) return;
    const reason = `${this.link.layer.name} is down, and ${outbox.size} writes wait for it already (maxPending)`;
    throw new MmcbError('MMCB_LAYER', describe('MMCB_LAYER', reason), { cause });
  }

  /** Rethrows an error that is not the layer's, or that the policy says to throw, after `before`. */
  #assertServing(error: unknown, before?: () => void): void {
    if (!(error instanceof MmcbError) || error.code !== 'MMCB_LAYER') throw error;
    if (this.#parts.policy === 'serve-local' && this.link.state !== 'closed') return;
    before?.();
    throw error;
  }

  // ---- What others change ----

  #changed(key: string | undefined): void {
    const { flights, local, outbox, teller } = this.#parts;
    this.#invalidations += 1;
    flights.changed(key);
    teller.tell('invalidate', { key });
    if (key === undefined) this.link.suspectAll();
    else if (outbox.get(key) === undefined) local.remove(key, undefined, EXPIRY_SLIP);
  }

  // ---- Replaying ----

  /** Sends what waits, oldest first. Ends when nothing is left, or when the link is down; what is refused is tried again. */
  replay(): Promise<void> {
    this.#replaying ??= this.#replay().finally(() => {
      this.#replaying = undefined;
      if (this.#parts.outbox.size > 0 && this.link.state === 'up') this.#replayLater();
    });
    return this.#replaying;
  }

  async #replay(): Promise<void> {
    const waiting = this.#parts.outbox.all();
    for (let i = 0; i < waiting.length && this.link.state === 'up'; i += REPLAY_CHUNK) {
      await Promise.all(waiting.slice(i, i + REPLAY_CHUNK).map((write) => this.#replayOne(write)));
    }
  }

  #replayLater(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      void this.replay();
    }, REPLAY_PAUSE).unref();
  }

  async #replayOne({ key, stamp, expires, staleUntil, encoded }: PendingWrite): Promise<void> {
    const { flights, local, outbox, teller } = this.#parts;
    const flight = flights.begin(key);
    const asked = monotonic();
    try {
      const remaining = staleUntil - this.#parts.now();
      const write = encoded && { encoded, remaining, staleFor: staleUntil - expires || 0, stamp };
      const applied =
        write === undefined
          ? (await this.link.call((session) => session.remove(key, stamp, 'if-newest'))).applied
          : (await this.link.call((session) => session.write(key, write, 'if-newest'))) !== undefined;
      if (applied) this.#replayed += 1;
      else this.#outdated += 1;
      outbox.settle(key, stamp);
      const held = local.peek(key);
      if (held !== undefined && held.time === stamp.time && held.origin === stamp.origin) {
        if (applied) local.revalidate(key, held, flight.dirty ? SUSPECT : asked);
        else local.remove(key, undefined); // the newer one is read when it is asked for
      }
      teller.tell('replay', { key, applied });
    } catch (error) {
      this.#failed(key, error); // it stays in the outbox
    } finally {
      flights.end(key, flight);
    }
  }

  #failed(key: string, error: unknown): void {
    this.#counters.errors += 1;
    this.#parts.teller.tell('error', { layer: 'remote', key, error });
  }

  // ---- The whole ----

  stats(): RemoteStats {
    const { state, lastError, timeouts, sessions, errors } = this.link;
    return {
      ...this.#counters,
      errors: this.#counters.errors + errors + timeouts,
      state,
      lastError,
      timeouts,
      sessions,
      pending: this.#parts.outbox.size,
      replayed: this.#replayed,
      outdated: this.#outdated,
      invalidations: this.#invalidations,
    };
  }

  /** Sends what waits, if there is somebody to take it, and ends the session. */
  async close(): Promise<void> {
    clearTimeout(this.#again);
    if (this.#parts.outbox.size > 0 && this.link.state === 'up') await this.replay();
    clearTimeout(this.#again);
    this.link.close();
  }
}

function entryOf({ value, encoded, expires, staleUntil }: NewValue, { time, origin }: Stamp, validated: number): Entry {
  return new Entry(value, expires, staleUntil, encoded?.bytes.length ?? 0, time, origin, validated, false);
}
