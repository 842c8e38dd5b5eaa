/** A process with stores in it (child.mjs), and beside each store a plain Map that says what it must hold. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect } from 'vitest';
import type { BufferOptions, BufferStats, CompactionReport, RecoveryReport, VerifyReport } from '../../../src/index.js';

export interface Value {
  id: number;
  size: number;
}

export type Change =
  | { type: 'add'; value: Value }
  | { type: 'update'; address: number; value: Value }
  | { type: 'remove'; address: number };
export type Operation = Change | { type: 'batch'; operations: Change[] };

/** An error of the process, as far as JSON carries it. */
export interface ProcessError {
  name: string;
  code?: string;
  message: string;
  cause?: { code?: string; message: string };
}

/** What a call of the process failed with. */
export class CallFailed extends Error {
  constructor(
    readonly call: string,
    readonly error: ProcessError,
  ) {
    super(`${call}: ${error.code ?? error.name}: ${error.message}`);
  }
}

const program = fileURLToPath(new URL('./child.mjs', import.meta.url));
const alive = new Set<StoreProcess>();

/** Ends what a test has left running. */
export async function killAll(): Promise<void> {
  await Promise.all([...alive].map((one) => one.kill()));
}

afterEach(killAll);

/** One process. Whatever happens to it: no call of it waits for ever. */
export class StoreProcess {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #waiting = new Map<
    number,
    { resolve: (result: never) => void; reject: (error: Error) => void; call: string }
  >();
  #output = '';
  #rest = '';
  #id = 0;

  /** `command`: what to run instead of `node`, e.g. a `prlimit ... node`; `identity`: as which user. */
  constructor(command: readonly string[] = [process.execPath], identity: { uid?: number; gid?: number } = {}) {
    const [file = '', ...args] = command;
    this.#process = spawn(file, [...args, program], { stdio: ['pipe', 'pipe', 'pipe'], ...identity });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
    this.#process.stdin?.on('error', () => {}); // it is gone: its exit says why
    this.#exit = once(this.#process, 'close').then(() => this.#ended());
    alive.add(this);
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** A call of child.mjs. Rejects with CallFailed, or, when the process dies, with an Error that says how. */
  call<T>(call: string, store = '', ...args: unknown[]): Promise<T> {
    const id = this.#id++;
    return new Promise<T>((resolve, reject) => {
      if (!this.running) return reject(this.#death(call));
      this.#waiting.set(id, { resolve, reject, call });
      this.#process.stdin?.write(`${JSON.stringify({ id, store, call, args })}\n`);
    });
  }

  /** Lets it close its stores and end; an error if it does not end well. */
  async end(): Promise<void> {
    this.#process.stdin?.end();
    await this.#exit;
    if (this.#process.exitCode !== 0) throw this.#death('end');
  }

  async kill(): Promise<void> {
    if (this.running) this.#process.kill('SIGKILL');
    await this.#exit;
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() as string;
    for (const line of lines) {
      const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: ProcessError };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result as never);
      else waiting?.reject(new CallFailed(waiting.call, error));
    }
  }

  #death(call: string): Error {
    const { exitCode, signalCode } = this.#process;
    return new Error(`the process died during ${call}: exit code ${exitCode}, signal ${signalCode}\n${this.#output}`);
  }

  #ended(): void {
    alive.delete(this);
    for (const { reject, call } of this.#waiting.values()) reject(this.#death(call));
    this.#waiting.clear();
  }
}

/** One file: the store in a process, and what it must hold. Survives the processes that have it open. */
export class CheckedStore {
  readonly model = new Map<number, Value>();
  #process: StoreProcess | undefined;
  #id = 1;

  constructor(
    readonly file: string,
    readonly options: BufferOptions,
  ) {}

