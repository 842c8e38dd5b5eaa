/** A process that writes to a file until it is killed: child.mjs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { BufferOptions } from '../../src/index.js';
import { readLog } from './log.mjs';

const program = fileURLToPath(new URL('./child.mjs', import.meta.url));

/** What a thread writes; see writer.mjs. */
export interface WritingTask {
  seed: number;
  /** Number of its first value. */
  firstId: number;
  /** Bytes of the largest values. */
  largest: number;
  lane: number;
  lanes: number;
  /** Entries without keys that are its own; undefined: all there are. */
  addresses?: number[];
  /** Entries of each kind, about, of all threads; operations between two turns of the event loop. */
  most?: number;
  perRound?: number;
}

/** When a child kills itself: see child.mjs. */
export interface Moment {
  type: string;
  after: number;
  delay: number;
}

export interface Task {
  file: string;
  /** With '.0' for the main thread's, '.1' for the first worker's. */
  log: string;
  options: BufferOptions;
  /** One for each thread that writes. */
  tasks: WritingTask[];
  moment?: Moment;
  /** It also closes the file now and then, and opens it again. */
  reopens?: boolean;
}

export class Child {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  #output = '';

  /** `workers`: threads that write; 0: the main thread does. `kills`: itself, at a moment that it will be told. */
  constructor({
    workers = 0,
    kills = false,
    env = {},
  }: { workers?: number; kills?: boolean; env?: NodeJS.ProcessEnv }) {
    this.#process = spawn(process.execPath, [program, String(workers), kills ? 'kills' : ''], {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#process.stderr?.on('data', (text) => {
      this.#output += text;
    });
    this.#process.stdin?.on('error', () => {}); // it is gone: its exit says why
    this.#exit = once(this.#process, 'close');
  }

  start(task: Task): void {
    this.#process.stdin?.write(`${JSON.stringify(task)}\n`);
  }

  async opened(log: string): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (this.#process.exitCode === null && readLog(log).opened === undefined) {
      if (Date.now() > deadline) throw new Error('the child did not open the file within 20 seconds');
      await delay(1);
    }
  }

  /** Waits until it has ended by itself; gives up after a time. */
  async ended(milliseconds: number): Promise<void> {
    await Promise.race([this.#exit, delay(milliseconds, undefined, { ref: false })]);
  }

  /** Kills it, unless it has ended. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exit;
  }

  /** An error where it ended in any other way than by a kill, because it never does. */
  expectKilled(): void {
    const { exitCode, signalCode } = this.#process;
    if (signalCode === 'SIGKILL') return;
    throw new Error(`the child ended by itself (exit code ${exitCode}, signal ${signalCode}):\n${this.#output}`);
  }
}
