/** The options of telemetry processors: their types and their table. */
import { type BufferOptions, bufferTable } from '../buffer/options.js';
import { callback, custom, integer, objectWith, oneOf, readOptions, show } from '../internal/options.js';
import type { DropReason } from '../partitioned/events.js';
import { changeableTable, type RetryOptions } from '../partitioned/options.js';

/** What exporters are, as far as it matters here. */
export interface Exporter<T> {
  export(items: T[], done: (result: { code: number; error?: Error }) => void): void;
  shutdown(): Promise<void>;
  forceFlush?(): Promise<void>;
}

/** Items that are gone without having been exported. */
export interface TelemetryDrop {
  readonly count: number;
  /**
   * 'drop-oldest', 'drop-newest': there were `maxItems`; 'retries': exporting failed for good; 'rejected': an item could not
   * be stored, see `error`.
   */
  readonly reason: DropReason | 'rejected';
  readonly error?: unknown;
}

/** Options of `start`. `E` is the kind of exporter. */
export interface TelemetryOptions<E> {
  /** The file that keeps what has not been exported. One processor at a time has it open. */
  path: string;
  /** Where items go: any exporter for the SDK. It is shut down with the processor. */
  exporter: E;
  /** Most items that wait: 1 or more. @default 100000 */
  maxItems?: number | undefined;
  /** Which go when there are more. @default 'drop-oldest' */
  overflow?: 'drop-oldest' | 'drop-newest' | undefined;
  /** Items in an export: 1 or more. @default 512 */
  batchSize?: number | undefined;
  /** Milliseconds that an item waits at most until it is exported: 1 to 2,147,483,647. @default 5000 */
  interval?: number | undefined;
  /** Milliseconds that an export may take, and that `forceFlush` and `shutdown` wait. @default 30000 */
  exportTimeout?: number | undefined;
  /** What happens to a batch whose export failed. @default again for ever, from 1 s up to 30 s apart */
  retry?: RetryOptions | undefined;
  /** Told of each drop. Drops are counted, too, and published on the diagnostics channel 'mmcb:dropped'. */
  onDrop?: ((drop: TelemetryDrop) => void) | undefined;
  /** Of the file. */
  buffer?: BufferOptions | undefined;
}

/** Counters of a processor, since it was started. */
export interface TelemetryStats {
  /** Items that wait, and items that are being exported. */
  waiting: number;
  exporting: number;
  exported: number;
  /** Items of exports that failed, each time. */
  failed: number;
  dropped: number;
}

const retry = { retries: Number.POSITIVE_INFINITY, backoff: 1000, maxBackoff: 30_000 };
const timeout = integer<number>(30_000, 1, 2 ** 31 - 1, 'milliseconds');

export const telemetryTable = {
  path: custom<string | undefined>(undefined, (value, name) => {
    if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a path, got ${show(value)}`);
    return value;
  }),
  exporter: objectWith<Exporter<unknown>>('export', 'shutdown'),
  maxItems: integer<number>(100_000, 1, 2 ** 32 - 1),
  overflow: oneOf('drop-oldest', ['drop-oldest', 'drop-newest']),
  batchSize: integer<number>(512, 1, 2 ** 32 - 1),
  interval: integer<number>(5000, 1, 2 ** 31 - 1, 'milliseconds'),
  exportTimeout: timeout,
  retry: { ...changeableTable.retry, fallback: retry },
  onDrop: callback<(drop: TelemetryDrop) => void>(),
  buffer: custom<BufferOptions | undefined>(undefined, (value, name) => {
    readOptions(bufferTable, value, name.slice(name.indexOf(' of ') + 4), 'buffer.');
    return value as BufferOptions;
  }),
};
