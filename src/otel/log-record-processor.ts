import type { LogRecordExporter, LogRecordProcessor, ReadableLogRecord } from '@opentelemetry/sdk-logs';
import { ExportQueue } from './export-queue.js';
import type { TelemetryOptions, TelemetryStats } from './options.js';
import { logRecordCodec } from './stored-log-record.js';

const internal = Symbol('internal');

/**
 * A log record processor whose queue is a file: what was emitted is in the file when `emit()` returns, survives the death of
 * the process, and stays until the exporter has it. Otherwise as {@link MmcbSpanProcessor}.
 *
 * @example
 * const processor = await MmcbLogRecordProcessor.start({ path: 'logs.mmcb', exporter: new OTLPLogExporter() });
 * const provider = new LoggerProvider({ processors: [processor] });
 */
export class MmcbLogRecordProcessor implements LogRecordProcessor {
  readonly #queue: ExportQueue<ReadableLogRecord>;

  /** Opens the file; what is in it is exported first. Rejects as `MmcbSpanProcessor.start` does. */
  static async start(options: TelemetryOptions<LogRecordExporter>): Promise<MmcbLogRecordProcessor> {
    const queue = await ExportQueue.start('MmcbLogRecordProcessor.start', options, logRecordCodec);
    return new MmcbLogRecordProcessor(internal, queue);
  }

  /** Not for use: see `start`. */
  constructor(token: symbol, queue: ExportQueue<ReadableLogRecord>) {
    if (token !== internal) throw new TypeError('use MmcbLogRecordProcessor.start() instead of new');
    this.#queue = queue;
  }

  onEmit(record: ReadableLogRecord): void {
    this.#queue.push(record);
  }

  /** Counters, as of now. */
  stats(): TelemetryStats {
    return this.#queue.stats();
  }

  /** Resolves when everything emitted is exported; rejects with a TimeoutError after `exportTimeout`. */
  forceFlush(options?: { timeoutMillis?: number }): Promise<void> {
    return this.#queue.flush(options?.timeoutMillis);
  }

  /** Exports what it can within `exportTimeout`, leaves the rest in the file, and shuts the exporter down. */
  shutdown(): Promise<void> {
    return this.#queue.stop();
  }
}
