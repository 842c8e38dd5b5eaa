/**
 * ExportQueue: between a processor and its exporter a durable PartitionedQueue.
 *
 * Invariant: an item that was accepted is in the file until the exporter has said that it has it, or it was counted as dropped
 * and told.
 */
import { context } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import type { Codec } from '../codec/codec.js';
import { readOptions } from '../internal/options.js';
import { PartitionedQueue } from '../partitioned/partitioned-queue.js';
import type { Clock } from '../queue/clock.js';
import {
  type Exporter,
  type TelemetryDrop,
  type TelemetryOptions,
  type TelemetryStats,
  telemetryTable,
} from './options.js';

/** What is exported: an item that knows its resource. */
interface Exportable {
  readonly resource: { asyncAttributesPending?: boolean; waitForAsyncAttributes?(): Promise<void> };
}

type Settings = ReturnType<typeof readOptions<typeof telemetryTable>>;

/** No timer keeps the process alive: what waits is in the file. */
const clock: Clock = {
  now: () => Date.now(),
  setTimeout: (fn, ms) => setTimeout(fn, ms).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

export class ExportQueue<T extends Exportable> {
  readonly #queue: PartitionedQueue<T>;
  readonly #exporter: Exporter<T>;
  readonly #settings: Settings;
  #dropped = 0;
  #stopped: Promise<void> | undefined;

  /** Rejects as PartitionedQueue.start does. */
  static async start<T extends Exportable>(
    owner: string,
    options: TelemetryOptions<unknown>,
    codec: Codec<T>,
  ): Promise<ExportQueue<T>> {
    const settings = readOptions(telemetryTable, options, owner);
    const { path, exporter, batchSize, interval, exportTimeout, maxItems, overflow, retry, buffer } = settings;
    if (path === undefined) throw new TypeError(`option 'path' of ${owner} is required`);
    if (exporter === undefined) throw new TypeError(`option 'exporter' of ${owner} is required`);
    const target = exporter as Exporter<T>;
    const queue = await PartitionedQueue.start<T>({
      ...{ path, buffer, codec, clock, maxItems, overflow, retry },
      processor: (batch) => exportBatch(target, batch),
      partitions: 1,
      delivery: 'at-least-once',
      drainThreshold: batchSize,
      processingBatchSize: batchSize,
      processingInterval: interval,
      processingTimeout: exportTimeout,
    });
    return new ExportQueue<T>(queue, target, settings);
  }

  private constructor(queue: PartitionedQueue<T>, exporter: Exporter<T>, settings: Settings) {
    this.#queue = queue;
    this.#exporter = exporter;
    this.#settings = settings;
    queue.on('dropped', ({ count, reason }) => this.#drop({ count, reason }));
  }

  /** Takes an item: when this returns it is in the file, or counted as dropped. Never throws: it is called where spans end. */
  push(item: T): void {
    try {
      void this.#queue.push(item);
    } catch (error) {
      this.#drop({ count: 1, reason: 'rejected', error });
    }
  }

  stats(): TelemetryStats {
    const { buffered, processing, processed, failed } = this.#queue.stats();
    return { waiting: buffered, exporting: processing, exported: processed, failed, dropped: this.#dropped };
  }

  /** Exports what waits; rejects with a TimeoutError where that takes too long. It stays in the file then. */
  async flush(timeout = this.#settings.exportTimeout): Promise<void> {
    if (this.#stopped !== undefined) return this.#stopped;
    await this.#queue.drain({ signal: AbortSignal.timeout(timeout) });
    await this.#exporter.forceFlush?.();
  }

  /** Exports what waits, as far as that succeeds in time; the rest stays in the file, for the next start. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.#queue.stop({ timeout: this.#settings.exportTimeout });
    await this.#exporter.shutdown();
  }

  #drop(drop: TelemetryDrop): void {
    this.#dropped += drop.count;
    try {
      this.#settings.onDrop?.(drop);
    } catch (error) {
      // It belongs to the event loop: whoever ends a span is not to blame.
      process.nextTick(() => {
        throw error;
      });
    }
  }
}

/** Resolves when the exporter has the batch. Its own calls are not traced. */
async function exportBatch<T extends Exportable>(exporter: Exporter<T>, batch: T[]): Promise<void> {
  const pending = new Set(batch.map(({ resource }) => resource).filter((resource) => resource.asyncAttributesPending));
  for (const resource of pending) await resource.waitForAsyncAttributes?.();
  await new Promise<void>((resolve, reject) => {
    context.with(suppressTracing(context.active()), () => {
      exporter.export(batch, ({ code, error }) => {
        // 0 is ExportResultCode.SUCCESS.
        if (code === 0) resolve();
        else reject(error ?? new Error('the exporter has failed without saying why'));
      });
    });
  });
}
