import { TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { ExportQueue } from './export-queue.js';
import type { TelemetryOptions, TelemetryStats } from './options.js';
import { spanCodec } from './stored-span.js';

const internal = Symbol('internal');

/**
 * A span processor whose queue is a file: what has ended is in the file when `end()` returns, survives the death of the
 * process, and stays until the exporter has it. Exports go in batches, one at a time, in order, and are repeated when they
 * fail; so an exporter may get a span twice, after a crash.
 *
 * @example
 * const processor = await MmcbSpanProcessor.start({ path: 'spans.mmcb', exporter: new OTLPTraceExporter() });
 * const provider = new NodeTracerProvider({ spanProcessors: [processor] });
 */
export class MmcbSpanProcessor implements SpanProcessor {
  readonly #queue: ExportQueue<ReadableSpan>;

  /**
   * Opens the file; what is in it is exported first. Rejects with MMCB_LOCKED where it is open, MMCB_NOT_MMCB for a file of
   * something else, and as opening a buffer does; with a TypeError or RangeError for wrong options.
   */
  static async start(options: TelemetryOptions<SpanExporter>): Promise<MmcbSpanProcessor> {
    return new MmcbSpanProcessor(internal, await ExportQueue.start('MmcbSpanProcessor.start', options, spanCodec));
  }

  /** Not for use: see `start`. */
  constructor(token: symbol, queue: ExportQueue<ReadableSpan>) {
    if (token !== internal) throw new TypeError('use MmcbSpanProcessor.start() instead of new');
    this.#queue = queue;
  }

  onStart(): void {
    // A span is stored when it has ended.
  }

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0) this.#queue.push(span);
  }

  /** Counters, as of now. */
  stats(): TelemetryStats {
    return this.#queue.stats();
  }

  /** Resolves when everything that has ended is exported; rejects with a TimeoutError after `exportTimeout`. */
  forceFlush(): Promise<void> {
    return this.#queue.flush();
  }

  /** Exports what it can within `exportTimeout`, leaves the rest in the file, and shuts the exporter down. */
  shutdown(): Promise<void> {
    return this.#queue.stop();
  }
}
