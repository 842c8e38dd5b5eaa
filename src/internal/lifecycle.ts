/**
 * Store: one handle of the addon and what is going on with it. The buffer, and the maps over it, share one.
 *
 * Status goes open -> closing -> closed and never back. As soon as it is no longer open, `handle` is -1, which the addon
 * answers with CLOSED: the hot path needs no check of its own.
 */
import { describe, MmcbError, NativeAbort } from '../errors.js';
import type { Runtime } from './load-binding.js';
import {
  type Completion,
  type NativeBinding,
  NativeCode,
  type NativeOpenOptions,
  type Progress as NativeProgress,
} from './native.js';
import type { Slab } from './slab.js';

export type Status = 'open' | 'closing' | 'closed';

/** Something that ends when its store closes: a stream, a view. */
export interface Resource {
  /** Lets go of native state at once; called while the handle still works. */
  abandon(): void;
}

export type ProgressListener = (progress: { phase: string; done: number; total: number }) => void;

/** How a long operation is waited for. */
export interface Wait {
  signal?: AbortSignal | undefined;
  onProgress?: ProgressListener | undefined;
  /** Reject as soon as the signal says so, instead of when the operation has stopped. */
  detached?: boolean;
}

export class Store {
  readonly native: NativeBinding;
  readonly slab: Slab;
  /** The handle, or -1 when not open. */
  handle: number;
  /** Grows with each change made through this store in this thread: iterators see that their page may be out of date. */
  changes = 0;

  #status: Status = 'open';
  #name: string;
  #pending = new Set<{ operation: number }>();
  #resources = new Set<Resource>();
  #closing: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #nativeClosed = false;

  constructor(runtime: Runtime, handle: number, name: string) {
    this.native = runtime.native;
    this.slab = runtime.slab;
    this.handle = handle;
    this.#name = name;
  }

  get status(): Status {
    return this.#status;
  }

  /** Throws MMCB_CLOSED unless open. */
  assertOpen(): void {
    if (this.handle < 0) throw this.closedError();
  }

  closedError(): MmcbError {
    return new MmcbError('MMCB_CLOSED', describe('MMCB_CLOSED', this.#name));
  }

  /** The error behind the negative result of a hot call, or behind that of one which has done a part. */
  failure(result: number, subject = ''): Error {
    if (this.handle < 0 || result === -NativeCode.CLOSED) return this.closedError();
    if (result === -NativeCode.NOT_FOUND) {
      return new MmcbError('MMCB_NOT_FOUND', describe('MMCB_NOT_FOUND', subject === '' ? this.#name : subject));
    }
    return this.native.lastError(this.handle);
  }

  // ---- Long operations ----

  /** Starts a long operation and waits for it. `start` gets the handle, a progress callback and the completion. */
  run<T>(
    wait: Wait,
    start: (handle: number, progress: NativeProgress | null, done: Completion<T>) => number,
  ): Promise<T> {
    if (this.handle < 0) return Promise.reject(this.closedError());
    const entry = { operation: -1 };
    const settled = (): void => {
      this.#pending.delete(entry);
      if (this.#pending.size === 0) this.#wake?.();
    };
    this.#pending.add(entry);
    return runNative<T>(this.native, wait, entry, settled, (progress, done) =>
      start(this.handle, progress, done),
    ).catch((error: unknown) => {
      throw error instanceof NativeAbort ? this.closedError() : error;
    });
  }

  // ---- Resources ----

  attach(resource: Resource): void {
    this.#resources.add(resource);
  }

  detach(resource: Resource): void {
    this.#resources.delete(resource);
  }

  // ---- Closing ----

  /** Closes once everything pending has ended; every call gets the same promise. */
  close(): Promise<void> {
    this.#closing ??= this.#status === 'closed' ? Promise.resolve() : this.#close(this.#leave());
    return this.#closing;
  }

  /** Closes at once: what is pending is cancelled and rejects with MMCB_CLOSED. */
  closeSync(): void {
    if (this.#nativeClosed) return;
    for (const { operation } of this.#pending) this.native.cancel(operation);
    const handle = this.#status === 'closing' ? this.#leaving : this.#leave();
    this.#nativeClosed = true;
    this.#status = 'closed';
    this.native.closeSync(handle);
  }

  #leaving = -1;

  #leave(): number {
    for (const resource of [...this.#resources].reverse()) resource.abandon();
    this.#resources.clear();
    this.#leaving = this.handle;
    this.handle = -1;
    this.#status = 'closing';
    return this.#leaving;
  }

  async #close(handle: number): Promise<void> {
    // Also when nothing is pending this waits for a microtask, so that no call on the stack (a view, a stream's read) is
    // still at work when the mapping goes.
    await (this.#pending.size === 0
      ? undefined
      : new Promise<void>((resolve) => {
          this.#wake = resolve;
        }));
    if (this.#nativeClosed) return;
    this.#nativeClosed = true;
    try {
      await new Promise<void>((resolve, reject) => {
        this.native.close(handle, (error) => (error === null ? resolve() : reject(error)));
      });
    } finally {
      this.#status = 'closed';
    }
  }
}

/** Opens a handle off this thread. */
export async function openHandle(
  runtime: Runtime,
  path: string,
  options: NativeOpenOptions,
  wait: Wait,
): Promise<number> {
  const { native } = runtime;
  // A file that is open by the time the wait fails must not stay so.
  const late = (handle: number): void => void native.close(handle, () => {});
  return runNative<number>(
    native,
    wait,
    { operation: -1 },
    () => {},
    (progress, done) => native.open(path, options, progress, done),
    late,
  );
}

/**
 * Runs one native operation: an aborted signal starts nothing, an abort cancels it, a throwing progress listener stops it
 * with its error. `settled` is called when native code has let go; `late` gets a result that nobody waits for any more.
 */
function runNative<T>(
  native: NativeBinding,
  { signal, onProgress, detached }: Wait,
  entry: { operation: number },
  settled: () => void,
  start: (progress: NativeProgress | null, done: Completion<T>) => number,
  late?: (result: T) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) {
      settled();
      reject(signal.reason);
      return;
    }
    let failure: { error: unknown } | undefined;
    const stop = (error: unknown): void => {
      failure ??= { error };
      if (entry.operation >= 0) native.cancel(entry.operation);
    };
    const onAbort = (): void => {
      stop(signal?.reason);
      if (detached) reject(signal?.reason);
    };
    const progress: NativeProgress | null =
      onProgress === undefined
        ? null
        : (phase, done, total) => {
            if (failure !== undefined) return;
            try {
              onProgress({ phase, done, total });
            } catch (error) {
              stop(error);
            }
          };
    signal?.addEventListener('abort', onAbort, { once: true });
    const done: Completion<T> = (error, result) => {
      signal?.removeEventListener('abort', onAbort);
      settled();
      if (failure !== undefined) {
        if (error === null) late?.(result as T);
        reject(failure.error);
      } else if (error === null) resolve(result as T);
      else reject(error);
    };
    try {
      entry.operation = start(progress, done);
      if (failure !== undefined) native.cancel(entry.operation);
    } catch (error) {
      signal?.removeEventListener('abort', onAbort);
      settled();
      reject(error);
    }
  });
}

/** Waits for `work`, or until `signal` says to stop waiting; the work itself goes on. */
export function orAbort<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
