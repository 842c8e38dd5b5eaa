/** EventIterator: what loads and subscriptions have in common as iterators. */
import type { DomainEvent, StoredEvent } from './event.js';
import { Turns } from './turns.js';

/**
 * Events in their order. Ask for them with `for await`, or hand over what is to be done with each, which is faster: it makes
 * no promise for every event. Once only: what was asked for one way is not given another way again.
 *
 * Rejects, however it is asked, with the signal's reason when that is aborted, with MMCB_CODEC for data that the codec or an
 * upcaster cannot make anything of, and, a load, with MMCB_CLOSED once the store is closed: that ends a subscription.
 */
export interface EventSequence<E extends DomainEvent = DomainEvent> extends AsyncIterableIterator<StoredEvent<E>> {
  /**
   * Calls `visit` with each event, one after the other; where that returns a promise, it is waited for. Other work of the
   * thread is let in between now and then. Rejects with what `visit` throws or its promise rejects with; no more events are
   * read then.
   */
  forEach(visit: (stored: StoredEvent<E>) => unknown): Promise<void>;
  /** What `evolve` makes of a state and the events, one after the other; waits for what it returns and rejects as `forEach`. */
  reduce<S>(evolve: (state: S, stored: StoredEvent<E>) => S | PromiseLike<S>, initial: S): Promise<S>;
  /** All that are left. */
  toArray(): Promise<StoredEvent<E>[]>;
  /** Ends it, as `break` does. */
  return(): Promise<IteratorResult<StoredEvent<E>, undefined>>;
}

/** An iterator over events that come in pages. `next` may be called again before it has answered. */
export abstract class EventIterator<E extends DomainEvent> implements EventSequence<E> {
  readonly #turns = new Turns();
  readonly #signal: AbortSignal | undefined;
  /** Calls of `next` that have not been answered, and a promise that is settled when the last of them has. */
  #pending = 0;
  #last: Promise<void> = Promise.resolve();
  #isEnded = false;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** The next event that is in memory. */
  protected abstract take(): StoredEvent<E> | undefined;
  /** Gets more of those that there are into memory; false if there are none. */
  protected abstract refill(): boolean;
  /** Lets go of what it holds; called once. */
  protected abstract ended(): void;

  /** Waits until there may be more; undefined where there will be no more. */
  protected wait(_signal: AbortSignal | undefined): Promise<void> | undefined {
    return undefined;
  }

  next(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    try {
      const value = this.#atHand();
      if (value !== undefined) return Promise.resolve({ done: false, value }); // one promise, no more
    } catch (error) {
      return Promise.reject(error);
    }
    this.#pending += 1;
    const answer = this.#pending === 1 ? this.#next() : this.#last.then(() => this.#next());
    this.#last = answer.then(nothing, nothing);
    return answer;
  }

  async forEach(visit: (stored: StoredEvent<E>) => unknown): Promise<void> {
    await this.reduce((_, stored) => visit(stored), undefined as unknown);
  }

  async reduce<S>(evolve: (state: S, stored: StoredEvent<E>) => S | PromiseLike<S>, initial: S): Promise<S> {
    let state = initial;
    try {
      for (;;) {
        const stored = this.#atHand() ?? (await this.next()).value;
        if (stored === undefined) return state;
        const next = evolve(state, stored);
        state = isPromise(next) ? await next : next;
      }
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async toArray(): Promise<StoredEvent<E>[]> {
    const all: StoredEvent<E>[] = [];
    await this.forEach((stored) => {
      all.push(stored);
    });
    return all;
  }

  return(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends it from outside: what waits is answered with the end. */
  protected end(): void {
    this.#end();
  }

  /** The next event, if nobody has asked for it, and nothing has to be waited for. */
  #atHand(): StoredEvent<E> | undefined {
    if (this.#pending > 0 || this.#isEnded || this.#signal?.aborted === true) return undefined;
    let value = this.take();
    while (value === undefined && !this.#turns.isDue && this.refill()) value = this.take();
    return value;
  }

  async #next(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    try {
      return await this.#find();
    } catch (error) {
      if (this.#signal?.aborted === true) this.#end();
      throw error;
    } finally {
      // Before whoever waits for this answer goes on: to them the next event is at hand.
      this.#pending -= 1;
    }
  }

  async #find(): Promise<IteratorResult<StoredEvent<E>, undefined>> {
    while (!this.#isEnded) {
      this.#signal?.throwIfAborted();
      const value = this.take();
      if (value !== undefined) return { done: false, value };
      if (this.#turns.isDue) {
        await this.#turns.take();
        this.#signal?.throwIfAborted();
      }
      if (this.refill()) continue;
      const more = this.wait(this.#signal);
      if (more === undefined) this.#end();
      else await more;
    }
    return { done: true, value: undefined };
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.ended();
  }
}

function nothing(): void {}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
