/**
 * RemoteLink: the way to the remote layer. It keeps one session, gives every call a deadline, stops calling after failures
 * in a row (breaker.ts), and finds out by itself when the layer is back.
 *
 * Invariant: entries validated at `coherentSince` or later are as the remote layer has them, or a message that says
 * otherwise is on its way to us. While there is no session that tells of changes, no entry is.
 */
import { describe, MmcbError } from '../errors.js';
import { Breaker } from './breaker.js';
import { monotonic } from './entry.js';
import type { RemoteLayer, RemoteSession } from './remote-layer.js';

/** 'down': calls fail at once, and trials go on in the background. */
export type LinkState = 'connecting' | 'up' | 'down' | 'closed';

export interface LinkEvents {
  /** See RemoteEvents. */
  changed(key: string | undefined): void;
  /** There is a new session. What it resolves to is awaited by nobody. */
  up(): void;
  down(reason: unknown): void;
}

/** Timeouts in a row after which a session that says nothing is given up. */
const MOST_TIMEOUTS = 3;
/** Milliseconds between two looks whether a silent session is alive: as long as a dead one may go unnoticed, and a timeout. */
const HEARTBEAT = 1_000;

export class RemoteLink {
  readonly layer: RemoteLayer;
  readonly #events: LinkEvents;
  readonly #breaker = new Breaker(MOST_TIMEOUTS);
  /** Told when the session ends, so that what is pending need not wait for its deadline. */
  readonly #pending = new Set<(reason: unknown) => void>();
  #state: LinkState = 'connecting';
  #session: RemoteSession | undefined;
  #since: number;
  #timer: NodeJS.Timeout | undefined;
  #connecting: AbortController | undefined;
  #lastError: unknown;
  timeouts = 0;
  errors = 0;
  sessions = 0;

  constructor(layer: RemoteLayer, events: LinkEvents) {
    this.layer = layer;
    this.#events = events;
    this.#since = layer.invalidation ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Since when entries can be trusted, by `monotonic`; Infinity: none can. */
  get coherentSince(): number {
    return this.#since;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  /** The first attempt; rejects with MMCB_LAYER if it fails, and others follow. */
  async start(): Promise<void> {
    await this.#connect();
    if (this.#state !== 'up') throw this.#layerError(this.#lastError);
  }

  /** Calls the session. Rejects with MMCB_LAYER after `timeout` milliseconds at the latest. */
  async call<T>(work: (session: RemoteSession) => Promise<T>): Promise<T> {
    const session = this.#session;
    if (session === undefined) throw this.#layerError(this.#lastError ?? new Error('it is not connected'));
    try {
      const result = await this.#within(work(session));
      if (session === this.#session) this.#breaker.succeeded();
      return result;
    } catch (error) {
      this.#lastError = error;
      if (error instanceof Timeout) {
        this.timeouts += 1;
        if (session === this.#session && this.#breaker.failed()) this.#lost(session, error);
      } else this.errors += 1;
      throw this.#layerError(error);
    }
  }

  /** Anything may have changed: nothing that was validated before now is trusted. */
  suspectAll(): void {
    if (this.layer.invalidation && this.#session !== undefined) this.#since = monotonic();
  }

  /** Ends the session; pending calls fail. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#connecting?.abort(new Error('the cache was closed'));
    this.#drop(new Error('the cache was closed'));
  }

  async #connect(): Promise<void> {
    const controller = new AbortController();
    this.#connecting = controller;
    let session: RemoteSession | undefined;
    // Events of a session may come before the promise of it does.
    let lost: { reason: unknown } | undefined;
    const events = {
      changed: (key: string | undefined): void => {
        if (session === undefined || session === this.#session) this.#events.changed(key);
      },
      lost: (reason: unknown): void => {
        if (session === undefined) lost = { reason };
        else this.#lost(session, reason);
      },
    };
    try {
      session = await this.#within(this.layer.connect(events, controller.signal));
      await this.#within(session.ping());
      if (lost !== undefined) throw lost.reason;
      if (this.#state === 'closed') throw new Error('the cache was closed');
    } catch (error) {
      controller.abort(error);
      session?.close();
      if (this.#isClosed()) return;
      this.errors += 1;
      this.#fail(error);
      return;
    }
    this.#session = session;
    this.#state = 'up';
    this.#breaker.close();
    this.sessions += 1;
    // The session told of changes before this moment, so everything read from now on is covered.
    if (this.layer.invalidation) this.#since = monotonic();
    this.#watch(session);
    this.#events.up();
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** A session that says nothing may be one that is no more: a network that swallows packets tells nobody. */
  #watch(session: RemoteSession): void {
    if (!this.layer.invalidation) return;
    this.#timer = setTimeout(() => {
      if (session !== this.#session) return;
      this.#within(session.ping()).then(
        () => {
          if (session === this.#session) this.#watch(session);
        },
        (error: unknown) => {
          this.#lastError = error;
          this.#lost(session, error);
        },
      );
    }, HEARTBEAT);
    this.#timer.unref();
  }

  #lost(session: RemoteSession, reason: unknown): void {
    if (session !== this.#session) return;
    session.close();
    this.#drop(reason);
    this.#fail(reason);
  }

  #drop(reason: unknown): void {
    this.#session?.close();
    this.#session = undefined;
    if (this.layer.invalidation) this.#since = Number.POSITIVE_INFINITY;
    for (const reject of [...this.#pending]) reject(reason);
  }

  #fail(reason: unknown): void {
    this.#lastError = reason;
    const wasDown = this.#state === 'down';
    this.#state = 'down';
    this.#breaker.open();
    if (!wasDown) this.#events.down(reason);
    clearTimeout(this.#timer);
    if (this.#isClosed()) return;
    this.#timer = setTimeout(() => void this.#connect(), this.#breaker.nextWait());
    this.#timer.unref();
  }

  /** What `work` resolves to; rejects at the deadline, or when the session ends. */
  #within<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const end = (reason: unknown): void => {
        clearTimeout(timer);
        this.#pending.delete(end);
        reject(reason);
      };
      const timer = setTimeout(() => end(new Timeout(this.layer)), this.layer.timeout);
      this.#pending.add(end);
      work.then((value) => {
        clearTimeout(timer);
        this.#pending.delete(end);
        resolve(value);
      }, end);
    });
  }

  #layerError(cause: unknown): MmcbError {
    if (cause instanceof MmcbError) return cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new MmcbError('MMCB_LAYER', describe('MMCB_LAYER', reason), { cause });
  }
}

class Timeout extends Error {
  constructor(layer: RemoteLayer) {
    super(`${layer.name} did not answer within ${layer.timeout} ms`);
  }
}