  get process(): StoreProcess {
    if (this.#process === undefined) throw new Error('the store is not open');
    return this.#process;
  }

  /** The next value, different from all before. */
  value(size: number): Value {
    return { id: this.#id++, size };
  }

  async open(options: BufferOptions = {}, process = new StoreProcess()): Promise<RecoveryReport> {
    this.#process = process;
    return process.call<RecoveryReport>('open', this.file, this.file, { ...this.options, ...options });
  }

  /** Closes the store and ends its process. */
  async close(): Promise<void> {
    await this.process.call('close', this.file);
    await this.process.end();
  }

  /** Does operations until one fails; returns its error. The model follows. */
  async perform(operations: readonly Operation[]): Promise<ProcessError | undefined> {
    const answer = await this.#call<{ done: number[][]; error?: ProcessError }>('perform', operations);
    answer.done.forEach((addresses, i) => {
      apply(this.model, operations[i] as Operation, addresses);
    });
    return answer.error;
  }

  /** Operations that must all succeed. */
  async must(operations: readonly Operation[]): Promise<void> {
    const error = await this.perform(operations);
    if (error !== undefined) throw new CallFailed('perform', error);
  }

  /** Repeats one kind of operation until it fails, which it must; returns the error and how often it succeeded. */
  async exhaust(make: () => Operation, most: number): Promise<{ error: ProcessError; done: number }> {
    for (let done = 0; done < most; ) {
      const operations = Array.from({ length: Math.min(500, most - done) }, make);
      const before = operations.length;
      const answer = await this.#call<{ done: number[][]; error?: ProcessError }>('perform', operations);
      answer.done.forEach((addresses, i) => {
        apply(this.model, operations[i] as Operation, addresses);
      });
      done += answer.done.length;
      if (answer.error !== undefined) return { error: answer.error, done };
      expect(answer.done.length).toBe(before);
    }
    throw new Error(`${most} operations succeeded, and the disk is full`);
  }

  add(count: number, size: number): Operation[] {
    return Array.from({ length: count }, () => ({ type: 'add', value: this.value(size) }));
  }

  addresses(): number[] {
    return [...this.model.keys()];
  }

  /** Reads everything, and compares each byte. */
  async check(): Promise<void> {
    const found = await this.#call<[number, number, number][]>('contents');
    const differences = compare(this.model, found);
    if (differences.length > 0) {
      throw new Error(`${differences.length} differences to the model:\n${differences.slice(0, 20).join('\n')}`);
    }
  }

  /** Whether the store holds exactly this. */
  async isAt(model: ReadonlyMap<number, Value>): Promise<boolean> {
    return compare(model, await this.#call<[number, number, number][]>('contents')).length === 0;
  }

  /** Values are numbered from here on: those below are another store's. */
  skipValues(first: number): void {
    this.#id = Math.max(this.#id, first);
  }

  /** The same, and the checks of the engine itself. */
  async verify(): Promise<void> {
    await this.check();
    const { ok, errors, entries } = await this.#call<VerifyReport>('verify');
    expect({ ok, errors, entries }).toEqual({ ok: true, errors: [], entries: this.model.size });
  }

  /** Verified, closed in order, and the same when it is opened again. */
  async finish(): Promise<void> {
    await this.verify();
    await this.close();
    await this.open();
    await this.verify();
    await this.close();
  }

  flush(): Promise<void> {
    return this.#call('flush');
  }

  compact(): Promise<CompactionReport> {
    return this.#call('compact');
  }

  backup(path: string): Promise<void> {
    return this.#call('backup', path);
  }

  stats(): Promise<BufferStats> {
    return this.#call('stats');
  }

  errors(): Promise<ProcessError[]> {
    return this.#call('errors');
  }

  /** `count` random operations, of which some may fail with one of `codes`. */
  async churn(settings: Churn & { count: number }): Promise<{ done: number; failed: number }> {
    const counts = await this.#call<{ done: number; failed: number }>('churn', this.#churn(settings));
    this.#replay(settings.log);
    return counts;
  }

  /** The same until the log has `bytes` bytes, and then kill -9. What was under way must be there wholly or not at all. */
  async churnAndKill(settings: Churn & { bytes: number }): Promise<void> {
    const ended = this.#call('churn', this.#churn({ ...settings, count: 0 })).catch((error: Error) => error);
    const deadline = Date.now() + 20_000;
    while ((existsSync(settings.log) ? statSync(settings.log).size : 0) < settings.bytes && this.process.running) {
      if (Date.now() > deadline) throw new Error('the process did too little within 20 seconds');
      await delay(1);
    }
    if (!this.process.running) throw await ended;
    await this.process.kill();
    const underWay = this.#replay(settings.log);
    await this.open();
    if (underWay === undefined) return;
    const found = await this.#call<[number, number, number][]>('contents');
    if (compare(this.model, found).length === 0) return;
    apply(this.model, underWay, newAddresses(this.model, found, underWay));
  }

  #churn(settings: Churn & { count: number }): object {
    const firstId = this.#id;
    this.#id += 10_000_000;
    return { ...settings, firstId };
  }

  /** Brings the model up to what a log says; returns the operation that has no end. */
  #replay(log: string): Operation | undefined {
    const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : [''];
    lines.pop(); // empty, or cut short
    let open: Operation | undefined;
    for (const line of lines) {
      const content: unknown = JSON.parse(line.slice(1));
      if (line[0] === 'b') open = content as Operation;
      else {
        if (line[0] === 'a') apply(this.model, open as Operation, content as number[]);
        open = undefined;
      }
    }
    return open;
  }

  #call<T>(call: string, ...args: unknown[]): Promise<T> {
    return this.process.call<T>(call, this.file, ...args);
  }
}

export interface Churn {
  seed: number;
  log: string;
  sizes: number[];
  /** From this many entries on there are only removals. */
  most: number;
  codes: string[];
}

function apply(model: Map<number, Value>, operation: Operation, addresses: number[]): void {
  const rest = [...addresses];
  for (const one of operation.type === 'batch' ? operation.operations : [operation]) {
    if (one.type === 'add') model.set(rest.shift() as number, one.value);
    else if (one.type === 'update') model.set(one.address, one.value);
    else model.delete(one.address);
  }
}

function compare(model: ReadonlyMap<number, Value>, found: readonly [number, number, number][]): string[] {
  const differences: string[] = [];
  const seen = new Set<number>();
  for (const [address, id, size] of found) {
    seen.add(address);
    const value = model.get(address);
    if (value === undefined) differences.push(`${address} should not be there (value ${id} of ${size} bytes)`);
    else if (value.id !== id || value.size !== size) {
      differences.push(`${address} should be value ${value.id} of ${value.size} bytes, is ${id} of ${size} bytes`);
    }
  }
  for (const [address, { id, size }] of model) {
    if (!seen.has(address)) differences.push(`${address} is missing (value ${id} of ${size} bytes)`);
  }
  return differences;
}

/** Nobody was told which addresses the adds of a killed call got: they are found by the numbers of their values. */
function newAddresses(
  model: ReadonlyMap<number, Value>,
  found: readonly [number, number, number][],
  operation: Operation,
): number[] {
  const byId = new Map(found.filter(([address]) => !model.has(address)).map(([address, id]) => [id, address]));
  const changes = operation.type === 'batch' ? operation.operations : [operation];
  return changes.flatMap((one) => (one.type === 'add' ? [byId.get(one.value.id) ?? -1] : []));
}
