/** What a queue does, from where it is asked: by the index in this thread (queue-core.ts), or by asking another (shared/). */

import type { QueueCounts } from './counters.js';
import type { HeldItem, QueueEntry } from './lease.js';
import type { QueueItem } from './options.js';
import type { LeaseToken } from './queue-state.js';

/** Arguments have been checked; times are milliseconds, delays relative to now. See DelayQueue for what each does. */
export interface QueueSide<V> {
  store(item: QueueItem<V>): boolean;
  /** How many were stored; the others were duplicates. StoreAllError. */
  storeAll(items: readonly QueueItem<V>[]): number;
  retrieve(limit: number): QueueEntry<V>[];
  /** Hands items out for `timeout` ms. */
  lease(limit: number, timeout: number): HeldItem<V>[];
  /** Acknowledges items, then waits for another one, which is held until it is settled; undefined when the queue is closed. */
  next(done: readonly LeaseToken[], signal: AbortSignal | undefined): Promise<HeldItem<V> | undefined>;
  acknowledge(token: LeaseToken): boolean;
  giveBack(token: LeaseToken, delay: number | undefined): boolean;
  size(): number;
  nextDue(): number | undefined;
  has(key: string): boolean;
  delete(key: string): boolean;
  counts(): QueueCounts;
  /** Ends all waiting. */
  close(): void;
}
