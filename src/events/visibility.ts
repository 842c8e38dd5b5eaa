/**
 * Visibility: up to which version events are shown. With durability 'commit' that is what is on the disk: nobody acts on an
 * event that a power cut could take back. Otherwise it is everything that has been stored.
 */
import type { WaitOptions } from '../buffer/options.js';
import { orAbort } from '../internal/lifecycle.js';
import type { Version } from './event.js';
import type { EventFile } from './event-file.js';
import type { Following } from './following.js';

/** Where `readHeader` puts the epoch, and how many numbers it puts. */
const EPOCH = 4;
const HEADER_FIELDS = 7;

/** Sync points that were waited for: their number, and milliseconds. */
export interface CommitStats {
  count: number;
  last: number;
  longest: number;
  total: number;
}

export class Visibility {
  readonly commits: CommitStats = { count: 0, last: 0, longest: 0, total: 0 };
  readonly #file: EventFile;
  readonly #following: Following;
  readonly #onlyDurable: boolean;
  readonly #header = new Float64Array(HEADER_FIELDS);
  readonly #onChange: (ms: number) => void;
  #durable: Version = 0;
  /** A sync point that will cover everything stored up to now: it begins in a microtask. */
  #coming: Promise<void> | undefined;
  #running = 0;
  readonly #idle: (() => void)[] = [];

  /** `onChange` is called after a sync point of ours, when more may have become visible; with the milliseconds it took. */
  constructor(file: EventFile, following: Following, onlyDurable: boolean, onChange: (ms: number) => void) {
    this.#file = file;
    this.#following = following;
    this.#onlyDurable = onlyDurable;
    this.#onChange = onChange;
  }

  /** The latest version that is shown. Catches up. */
  version(): Version {
    this.#following.catchUp();
    const { complete } = this.#following;
    if (!this.#onlyDurable) return complete;
    if (this.#durable < complete) this.#look(complete);
    return this.#durable;
  }

  /** The latest version that is known to be durable. */
  get durable(): Version {
    return this.#durable;
  }

  /** Resolves when nobody waits for a sync point any more. */
  async settled(): Promise<void> {
    while (this.#running > 0 || this.#coming !== undefined) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** After opening: what was found counts as durable. */
  begin(): void {
    this.#durable = this.#following.complete;
  }

  /** Waits until everything stored up to now is durable, and shown. Only the waiting can be given up. */
  commit({ signal }: WaitOptions): Promise<void> {
    if (!this.#onlyDurable) return Promise.resolve();
    // One for all calls of a turn: hundreds of writers cost one sync point, and one call into native code.
    this.#coming ??= Promise.resolve().then(() => this.#flush());
    return orAbort(this.#coming, signal ?? undefined);
  }

  async #flush(): Promise<void> {
    this.#coming = undefined;
    this.#running += 1;
    try {
      await this.#flushNow();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  async #flushNow(): Promise<void> {
    const upTo = this.#following.complete;
    const start = performance.now();
    await this.#file.buffer.flush();
    const ms = performance.now() - start;
    const { commits } = this;
    commits.count += 1;
    commits.last = ms;
    commits.longest = Math.max(commits.longest, ms);
    commits.total += ms;
    if (upTo > this.#durable) this.#durable = upTo;
    this.#onChange(ms);
  }

  /**
   * Others may have made sync points. An event is durable if its epoch is, and then so are all before it. Moved by compaction,
   * an event has a later epoch than it was stored in: it may count as not durable for a while, never the other way round.
   */
  #look(complete: Version): void {
    const { native, handle } = this.#file.store;
    if (handle < 0) return;
    const { durableEpoch } = native.stats(handle);
    let durable = this.#durable;
    let above = complete + 1;
    while (durable + 1 < above) {
      const middle = Math.floor((durable + above) / 2);
      if (this.#epochOf(middle) <= durableEpoch) durable = middle;
      else above = middle;
    }
    this.#durable = durable;
  }

  /** The epoch in which a version was written; 0, durable, if it is gone. */
  #epochOf(version: Version): number {
    const { native, handle } = this.#file.store;
    const address = native.intAddress(handle, version);
    if (address < 0 || native.readHeader(handle, address, this.#header) !== 0) return 0;
    return this.#header[EPOCH] as number;
  }
}
