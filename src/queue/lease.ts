/** What a queue hands out. */
import type { NackOptions } from './options.js';
import type { LeaseToken } from './queue-state.js';

/** An item that was retrieved. */
export interface QueueEntry<V> {
  readonly key: string;
  readonly value: V;
  /** Stores that were coalesced into the first: 0 if there was only that one. */
  readonly updates: number;
}

/** An item that is out, with its value as V. */
export interface HeldItem<V> {
  readonly token: LeaseToken;
  readonly value: V;
  readonly updates: number;
}

/** What a lease asks of its queue. */
export interface LeaseHolder {
  acknowledge(token: LeaseToken): boolean;
  giveBack(token: LeaseToken, options: NackOptions | undefined): boolean;
}

/** An item that is out: it comes back unless it is acknowledged in time. */
export class Lease<V> implements QueueEntry<V> {
  readonly key: string;
  readonly value: V;
  readonly updates: number;
  /** How often the item has been handed out, this time included. */
  readonly attempt: number;
  readonly #holder: LeaseHolder;
  readonly #token: LeaseToken;

  /** Not for use: see `DelayQueue.lease`. */
  constructor(holder: LeaseHolder, { token, value, updates }: HeldItem<V>) {
    this.#holder = holder;
    this.#token = token;
    this.key = token.key;
    this.value = value;
    this.updates = updates;
    this.attempt = token.attempt;
  }

  /**
   * The item is done with, for good; what was stored under its key meanwhile becomes the key's next item. Returns false,
   * and changes nothing, if the lease had ended: the item may have been handed out again. Throws MMCB_CLOSED.
   */
  ack(): boolean {
    return this.#holder.acknowledge(this.#token);
  }

  /** Gives the item back, to be handed out again. Returns false if the lease had ended. Throws MMCB_CLOSED. */
  nack(options?: NackOptions): boolean {
    return this.#holder.giveBack(this.#token, options);
  }
}
