/**
 * PartitionedBuffer: what queues and maps have in common: partitions that are drained by a processor, on an interval, at a
 * threshold, or when asked to; bounds, events, stopping.
 *
 * One timer stands while anything is buffered, so that an idle instance does nothing and keeps no process alive.
 */
import { EventEmitter } from 'node:events';
import { type WaitOptions, waitTable } from '../buffer/options.js';
import { describe, MmcbError } from '../errors.js';
import { orAbort } from '../internal/lifecycle.js';
import { readOptions } from '../internal/options.js';
import type { FullClock } from '../queue/clock.js';
import { Admission } from './admission.js';
import { type Container, IN_MEMORY } from './containers.js';
import { type DropReason, type EventName, type PartitionedEvents, publish } from './events.js';
import type { Journal } from './journal.js';
import { type ChangeableOptions, changeableTable, type Settings, type StopOptions, stopTable } from './options.js';
import { type Ending, type Host, Partition } from './partition.js';
import { ProcessorCalls } from './processor.js';
import type { LoadedProcessor } from './worker-processor.js';

/** Counters, since the start. */
export interface PartitionedStats {
  /** Items buffered, and items taken to be processed that are not settled. */
  buffered: number;
  processing: number;
  /** Items whose processor succeeded; items of batches that failed, each time; items processed again. */
  processed: number;
  failed: number;
  retried: number;
  deadLettered: number;
  /** Items that were dropped, by reason. */
  dropped: Record<DropReason, number>;
}

/** What an instance is made of. */
export interface Parts<T> {
  readonly owner: string;
  readonly name: string;
  readonly settings: Settings;
  readonly processor: LoadedProcessor<T>;
  readonly journal: Journal | undefined;
}

