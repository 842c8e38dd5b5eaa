/**
 * Partition: drains one container, one batch after the other. It knows nothing of what the items are.
 *
 * Invariants
 * - One batch at a time, in order; a batch that is retried holds up those behind it.
 * - A processor is never called from within the call that filled the container.
 * - What was taken is processed, handed to `deadLetter`, left in the file, or counted as dropped: nothing disappears.
 */
import type { FullClock } from '../queue/clock.js';
import type { Container, Taken } from './containers.js';
import type { DropReason, EventName, PartitionedEvents } from './events.js';
import type { DeadLetter, Settings } from './options.js';

/** What a partition needs of the buffer that it belongs to. */
export interface Host<T> {
  readonly settings: Settings;
  readonly clock: FullClock;
  readonly ending: Ending;
  /** Waits for the right to process, and gives it back. */
  acquire(): Promise<void>;
  release(): void;
  /** Processes a batch; rejects with what the processor throws, or with its timeout. */
  process(batch: T[], partition: number, attempt: number): Promise<void>;
  /** Room has been made by taking so many items and bytes. */
  taken(items: number, bytes: number): void;
  /** Items are done with, and go from the file. */
  settle(addresses: readonly number[] | undefined): void;
  /** Waits; returns early when `stop` makes it worthless. */
  pause(ms: number): Promise<void>;
  tell<N extends EventName>(event: N, detail: PartitionedEvents[N][0]): void;
  counted(what: 'processed' | 'failed' | 'retried' | 'deadLettered', count: number): void;
  dropped(partition: number, count: number, reason: DropReason): void;
  /** The partition has nothing more to do now. */
  rested(partition: number): void;
}

/** How far stopping has got. */
export interface Ending {
  stopping: boolean;
  /** `stop` waits no more: what is left is left. */
  givenUp: boolean;
}

export class Partition<T, C extends Container<T> = Container<T>> {
  readonly number: number;
  readonly container: C;
  /** Items taken and not settled. */
  processing = 0;
  readonly #host: Host<T>;
  #wanted = false;
  #active: Promise<void> | undefined;

  constructor(number: number, container: C, host: Host<T>) {
    this.number = number;
    this.container = container;
    this.#host = host;
  }

  get busy(): boolean {
    return this.#active !== undefined;
  }

  /** Processes everything that is buffered now; resolves when it has been, successfully or not. */
  drain(): Promise<void> {
    this.#wanted = true;
    this.#active ??= this.#work();
    return this.#active;
  }

  async #work(): Promise<void> {
    const host = this.#host;
    await undefined;
    while (this.#wanted && !host.ending.givenUp) {
      this.#wanted = false;
      if (this.container.size === 0) continue;
      await host.acquire();
      try {
        if (!host.ending.givenUp) await this.#drainOnce();
      } finally {
        host.release();
      }
    }
    this.#active = undefined;
    host.rested(this.number);
  }

  async #drainOnce(): Promise<void> {
    const host = this.#host;
    const { bytes } = this.container;
    const taken = this.container.take();
    const size = taken.items.length;
    this.processing = size;
    host.taken(size, bytes);
    if (size === 0) return;
    host.tell('processing:start', { partition: this.number, size });
    const start = host.clock.now();
    for (let from = 0; from < size && !host.ending.givenUp; ) {
      const end = Math.min(size, from + host.settings.processingBatchSize);
      await this.#batch(taken, from, end);
      this.processing = size - end;
      from = end;
    }
    if (this.processing > 0) this.#abandon(taken, this.processing);
    host.tell('processing:stop', { partition: this.number, size, duration: host.clock.now() - start });
  }

  /** `stop` has given up: what is in the file stays there. */
  #abandon(taken: Taken<T>, count: number): void {
    this.processing = 0;
    if (taken.addresses === undefined) this.#host.dropped(this.number, count, 'stop');
  }

  async #batch(taken: Taken<T>, from: number, end: number): Promise<void> {
    const host = this.#host;
    const size = end - from;
    const addresses = taken.addresses?.slice(from, end);
    const once = host.settings.delivery === 'at-most-once';
    if (once && !this.#settle(addresses, size, 1)) return;
    for (let attempt = 1; ; attempt++) {
      let failure: { error: unknown } | undefined;
      try {
        // A slice for each attempt: what the processor does to it is its own affair.
        await host.process(taken.items.slice(from, end), this.number, attempt);
      } catch (error) {
        failure = { error };
      }
      if (failure === undefined) {
        host.counted('processed', size);
        if (!once) this.#settle(addresses, size, attempt);
        return;
      }
      const { error } = failure;
      const willRetry = !once && this.#mayRetry(attempt);
      host.counted('failed', size);
      host.tell('processing:failed', { partition: this.number, size, error, attempt, willRetry });
      if (once) return;
      if (willRetry) {
        await host.pause(this.#backoff(attempt));
        if (!host.ending.givenUp) {
          host.counted('retried', size);
          continue;
        }
      }
      if (host.ending.stopping && (host.ending.givenUp || host.settings.retry.retries === Number.POSITIVE_INFINITY)) {
        this.#abandon({ items: [], addresses }, size);
      } else await this.#failed(taken.items.slice(from, end), addresses, error, attempt);
      return;
    }
  }

  #mayRetry(attempt: number): boolean {
    const { retries } = this.#host.settings.retry;
    const { stopping, givenUp } = this.#host.ending;
    if (givenUp || (stopping && retries === Number.POSITIVE_INFINITY)) return false;
    return attempt <= retries;
  }

  /** Milliseconds before the next attempt: exponential, the half of it random so that partitions do not go in step. */
  #backoff(attempt: number): number {
    const { backoff, maxBackoff } = this.#host.settings.retry;
    const longest = Math.min(maxBackoff, backoff * 2 ** (attempt - 1));
    return longest / 2 + (Math.random() * longest) / 2;
  }

  /** A batch has failed for good. */
  async #failed(items: T[], addresses: number[] | undefined, error: unknown, attempts: number): Promise<void> {
    const host = this.#host;
    const deadLetter = host.settings.deadLetter as DeadLetter<T> | undefined;
    const size = items.length;
    if (deadLetter === undefined) host.dropped(this.number, size, 'retries');
    else {
      try {
        if (typeof deadLetter === 'function') {
          await deadLetter(items, { partition: this.number, error, attempts });
        } else await deadLetter.push(items);
        host.counted('deadLettered', size);
      } catch (reason) {
        host.tell('processing:failed', {
          ...{ partition: this.number, size, error: reason, attempt: attempts, willRetry: false },
        });
        // In the file it stays, for the next start.
        if (addresses === undefined) host.dropped(this.number, size, 'dead-letter');
        return;
      }
    }
    this.#settle(addresses, size, attempts);
  }

  /** Removes a batch from the file; false if that fails: it is then processed again after the next start. */
  #settle(addresses: readonly number[] | undefined, size: number, attempt: number): boolean {
    try {
      this.#host.settle(addresses);
      return true;
    } catch (error) {
      this.#host.tell('processing:failed', { partition: this.number, size, error, attempt, willRetry: false });
      return false;
    }
  }
}
