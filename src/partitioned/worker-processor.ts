/**
 * Processors in worker threads: a module that exports one by default. A pool of threads calls it, one batch at a time each,
 * so that CPU-heavy processors leave the event loop alone. What the module gets and throws is cloned (`structuredClone`).
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Processor } from './options.js';

/** A processor, and how to let go of it. */
export interface LoadedProcessor<T> {
  readonly run: Processor<T>;
  close(): Promise<void>;
}

/** The processor of an option: the function itself, or a pool of threads for the module at a URL. */
export function loadProcessor<T>(processor: Processor<T> | URL | string, threads: number): LoadedProcessor<T> {
  if (typeof processor === 'function') return { run: processor, close: async () => {} };
  const text = String(processor);
  const url = /^[a-z][a-z+.-]+:/i.test(text) ? text : pathToFileURL(text).href;
  return new WorkerPool<T>(url, Math.min(threads, availableParallelism()));
}

/** What runs in each thread: it loads the module, and answers each batch. */
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const controllers = new Map();
const loaded = import(workerData).then((module) => module.default);
loaded.catch(() => {});
parentPort.on('message', async ({ id, abort, batch, partition, attempt }) => {
  if (abort) return void controllers.get(id)?.abort();
  const controller = new AbortController();
  controllers.set(id, controller);
  let answer;
  try {
    await (await loaded)(batch, { partition, attempt, signal: controller.signal });
    answer = { id };
  } catch (error) {
    answer = { id, failed: true, error, code: error?.code };
  }
  controllers.delete(id);
  try {
    parentPort.postMessage(answer);
  } catch {
    parentPort.postMessage({ id, failed: true, error: new Error(String(answer.error)) });
  }
});
`;

interface Job<T> {
  readonly id: number;
  readonly batch: T[];
  readonly partition: number;
  readonly attempt: number;
  resolve(): void;
  reject(error: unknown): void;
}

interface Answer {
  failed?: boolean;
  error?: unknown;
  code?: unknown;
}

class WorkerPool<T> implements LoadedProcessor<T> {
  readonly #url: string;
  readonly #size: number;
  readonly #idle: PoolThread<T>[] = [];
  readonly #waiting: Job<T>[] = [];
  readonly #threads = new Set<PoolThread<T>>();
  #nextId = 1;

  constructor(url: string, size: number) {
    this.#url = url;
    this.#size = size;
  }

  readonly run: Processor<T> = (batch, { partition, attempt, signal }) => {
    return new Promise<void>((resolve, reject) => {
      const job: Job<T> = { id: this.#nextId++, batch, partition, attempt, resolve, reject };
      signal.addEventListener(
        'abort',
        () => {
          const index = this.#waiting.indexOf(job);
          if (index >= 0) this.#waiting.splice(index, 1);
          for (const thread of this.#threads) thread.abort(job);
        },
        { once: true },
      );
      this.#waiting.push(job);
      this.#next();
    });
  };

  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.worker.terminate()));
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idle.pop() ?? (this.#threads.size < this.#size ? this.#start() : undefined);
      if (thread === undefined) return;
      const job = this.#waiting.shift() as Job<T>;
      try {
        thread.work(job);
      } catch (error) {
        job.reject(error); // it cannot be cloned
        this.#idle.push(thread);
      }
    }
  }

  #start(): PoolThread<T> {
    const thread: PoolThread<T> = new PoolThread<T>(
      this.#url,
      () => {
        this.#idle.push(thread);
        this.#next();
      },
      () => {
        this.#threads.delete(thread);
        const index = this.#idle.indexOf(thread);
        if (index >= 0) this.#idle.splice(index, 1);
        this.#next();
      },
    );
    this.#threads.add(thread);
    return thread;
  }
}

/** One thread of a pool. It keeps the process alive while it works, and ends with an error for the batch that it dies with. */
class PoolThread<T> {
  readonly worker: Worker;
  #job: Job<T> | undefined;

  constructor(url: string, idle: () => void, gone: () => void) {
    this.worker = new Worker(program, { eval: true, workerData: url });
    this.worker.unref();
    this.worker.on('message', ({ failed, error, code }: Answer) => {
      const job = this.#end();
      // Cloning keeps only the name, message and stack of an error.
      if (error instanceof Error && code !== undefined) Object.assign(error, { code });
      if (failed) job?.reject(error);
      else job?.resolve();
      idle();
    });
    this.worker.on('error', (error) => this.#end()?.reject(error));
    this.worker.on('exit', (code) => {
      this.#end()?.reject(new Error(`the worker thread of the processor has ended with code ${code}`));
      gone();
    });
  }

  work(job: Job<T>): void {
    const { id, batch, partition, attempt } = job;
    this.worker.postMessage({ id, batch, partition, attempt });
    this.#job = job;
    this.worker.ref();
  }

  abort(job: Job<T>): void {
    if (this.#job === job) this.worker.postMessage({ id: job.id, abort: true });
  }

  #end(): Job<T> | undefined {
    const job = this.#job;
    this.#job = undefined;
    this.worker.unref();
    return job;
  }
}
