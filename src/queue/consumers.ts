/**
 * Consumers: those who wait for items, in the order in which they came, and the one timer that wakes them.
 *
 * Invariant: while somebody waits, the timer stands at the moment when the state changes next; whatever may make something
 * available earlier calls `wake`. While nobody waits there is no timer.
 */
import { Alarm, type FullClock } from './clock.js';
import type { Lease } from './lease.js';

/** What consumers need of their queue. */
export interface Source<V> {
  /** The next available item, or undefined. */
  take(): Lease<V> | undefined;
  /** When something may be available next, as the clock has it; Infinity: not before a change. */
  nextChange(): number;
  now(): number;
}

interface Waiting<V> {
  resolve(lease: Lease<V> | undefined): void;
  reject(error: unknown): void;
  cleanUp(): void;
}

export class Consumers<V> {
  readonly #source: Source<V>;
  readonly #alarm: Alarm;
  readonly #waiting: Waiting<V>[] = [];
  #closed = false;

  constructor(source: Source<V>, clock: FullClock) {
    this.#source = source;
    this.#alarm = new Alarm(clock, () => this.wake());
  }

  /** Whether anybody waits. */
  get any(): boolean {
    return this.#waiting.length > 0;
  }

  /** The next item, as soon as there is one; undefined when the queue is closed. */
  next(signal: AbortSignal | undefined): Promise<Lease<V> | undefined> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      if (this.#closed) {
        resolve(undefined);
        return;
      }
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        this.#arm();
        reject(signal?.reason);
      };
      const cleanUp = (): void => signal?.removeEventListener('abort', onAbort);
      const waiting: Waiting<V> = { resolve, reject, cleanUp };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.wake();
    });
  }

  /** Gives what is available to those who wait, and sets the timer for the others. */
  wake(): void {
    while (this.#waiting.length > 0) {
      let lease: Lease<V> | undefined;
      let failure: { error: unknown } | undefined;
      try {
        lease = this.#source.take();
      } catch (error) {
        failure = { error };
      }
      if (failure === undefined && lease === undefined) break;
      const waiting = this.#waiting.shift() as Waiting<V>;
      waiting.cleanUp();
      if (failure === undefined) waiting.resolve(lease);
      else waiting.reject(failure.error);
    }
    this.#arm();
  }

  /** Ends all waiting. */
  close(): void {
    this.#closed = true;
    this.#alarm.stop();
    for (const waiting of this.#waiting.splice(0)) {
      waiting.cleanUp();
      waiting.resolve(undefined);
    }
  }

  #arm(): void {
    if (this.#closed || this.#waiting.length === 0) this.#alarm.stop();
    else this.#alarm.set(this.#source.nextChange(), this.#source.now());
  }
}

/**
 * One loop over a queue. Asking for the next item acknowledges the one before; leaving the loop early gives it back, since
 * nobody can say whether it was done with (`item.ack()` does).
 */
export class ItemIterator<V> implements AsyncIterableIterator<Lease<V>> {
  readonly #next: () => Promise<Lease<V> | undefined>;
  readonly #isOpen: () => boolean;
  /** Given out and not settled; one, unless `next` is called several times at once. */
  #current: Lease<V>[] = [];
  #ended = false;

  constructor(next: () => Promise<Lease<V> | undefined>, isOpen: () => boolean) {
    this.#next = next;
    this.#isOpen = isOpen;
  }

  async next(): Promise<IteratorResult<Lease<V>, undefined>> {
    for (const done of this.#current.splice(0)) if (this.#isOpen()) done.ack();
    const lease = this.#ended ? undefined : await this.#next();
    if (lease === undefined) {
      this.#ended = true;
      return { done: true, value: undefined };
    }
    if (this.#ended) {
      lease.nack(); // the loop was left while it waited
      return { done: true, value: undefined };
    }
    this.#current.push(lease);
    return { done: false, value: lease };
  }

  async return(): Promise<IteratorResult<Lease<V>, undefined>> {
    this.#ended = true;
    for (const left of this.#current.splice(0)) if (this.#isOpen()) left.nack();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
