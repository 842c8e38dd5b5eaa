/** Event stores in worker threads (test/workers/event-store.mjs), for the tests of this thread. */
import { Worker } from 'node:worker_threads';
import {
  type EventStoreOptions,
  MmcbError,
  type MmcbErrorCode,
  type Snapshot,
  type StoredEvent,
} from '../../src/index.js';
import type { AnyEventStore } from '../contract/event-store-contract.js';

interface Answer {
  id: number;
  result?: unknown;
  error?: { kind: string; name: string; message: string; code: MmcbErrorCode; more: object };
}

/** A thread with a store, one after another. */
export class EventStoreThread {
  readonly worker: Worker;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #id = 0;
  #iterators = 0;

  constructor() {
    this.worker = new Worker(new URL('../workers/event-store.mjs', import.meta.url));
    this.worker.on('message', (answer: Answer) => this.#answer(answer));
    const fail = (error: Error): void => {
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.worker.on('error', fail);
    this.worker.on('exit', () => fail(new Error('the worker has ended')));
  }

  /** Opens a file. */
  use(path: string, options: EventStoreOptions): Promise<void> {
    return this.ask('use', path, options);
  }

  ask<T>(call: string, ...args: unknown[]): Promise<T> {
    const id = this.#id++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, args });
    });
  }

  /** An iterator of its own, made at once. */
  iterate(name: string, args: unknown[]): AsyncIterableIterator<StoredEvent> {
    const number = this.#iterators++;
    const opened = this.ask('open', number, name, args);
    opened.catch(() => {}); // whoever asks for the first one is told
    return {
      next: () => opened.then(() => this.ask('next', number)),
      return: () => opened.then(() => this.ask('return', number)),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #answer({ id, result, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result as never);
    else waiting?.reject(revived(error));
  }
}

function revived({ kind, message, code, more }: NonNullable<Answer['error']>): Error {
  if (kind === 'TypeError') return new TypeError(message);
  if (kind === 'RangeError') return new RangeError(message);
  return Object.assign(new MmcbError(code, message), more);
}

/** One file open in several threads: each call goes to the next of them. */
export class EventStoreThreads implements AnyEventStore {
  readonly #threads: readonly EventStoreThread[];
  #next = 0;
  #closed: Promise<void> | undefined;

  private constructor(threads: readonly EventStoreThread[]) {
    this.#threads = threads;
  }

  static async open(
    threads: readonly EventStoreThread[],
    path: string,
    options: EventStoreOptions,
  ): Promise<EventStoreThreads> {
    await Promise.all(threads.map((thread) => thread.use(path, options)));
    return new EventStoreThreads(threads);
  }

  store: AnyEventStore['store'] = (...args) => this.#call('store', args);
  storeBatch: AnyEventStore['storeBatch'] = (...args) => this.#call('storeBatch', args);
  get: AnyEventStore['get'] = (...args) => this.#call('get', args);
  latestVersion: AnyEventStore['latestVersion'] = (...args) => this.#call('latestVersion', args);
  aggregateVersion: AnyEventStore['aggregateVersion'] = (...args) => this.#call('aggregateVersion', args);
  saveSnapshot: AnyEventStore['saveSnapshot'] = (...args) => this.#call('saveSnapshot', args);
  runGC: AnyEventStore['runGC'] = (...args) => this.#call('runGC', args);
  load: AnyEventStore['load'] = (...args) => this.#thread.iterate('load', args);
  loadByAggregate: AnyEventStore['loadByAggregate'] = (...args) => this.#thread.iterate('loadByAggregate', args);
  subscribe: AnyEventStore['subscribe'] = (...args) => this.#thread.iterate('subscribe', args);
  loadSnapshot<S>(aggregateId: string): Promise<Snapshot<S> | undefined> {
    return this.#call('loadSnapshot', [aggregateId]);
  }

  checkpoint(name: string): ReturnType<AnyEventStore['checkpoint']> {
    return {
      load: () => this.#thread.ask('checkpoint', name, 'load', []),
      save: (version) => this.#thread.ask('checkpoint', name, 'save', [version]),
      delete: () => this.#thread.ask('checkpoint', name, 'delete', []),
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.ask('call', 'close', [])));
  }

  #call<T>(name: string, args: unknown[]): Promise<T> {
    return this.#thread.ask<T>('call', name, args);
  }

  get #thread(): EventStoreThread {
    this.#next = (this.#next + 1) % this.#threads.length;
    return this.#threads[this.#next] as EventStoreThread;
  }
}
