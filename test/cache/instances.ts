/** Caches in processes and threads of their own (child.mjs). */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach } from 'vitest';
import type { LayeredCacheOptions } from '../../src/index.js';
import type { RedisLayerOptions } from '../../src/redis/index.js';

interface Settings {
  url?: string;
  layer?: RedisLayerOptions;
  options?: LayeredCacheOptions<unknown>;
}

interface Answer {
  id: number;
  result?: unknown;
  error?: { code: string; message: string };
}

const child = new URL('./child.mjs', import.meta.url);
const instances = new Set<Instance>();

export class Instance {
  readonly #home: ChildProcess | Worker;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #id = 0;

  private constructor(home: ChildProcess | Worker) {
    this.#home = home;
    instances.add(this);
    home.on('message', ({ id, result, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result as never);
      else waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
    });
    home.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('it has ended'));
      this.#waiting.clear();
    });
  }

  static async process(settings: Settings): Promise<Instance> {
    const made = new Instance(fork(fileURLToPath(child)));
    await made.call('open', settings);
    return made;
  }

  static async thread(settings: Settings): Promise<Instance> {
    const made = new Instance(new Worker(child));
    await made.call('open', settings);
    return made;
  }

  call<T>(call: string, ...args: unknown[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = ++this.#id;
      this.#waiting.set(id, { resolve, reject });
      const message = { id, call, args };
      if (this.#home instanceof Worker) this.#home.postMessage(message);
      else this.#home.send(message);
    });
  }

  /** Ends it at once, with nothing closed. */
  async kill(): Promise<void> {
    instances.delete(this);
    if (this.#home instanceof Worker) await this.#home.terminate();
    else if (this.#home.exitCode === null && this.#home.signalCode === null) {
      const exit = once(this.#home, 'exit');
      this.#home.kill('SIGKILL');
      await exit;
    }
  }
}

afterEach(async () => {
  await Promise.all([...instances].map((instance) => instance.kill()));
});
