/** The options of partitioned buffers, both kinds: their types and their table. */
import { availableParallelism } from 'node:os';
import { type BufferOptions, bufferTable } from '../buffer/options.js';
import type { Codec } from '../codec/codec.js';
import { custom, integer, objectWith, oneOf, type Rule, readOptions, show } from '../internal/options.js';
import { type Clock, clockRule } from '../queue/clock.js';
import { span } from '../queue/options.js';

/** What a processor is told besides its batch. */
export interface ProcessorContext {
  /** Number of the partition, from 0. */
  readonly partition: number;
  /** Aborted when `processingTimeout` has passed, or `stop` gives up waiting. */
  readonly signal: AbortSignal;
  /** 1 for the first time that this batch is processed, then 2, ... */
  readonly attempt: number;
}

/** Handles a batch. What it returns is ignored, but a promise is waited for. */
export type Processor<T> = (batch: T[], context: ProcessorContext) => unknown;

/** How often, and when, a batch whose processor failed is processed again. */
export interface RetryOptions {
  /** Times after the first: 0 or more, or Infinity. */
  retries: number;
  /** Milliseconds before the first retry, doubled for each further one; half of it is random. @default 100 */
  backoff?: number | undefined;
  /** Most milliseconds between two. @default 30000 */
  maxBackoff?: number | undefined;
}

/** What becomes of a batch that has failed for good. */
export interface DeadLetterContext {
  readonly partition: number;
  /** What the processor threw last. */
  readonly error: unknown;
  /** How often it was tried. */
  readonly attempts: number;
}
/** Where a batch goes that has failed for good: a function, or something with `push`, another queue for example. */
export type DeadLetter<T> =
  | ((items: T[], context: DeadLetterContext) => unknown)
  | {
      /** Takes the items over. */
      push(items: T[]): unknown;
    };

/** Options that `updateOptions` can change. `R` is what keys are made of. */
export interface ChangeableOptions<R> {
  /** Milliseconds that an item waits at most until its partition is drained: 1 to 2,147,483,647. @default 5000 */
  processingInterval?: number | undefined;
  /** Items in a batch: 1 or more, or 'all'. @default 10 */
  processingBatchSize?: number | 'all' | undefined;
  /** Milliseconds that a batch may take; it has failed then. 1 to 2,147,483,647, or Infinity. @default 60000 */
  processingTimeout?: number | undefined;
  /** Drain a partition as soon as it holds so many: 1 or more. @default never */
  drainThreshold?: number | undefined;
  /** What decides about the partition: a function's result, or a constant (all go to one). @default the item, or its key */
  partitionKey?: ((item: R) => unknown) | unknown;
  /** What a drained partition is sorted by, ties by insertion: numbers before bigints before strings before the rest. */
  sortKey?: ((item: R) => unknown) | undefined;
  /** With 'at-least-once': @default for ever, from 100 ms up to 30 s apart */
  retry?: RetryOptions | undefined;
  /** Most items buffered, those being processed not counted: 1 or more. @default no limit */
  maxItems?: number | undefined;
  /** Most bytes buffered, as the codec makes them. @default no limit */
  maxBytes?: number | undefined;
  /** What happens beyond: 'reject' throws MMCB_OVERFLOW, 'wait' makes `push` return a promise. @default 'reject' */
  overflow?: Overflow | undefined;
  /** Most partitions that are processed at the same time. @default all */
  concurrency?: number | undefined;
}

/** What happens to items beyond the bounds: an error, the oldest or the newest dropped and counted, or a promise that waits. */
export type Overflow = 'reject' | 'drop-oldest' | 'drop-newest' | 'wait';

/** Options of `start`. `T` is what batches are made of, `R` what keys are made of, `V` what the codec is for. */
export interface PartitionedOptions<T, R, V> extends ChangeableOptions<R> {
  /** Makes the instance findable (`get`), and stands in its events. @default a name of its own */
  name?: string | undefined;
  /** What handles batches: a function, or the URL of a module that exports one by default, which runs in worker threads. */
  processor: Processor<T> | URL | string;
  /** 1 to 65,536. @default os.availableParallelism() */
  partitions?: number | undefined;
  /** A file that keeps what is buffered until its processor has resolved. @default memory */
  path?: string | undefined;
  /** Of the file. */
  buffer?: BufferOptions | undefined;
  /** Whether a batch whose processor failed is processed again. @default 'at-least-once' with `path`, else 'at-most-once' */
  delivery?: 'at-most-once' | 'at-least-once' | undefined;
  /** Gets what has failed for good. @default it is dropped, and told */
  deadLetter?: DeadLetter<T> | undefined;
  /** How items become bytes, for `path` and `maxBytes`. @default msgpack() */
  codec?: Codec<V> | undefined;
  /** Where time comes from. @default the system's */
  clock?: Clock | (() => number) | undefined;
}

