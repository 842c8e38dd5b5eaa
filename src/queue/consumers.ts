/**
 * Consumers: those who wait for items, in the order in which they came, and the one timer that wakes them.
 *
 * Invariant: while somebody waits, the timer stands at the moment when the state changes next; whatever may make something
 * available earlier calls `wake`. While nobody waits there is no timer.
 */
import { Alarm, type FullClock } from './clock.js';
import { type HeldItem, Lease, type LeaseHolder } from './lease.js';
import type { LeaseToken } from './queue-state.js';

/** What consumers need of their queue. */
export interface Source {
  /** When something may be available next, as the clock has it; Infinity: not before a change. */
  nextChange(): number;
  now(): number;
}

interface Waiting {
  /** Hands over the next available item; false if there is none. Throws where it cannot be taken. */
  take(): boolean;
  end(): void;
  reject(error: unknown): void;
  cleanUp(): void;
}

export class Consumers {
  readonly #source: Source;
  readonly #alarm: Alarm;
  readonly #waiting: Waiting[] = [];
  #closed = false;

  constructor(source: Source, clock: FullClock) {
    this.#source = source;
    this.#alarm = new Alarm(clock, () => this.wake());
  }

  /** Whether anybody waits. */
  get any(): boolean {
    return this.#waiting.length > 0;
  }

  /** What `take` makes of the next item, as soon as it makes anything of one; undefined when the queue is closed. */
  next<T extends object>(signal: AbortSignal | undefined, take: () => T | undefined): Promise<T | undefined> {
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
      const waiting: Waiting = {
        take() {
          const item = take();
          if (item !== undefined) resolve(item);
          return item !== undefined;
        },
        end: () => resolve(undefined),
        reject,
        cleanUp: () => signal?.removeEventListener('abort', onAbort),
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.wake();
    });
  }

  /** Gives what is available to those who wait, and sets the timer for the others. */
  wake(): void {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting[0] as Waiting;
      try {
        if (!waiting.take()) break;
      } catch (error) {
        waiting.reject(error);
      }
      this.#waiting.shift();
      waiting.cleanUp();
    }
    this.#arm();
  }

  /** Ends all waiting. */
  close(): void {
    this.#closed = true;
    this.#alarm.stop();
    for (const waiting of this.#waiting.splice(0)) {
      waiting.cleanUp();
      waiting.end();
    }
  }

  #arm(): void {
    if (this.#closed || this.#waiting.length === 0) this.#alarm.stop();
    else this.#alarm.set(this.#source.nextChange(), this.#source.now());
  }
}

/** What a loop needs of its queue. */
export interface LoopSource<V> {
  readonly isOpen: boolean;
  /** Acknowledges items, and waits for another one; undefined when the queue is closed. */
  next(done: LeaseToken[], signal: AbortSignal | undefined): Promise<HeldItem<V> | undefined>;
}

/**
 * One loop over a queue. Asking for the next item acknowledges the one before; leaving the loop early gives it back, since
 * nobody can say whether it was done with (`item.ack()` does).
 */
export class ItemIterator<V> implements AsyncIterableIterator<Lease<V>> {
  readonly #source: LoopSource<V>;
  readonly #holder: LeaseHolder;
  readonly #signal: AbortSignal | undefined;
  /** Given out and not settled; one, unless `next` is called several times at once. */
  #current: LeaseToken[] = [];
  #ended = false;

  constructor(source: LoopSource<V>, holder: LeaseHolder, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#holder = holder;
    this.#signal = signal;
  }

  async next(): Promise<IteratorResult<Lease<V>, undefined>> {
    if (this.#ended) return this.return();
    const item = this.#source.isOpen ? await this.#source.next(this.#current.splice(0), this.#signal) : undefined;
    if (item === undefined) this.#ended = true;
    else if (!this.#ended) {
      this.#current.push(item.token);
      return { done: false, value: new Lease<V>(this.#holder, item) };
    } else this.#holder.giveBack(item.token, undefined); // the loop was left while it waited
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Lease<V>, undefined>> {
    this.#ended = true;
    for (const left of this.#current.splice(0)) if (this.#source.isOpen) this.#holder.giveBack(left, undefined);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
