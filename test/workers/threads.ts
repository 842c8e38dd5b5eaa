/** Threads and processes for tests: each is told what to do, and says what came of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { BufferOptions } from '../../src/index.js';

interface Answer {
  /** Of what was asked; undefined: told unasked. */
  id: number | undefined;
  result?: unknown;
  error?: { name: string; code: string; message: string; cause?: unknown };
}

/** A thread with a buffer open (worker.mjs), or something else with another program. */
export class Thread {
  readonly worker: Worker;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #id = 0;

  constructor(file: string, options: object, program = 'worker.mjs') {
    this.worker = new Worker(new URL(`./${program}`, import.meta.url), { workerData: { file, options } });
    this.worker.on('message', ({ id, result, error }: Answer) => {
      if (id === undefined) return;
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(Object.assign(new Error(error.message), error));
    });
    const fail = (error: Error): void => {
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.worker.on('error', fail);
    this.worker.on('exit', (code) => fail(new Error(`the worker has ended with ${code}`)));
  }

  ask(call: string, ...args: unknown[]): Promise<unknown> {
    const id = this.#id++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, call, args });
    });
  }

  /** Without waiting for an answer, which may never come. */
  tell(call: string, ...args: unknown[]): void {
    this.ask(call, ...args).catch(() => {});
  }

  async leave(): Promise<void> {
    const exit = once(this.worker, 'exit');
    this.tell('leave');
    await exit;
  }
}

export interface Opened {
  status?: string;
  entries?: number;
  code?: string;
}

/** Another process with a buffer open (other-process.mjs), or one that could not open it. */
export class OtherProcess {
  private constructor(
    readonly process: ChildProcess,
    readonly opened: Opened,
  ) {}

  static async open(file: string, options: BufferOptions = {}): Promise<OtherProcess> {
    const program = fileURLToPath(new URL('./other-process.mjs', import.meta.url));
    const child = spawn(process.execPath, [program, file, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return new OtherProcess(child, JSON.parse(line.toString()) as Opened);
  }

  /** Lets it close and end. */
  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exit = once(this.process, 'exit');
    this.process.stdin?.end();
    await exit;
  }

  async kill(): Promise<void> {
    const exit = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exit;
  }
}
