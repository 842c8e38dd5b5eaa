/** Service: the calls of one guest, done by the core; also by a guest itself that has become the host. */
import type { QueueCounts } from '../counters.js';
import { Encoded } from '../item-values.js';
import type { HeldItem } from '../lease.js';
import type { QueueItem } from '../options.js';
import type { QueueCore } from '../queue-core.js';
import type { LeaseToken } from '../queue-state.js';
import type { Calls, EncodedItem } from './protocol.js';

/** A copy without the memory around it, which cloning would send along. */
export const copyOut = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

const toStore = ({ key, value, uniqueId, delay }: EncodedItem): QueueItem<Encoded> => ({
  key,
  value: new Encoded(value),
  ...(uniqueId === undefined ? {} : { uniqueId }),
  ...(delay === undefined ? {} : { delay }),
});

export class Service<V> implements Calls {
  readonly #core: QueueCore<V>;
  readonly #ticket: number;

  constructor(core: QueueCore<V>, ticket: number) {
    this.#core = core;
    this.#ticket = ticket;
  }

  store(item: EncodedItem): boolean {
    return this.#core.store(toStore(item));
  }

  storeAll(items: readonly EncodedItem[]): number {
    return this.#core.storeAll(items.map(toStore));
  }

  lease(limit: number, timeout: number): HeldItem<Uint8Array>[] {
    return this.#core.leaseTo(limit, timeout, copyOut);
  }

  hold(limit: number): HeldItem<Uint8Array>[] {
    return this.#core.hold(limit, this.#ticket, copyOut);
  }

  retrieved(tokens: readonly LeaseToken[], back: readonly LeaseToken[]): void {
    this.#core.retrieved(tokens);
    for (const token of back) this.#core.giveBack(token, undefined);
  }

  next(done: readonly LeaseToken[], signal: AbortSignal): Promise<HeldItem<Uint8Array> | undefined> {
    for (const token of done) this.#core.acknowledge(token);
    return this.#core.nextFor(this.#ticket, copyOut, signal);
  }

  acknowledge(token: LeaseToken): boolean {
    return this.#core.acknowledge(token);
  }

  giveBack(token: LeaseToken, delay: number | undefined): boolean {
    return this.#core.giveBack(token, delay);
  }

  /** Gives back, as far as that can be done now: where the file cannot be written they stay held until the guest goes. */
  takeBack(tokens: readonly LeaseToken[]): void {
    for (const token of tokens) {
      try {
        this.#core.giveBack(token, undefined);
      } catch {
        return;
      }
    }
  }

  has(key: string): boolean {
    return this.#core.has(key);
  }

  delete(key: string): boolean {
    return this.#core.delete(key);
  }

  size(): number {
    return this.#core.size();
  }

  nextDue(): number | undefined {
    return this.#core.nextDue();
  }

  counts(): QueueCounts {
    return this.#core.counts();
  }
}