export abstract class PartitionedBuffer<T, R, C extends Container<T>> extends EventEmitter<PartitionedEvents> {
  /** The name given to `start`, or one of its own. */
  readonly name: string;
  /** @internal */
  protected readonly settings: Settings;
  /** @internal */
  protected readonly admission: Admission;
  /** @internal */
  protected readonly journal: Journal | undefined;
  /** @internal */
  protected readonly partitions: Partition<T, C>[];
  readonly #parts: Parts<T>;
  readonly #clock: FullClock;
  readonly #calls: ProcessorCalls<T>;
  readonly #ending: Ending = { stopping: false, givenUp: false };
  readonly #stats = {
    ...{ processed: 0, failed: 0, retried: 0, deadLettered: 0 },
    dropped: { 'drop-oldest': 0, 'drop-newest': 0, retries: 0, 'dead-letter': 0, stop: 0 },
  };
  readonly #turns: (() => void)[] = [];
  readonly #pauses = new Set<() => void>();
  #running = 0;
  #timer: unknown;
  #stopped: Promise<void> | undefined;

  /** @internal */
  protected constructor(parts: Parts<T>, makeContainer: () => C) {
    super();
    this.#parts = parts;
    this.name = parts.name;
    this.settings = parts.settings;
    this.journal = parts.journal;
    this.admission = new Admission(parts.settings);
    this.#clock = parts.settings.clock;
    this.#calls = new ProcessorCalls(parts.processor.run, this.#clock);
    const host = this.#host();
    this.partitions = Array.from({ length: parts.settings.partitions }, (_, i) => {
      return new Partition<T, C>(i, makeContainer(), host);
    });
    setImmediate(() => {
      for (const { number } of this.partitions) this.#tell('partition:start', { partition: number });
    });
  }

  /** Items buffered and not yet taken to be processed. */
  get size(): number {
    return this.admission.items;
  }

  /** Counters, as of now. */
  stats(): PartitionedStats {
    const processing = this.partitions.reduce((sum, partition) => sum + partition.processing, 0);
    const { dropped, ...counts } = this.#stats;
    return { ...counts, dropped: { ...dropped }, buffered: this.size, processing };
  }

  /**
   * Changes the options that are named, and no others; from the next batch, item or wait on. A TypeError or RangeError, and
   * nothing changed, for those that are wrong or cannot be changed. Throws MMCB_CLOSED.
   */
  updateOptions(options: ChangeableOptions<R>): void {
    this.assertRunning();
    const values: Record<string, unknown> = readOptions(changeableTable, options, `${this.#parts.owner}.updateOptions`);
    for (const name of Object.keys(options)) {
      (this.settings as Record<string, unknown>)[name] = values[name];
    }
    if (this.#timer !== undefined && 'processingInterval' in options) {
      this.#disarm();
      this.#arm();
    }
    this.admission.remove(0, 0);
    this.#nextTurn();
  }

  /**
   * Drains all partitions now; resolves when everything that was buffered has been processed, successfully or not. With
   * `signal` only the waiting can be given up. Rejects with MMCB_CLOSED after `stop`.
   */
  async drain(options?: WaitOptions): Promise<void> {
    const { signal } = readOptions(waitTable, options, 'drain');
    this.assertRunning();
    return orAbort(this.#drainAll(), signal);
  }

  /**
   * Takes no more, drains what remains, in order, and resolves. A batch that would be retried for ever is tried once more:
   * it then stays in the file, or is dropped. After `timeout` ms signals are aborted, and what is left stays in the file,
   * or is dropped and told. May be called any number of times.
   */
  stop(options?: StopOptions): Promise<void> {
    let timeout: number;
    try {
      ({ timeout } = readOptions(stopTable, options, 'stop'));
    } catch (error) {
      return Promise.reject(error);
    }
    this.#stopped ??= this.#stop(timeout);
    return this.#stopped;
  }

  /** The same as `stop()`. */
  close(): Promise<void> {
    return this.stop();
  }

  /** `close()`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // ---- For the kinds of buffers ----

  /** @internal */
  protected assertRunning(): void {
    if (this.#ending.stopping) throw this.#closedError();
  }

  /** @internal Something has been put into a partition. */
  protected filled(partition: Partition<T, C>): void {
    if (partition.container.size >= this.settings.drainThreshold) void partition.drain();
    else if (this.#timer === undefined) this.#arm();
  }

  /** @internal There is no room for more: what is there goes now. */
  protected full(): void {
    void this.#drainAll();
  }

  /** @internal Makes room in a partition, or where there is most to be dropped; false if nothing is buffered. */
  protected dropOldest(partition: Partition<T, C>): boolean {
    let from = partition;
    if (from.container.size === 0) {
      for (const other of this.partitions) if (other.container.size > from.container.size) from = other;
    }
    const dropped = from.container.dropOldest();
    if (dropped === undefined) return false;
    if (dropped.address !== IN_MEMORY) this.journal?.remove([dropped.address]);
    this.admission.items -= 1;
    this.admission.bytes -= dropped.bytes;
    this.drop(from.number, 1, 'drop-oldest');
    return true;
  }

  /** @internal */
  protected drop(partition: number, count: number, reason: DropReason): void {
    this.#stats.dropped[reason] += count;
    this.#tell('dropped', { partition, count, reason });
  }

  /** @internal Processes what was found in the file as if it had just come. */
  protected resume(): void {
    if (this.size > 0) this.#arm();
  }

  // ---- Draining ----

  async #drainAll(): Promise<void> {
    await Promise.all(
      this.partitions.filter(({ container, busy }) => container.size > 0 || busy).map((p) => p.drain()),
    );
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      for (const partition of this.partitions) {
        if (partition.container.size > 0 && !partition.busy) void partition.drain();
      }
    }, this.settings.processingInterval);
  }

  #disarm(): void {
    if (this.#timer === undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #host(): Host<T> {
    return {
      settings: this.settings,
      clock: this.#clock,
      ending: this.#ending,
      acquire: () => this.#turn(),
      release: () => {
        this.#running -= 1;
        this.#nextTurn();
      },
      process: (batch, partition, attempt) =>
        this.#calls.call(batch, partition, attempt, this.settings.processingTimeout),
      taken: (items, bytes) => this.admission.remove(items, bytes),
      settle: (addresses) => {
        if (addresses !== undefined) this.journal?.remove(addresses);
      },
      pause: (ms) => this.#pause(ms),
      tell: (event, detail) => this.#tell(event, detail),
      counted: (what, count) => {
        this.#stats[what] += count;
      },
      dropped: (partition, count, reason) => this.drop(partition, count, reason),
      rested: () => {
        if (this.size > 0 && !this.#ending.stopping) this.#arm();
      },
    };
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#turns.push(resolve);
      this.#nextTurn();
    });
  }

  #nextTurn(): void {
    while (this.#running < this.settings.concurrency && this.#turns.length > 0) {
      this.#running += 1;
      this.#turns.shift()?.();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#clock.clearTimeout(timer);
        this.#pauses.delete(end);
        resolve();
      };
      const timer = this.#clock.setTimeout(end, ms);
      this.#pauses.add(end);
    });
  }

  #tell<N extends EventName>(event: N, detail: PartitionedEvents[N][0]): void {
    publish(event, this.name, detail);
    try {
      (this as EventEmitter).emit(event, detail);
    } catch (error) {
      // A listener's error belongs to the event loop; it must not stop a partition.
      process.nextTick(() => {
        throw error;
      });
    }
  }

  // ---- Stopping ----

  async #stop(timeout: number): Promise<void> {
    this.#ending.stopping = true;
    this.#disarm();
    this.admission.close(this.#closedError());
    this.unregister();
    for (const end of [...this.#pauses]) if (this.settings.retry.retries === Number.POSITIVE_INFINITY) end();
    let timer: unknown;
    if (timeout === 0) this.#giveUp();
    else if (timeout !== Number.POSITIVE_INFINITY) timer = this.#clock.setTimeout(() => this.#giveUp(), timeout);
    await this.#drainAll();
    if (timer !== undefined) this.#clock.clearTimeout(timer);
    for (const { number, container } of this.partitions) {
      const left = container.size;
      if (left === 0) continue;
      const { bytes } = container;
      container.take();
      this.admission.remove(left, bytes);
      if (this.journal === undefined) this.drop(number, left, 'stop');
    }
    await this.#parts.processor.close();
    await this.journal?.close();
    const reason = this.#ending.givenUp ? 'timeout' : 'stop';
    for (const { number } of this.partitions) this.#tell('partition:stop', { partition: number, reason });
  }

  #giveUp(): void {
    this.#ending.givenUp = true;
    for (const end of [...this.#pauses]) end();
    this.#calls.abort(this.#closedError());
  }

  /** @internal Makes the name free. */
  protected abstract unregister(): void;

  #closedError(): MmcbError {
    return new MmcbError('MMCB_CLOSED', describe('MMCB_CLOSED', this.name));
  }
}
