/** The options of a delay queue: their types and their table. */
import { type BufferOptions, bufferTable } from '../buffer/options.js';
import type { Codec } from '../codec/codec.js';
import { callback, custom, integer, objectWith, oneOf, show, signal } from '../internal/options.js';
import { type Clock, clockRule } from './clock.js';

/** Options of `DelayQueue.open`. Give the same each time; those that a record depends on are noted. */
export interface DelayQueueOptions<V> extends BufferOptions {
  /** Milliseconds from a key's first store until it is due: 0 to 8.64e15. Items keep the due time they were stored with. */
  delay: number;
  /** Most keys that wait or are in flight: 1 to 4,294,967,294. @default no limit */
  maxKeys?: number | undefined;
  /** Milliseconds after its last store when an item that was never handed out is dropped: above 0. @default never */
  ttl?: number | undefined;
  /** Milliseconds for which a key's last unique id is remembered: 0 or more. @default Infinity */
  dedupeFor?: number | undefined;
  /** Whether the first store of a key sets its due time, or each restarts it. @default 'first' */
  timer?: 'first' | 'last' | undefined;
  /** With `timer: 'last'`: most milliseconds from the first store until it is due. @default Infinity */
  maxWait?: number | undefined;
  /**
   * Makes one value of the waiting one and a new one, instead of replacing it. It must not call the queue. When it throws,
   * `store` throws MMCB_CODEC with its error as `cause`, and nothing has changed.
   */
  merge?: ((previous: V, next: V) => V) | undefined;
  /** How values become bytes. @default msgpack() */
  codec?: Codec<V> | undefined;
  /** Where time comes from: a function, or an object with `now` and perhaps timers. @default the system's */
  clock?: Clock | (() => number) | undefined;
  /**
   * Where another thread has the queue open: milliseconds that a call waits for its answer. 1 to 2,147,483,647.
   * @default 5000
   */
  answerTimeout?: number | undefined;
}

/** Longest time span and latest time: those of Date, in milliseconds. */
export const MAX_TIME = 8.64e15;

/** A time span in milliseconds; `Infinity` only where it means "for ever". */
export function span<T extends number | undefined>(fallback: T, min: number, infinite = false) {
  return custom<T>(fallback, (value, name) => checkSpan(value, name, min, infinite) as T);
}

export function checkSpan(value: unknown, name: string, min = 0, infinite = false): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${show(value)}`);
  if (infinite && value === Number.POSITIVE_INFINITY) return value;
  if (!(value >= min && value <= MAX_TIME)) {
    const range = `from ${min} to 8.64e15${infinite ? ' or Infinity' : ''}`;
    throw new RangeError(`${name} must be a number ${range} milliseconds, got ${value}`);
  }
  return value;
}

const MAX_KEYS = 2 ** 32 - 2;

export const delayQueueTable = {
  ...bufferTable,
  delay: span<number | undefined>(undefined, 0),
  maxKeys: custom(Number.POSITIVE_INFINITY, (value, name) =>
    value === Number.POSITIVE_INFINITY ? value : integer(1, 1, MAX_KEYS).check(value, name),
  ),
  ttl: span(Number.POSITIVE_INFINITY, Number.MIN_VALUE, true),
  dedupeFor: span(Number.POSITIVE_INFINITY, 0, true),
  timer: oneOf('first', ['first', 'last']),
  maxWait: span(Number.POSITIVE_INFINITY, 0, true),
  merge: callback<(previous: unknown, next: unknown) => unknown>(),
  codec: objectWith<Codec<unknown>>('encode', 'decode'),
  clock: clockRule,
  answerTimeout: integer(5000, 1, 2 ** 31 - 1, 'milliseconds'),
};

/** What `store` takes. */
export interface QueueItem<V> {
  /** Any string of up to 65,535 characters (32,767 if any is beyond Latin-1). */
  key: string;
  value: V;
  /** With the id that this key was last stored with, the store is dropped; see `dedupeFor`. */
  uniqueId?: string | undefined;
  /** Milliseconds, instead of the queue's `delay`; of no effect on the due time of a key that waits (`timer: 'first'`). */
  delay?: number | undefined;
}

export const itemTable = {
  key: custom<string>('', (value, name) => checkString(value, name)),
  value: custom<unknown>(undefined, (value) => value),
  uniqueId: custom<string | undefined>(undefined, checkString),
  delay: span<number | undefined>(undefined, 0),
};

export function checkString(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${show(value)}`);
  return value;
}

/** Options of `lease`. */
export interface LeaseOptions {
  /** Milliseconds after which an unacknowledged item comes back: above 0. @default 30000 */
  timeout?: number | undefined;
}
export const leaseTable = { timeout: span(30_000, Number.MIN_VALUE) };

/** Options of `nack`. */
export interface NackOptions {
  /** Milliseconds until it is due again. @default it keeps its due time, so that it is the next */
  delay?: number | undefined;
}
export const nackTable = { delay: span<number | undefined>(undefined, 0) };

/** Options of `consume`. */
export interface ConsumeOptions {
  /** Ends the waiting: `next` rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}
export const consumeTable = { signal: signal() };
