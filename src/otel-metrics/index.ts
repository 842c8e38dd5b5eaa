/**
 * mmcb/otel-metrics: OpenTelemetry metrics of every store that is opened from now on, from what `mmcb` tells on its
 * diagnostics channels. Needs `@opentelemetry/api`, which is an optional peer dependency.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type Attributes, type BatchObservableCallback, type Meter, metrics } from '@opentelemetry/api';
import type { BufferStats } from '../buffer/reports.js';
import { callback, objectWith, readOptions } from '../internal/options.js';
import { createInstruments } from './instruments.js';

/** Options of {@link observeStores}. */
export interface ObserveOptions {
  /** @default metrics.getMeter('mmcb') of the global meter provider */
  meter?: Meter | undefined;
  /**
   * Attributes of a file's metrics, by its path. Each different set is a time series: give names, not paths, where there are many
   * files.
   * @default (path) => ({ 'mmcb.path': path })
   */
  attributes?: ((path: string) => Attributes) | undefined;
}

/** Observing, until it is closed. */
export interface StoreObserver extends Disposable {
  /** Stops observing. */
  close(): void;
}

/** What has `stats()`: a buffer. */
interface Observed {
  readonly path: string;
  stats(): BufferStats;
}

/** Messages of the channels, as far as they are used. */
interface Message {
  path: string;
  ms?: number;
  result?: unknown;
  error?: unknown;
  name?: string;
  duration?: number;
  count?: number;
  reason?: string;
}

const table = {
  meter: objectWith<Meter>('createHistogram', 'addBatchObservableCallback'),
  attributes: callback<(path: string) => Attributes>(),
};
const operations = ['open', 'close', 'flush', 'compaction', 'verify', 'backup'] as const;

/**
 * Observes the stores that are opened from now on, in this thread: their counters whenever metrics are collected, how long
 * operations and sync points take, and what partitioned queues and maps process and drop. Call it once, before the first `open`.
 *
 * @example
 * const observer = observeStores();
 * const cities = await StringMap.open('cities.mmcb');
 * // ...
 * observer.close();
 */
export function observeStores(options?: ObserveOptions): StoreObserver {
  const values = readOptions(table, options, 'observeStores');
  return new Observer(
    values.meter ?? metrics.getMeter('mmcb'),
    values.attributes ?? ((path) => ({ 'mmcb.path': path })),
  );
}

class Observer implements StoreObserver {
  readonly #meter: Meter;
  readonly #attributes: (path: string) => Attributes;
  readonly #instruments;
  readonly #observables;
  readonly #stores = new Set<Observed>();
  readonly #subscriptions: [name: string, listener: (message: unknown) => void][] = [];
  readonly #collect: BatchObservableCallback;

  constructor(meter: Meter, attributes: (path: string) => Attributes) {
    this.#meter = meter;
    this.#attributes = attributes;
    this.#instruments = createInstruments(meter);
    this.#observables = [...new Set(this.#instruments.readings.map(({ instrument }) => instrument))];
    this.#collect = (result) => {
      for (const store of this.#stores) {
        const stats = statsOf(store);
        if (stats === undefined)
          this.#stores.delete(store); // closed
        else {
          const common = this.#attributes(store.path);
          for (const { instrument, value, attributes: own } of this.#instruments.readings) {
            result.observe(instrument, value(stats), { ...common, ...own });
          }
        }
      }
    };
    meter.addBatchObservableCallback(this.#collect, this.#observables);
    this.#subscribe();
  }

  #subscribe(): void {
    const { operation, sync, errors, processing, dropped } = this.#instruments;
    for (const name of operations) this.#trace(name, operation.record.bind(operation));
    this.#on('mmcb:sync', ({ path, ms = 0 }) => sync.record(ms / 1000, this.#attributes(path)));
    this.#on('mmcb:error', ({ path }) => errors.add(1, this.#attributes(path)));
    this.#on('mmcb:processing:stop', ({ name = '', duration = 0 }) =>
      processing.record(duration / 1000, { 'mmcb.name': name }),
    );
    this.#on('mmcb:dropped', ({ name = '', count = 0, reason = '' }) =>
      dropped.add(count, { 'mmcb.name': name, 'mmcb.reason': reason }),
    );
  }

  /** Times an operation: of asynchronous ones 'asyncEnd' is the end, of others 'end'. */
  #trace(name: (typeof operations)[number], record: (seconds: number, attributes: Attributes) => void): void {
    const started = new WeakMap<Message, number>();
    const asynchronous = new WeakSet<Message>();
    const ended = (message: Message): void => {
      const begin = started.get(message);
      if (begin === undefined) return;
      started.delete(message);
      const failure = message.error === undefined ? {} : { 'error.type': errorType(message.error) };
      record((performance.now() - begin) / 1000, {
        ...this.#attributes(message.path),
        'mmcb.operation': name,
        ...failure,
      });
      if (name === 'open' && isObserved(message.result)) this.#stores.add(message.result);
    };
    this.#on(`tracing:mmcb:${name}:start`, (message) => started.set(message, performance.now()));
    this.#on(`tracing:mmcb:${name}:end`, (message) => {
      // Both kinds have an 'end': that of an asynchronous call has neither result nor error yet.
      if ('result' in message || message.error !== undefined) ended(message);
      else asynchronous.add(message);
    });
    this.#on(`tracing:mmcb:${name}:asyncEnd`, (message) => {
      if (asynchronous.has(message)) ended(message);
    });
  }

  #on(name: string, listen: (message: Message) => void): void {
    const listener = (message: unknown): void => listen(message as Message);
    subscribe(name, listener);
    this.#subscriptions.push([name, listener]);
  }

  close(): void {
    for (const [name, listener] of this.#subscriptions.splice(0)) unsubscribe(name, listener);
    this.#meter.removeBatchObservableCallback(this.#collect, this.#observables);
    this.#stores.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isObserved(value: unknown): value is Observed {
  return typeof value === 'object' && value !== null && 'stats' in value && 'path' in value;
}

/** The counters of a store; undefined when it has been closed. */
function statsOf(store: Observed): BufferStats | undefined {
  try {
    return store.stats();
  } catch {
    return undefined;
  }
}

function errorType(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error;
  return 'code' in error ? String(error.code) : error.constructor.name;
}