const MAX_COUNT = 2 ** 32 - 1;
const MAX_INTERVAL = 2 ** 31 - 1;
const NEVER = Number.POSITIVE_INFINITY;

/** A whole number from 1, or Infinity. */
function limit(max = MAX_COUNT): Rule<number> {
  return custom<number>(NEVER, (value, name) => (value === NEVER ? NEVER : integer(1, 1, max).check(value, name)));
}

const retryTable = {
  retries: custom<number>(NEVER, (value, name) =>
    value === NEVER ? NEVER : integer(0, 0, MAX_COUNT).check(value, name),
  ),
  backoff: span(100, 0),
  maxBackoff: span(30_000, 0),
};
export type Retry = Required<{ retries: number; backoff: number; maxBackoff: number }>;

const anyKey: Rule<unknown> = { fallback: undefined, check: (value) => value };
const keyFunction: Rule<((item: never) => unknown) | undefined> = {
  fallback: undefined,
  check(value, name) {
    if (typeof value !== 'function') throw new TypeError(`${name} must be a function, got ${show(value)}`);
    return value as (item: never) => unknown;
  },
};

export const changeableTable = {
  processingInterval: integer(5000, 1, MAX_INTERVAL, 'milliseconds'),
  processingBatchSize: custom<number>(10, (value, name) =>
    value === 'all' ? NEVER : integer(10, 1, MAX_COUNT).check(value, name),
  ),
  processingTimeout: custom<number>(60_000, (value, name) =>
    value === NEVER ? NEVER : integer(1, 1, MAX_INTERVAL, 'milliseconds').check(value, name),
  ),
  drainThreshold: limit(),
  partitionKey: anyKey,
  sortKey: keyFunction,
  retry: custom<Retry>({ retries: NEVER, backoff: 100, maxBackoff: 30_000 }, (value, name) =>
    readOptions(retryTable, value, name.slice(name.indexOf(' of ') + 4), 'retry.'),
  ),
  maxItems: limit(),
  maxBytes: limit(Number.MAX_SAFE_INTEGER),
  overflow: oneOf('reject', ['reject', 'drop-oldest', 'drop-newest', 'wait']),
  concurrency: limit(),
};

export const partitionedTable = {
  ...changeableTable,
  name: custom<string | undefined>(undefined, (value, name) => {
    if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a string, and not empty`);
    return value;
  }),
  processor: custom<Processor<never> | URL | string | undefined>(undefined, (value, name) => {
    if (typeof value === 'function') return value as Processor<never>;
    if (typeof value === 'string' || value instanceof URL) return value;
    throw new TypeError(`${name} must be a function or the URL of a module, got ${show(value)}`);
  }),
  partitions: integer(availableParallelism(), 1, 65_536),
  path: custom<string | undefined>(undefined, (value, name) => {
    if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a path, got ${show(value)}`);
    return value;
  }),
  buffer: custom<BufferOptions | undefined>(undefined, (value, name) => {
    readOptions(bufferTable, value, name.slice(name.indexOf(' of ') + 4), 'buffer.');
    return value as BufferOptions;
  }),
  delivery: custom<'at-most-once' | 'at-least-once' | undefined>(undefined, (value, name) =>
    oneOf('at-most-once', ['at-most-once', 'at-least-once']).check(value, name),
  ),
  deadLetter: custom<DeadLetter<never> | undefined>(undefined, (value, name) =>
    typeof value === 'function'
      ? (value as DeadLetter<never>)
      : (objectWith<{ push(items: never[]): unknown }>('push').check(value, name) as DeadLetter<never>),
  ),
  codec: objectWith<Codec<unknown>>('encode', 'decode'),
  clock: clockRule,
};

/** The options of a running instance. */
export type Settings = ReturnType<typeof readOptions<typeof partitionedTable>>;

/** Options of `stop`. */
export interface StopOptions {
  /** Milliseconds to wait for processors; what is left then stays in the file, or is dropped. @default Infinity */
  timeout?: number | undefined;
}
export const stopTable = { timeout: span(NEVER, 0, true) };
