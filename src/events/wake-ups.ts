/**
 * WakeUps: who waits for events is woken when there may be some: after a call of this thread, after one of another thread of
 * this process (a BroadcastChannel for each file), and after sync points, which come whatever happens to the thread that
 * stored something. A wake-up says nothing but "look again", so one too many does no harm.
 *
 * While somebody waits for events of a file, which other threads may store, the thread stays alive; else nothing here keeps it
 * so.
 */
import { BroadcastChannel } from 'node:worker_threads';
import type { CompactableBuffer } from '../buffer/compactable-buffer.js';
import { identityOf } from '../buffer/file-identity.js';

/** A BroadcastChannel of Node, whose type does not know all that it has. */
interface Channel {
  onmessage: (message: unknown) => void;
  postMessage(message: unknown): void;
  ref(): void;
  unref(): void;
  close(): void;
}

export class WakeUps {
  readonly #buffer: CompactableBuffer;
  readonly #channel: Channel | undefined;
  readonly #sleepers = new Set<() => void>();
  readonly #onSync = (): void => this.#wake();
  #posting = false;
  #closed = false;

  constructor(buffer: CompactableBuffer) {
    this.#buffer = buffer;
    if (buffer.path === ':memory:') return;
    this.#channel = new BroadcastChannel(`mmcb:events:${identityOf(buffer.path)}`) as unknown as Channel;
    this.#channel.onmessage = () => this.#wake();
    this.#channel.unref();
  }

  /** There may be something new: wakes this thread, and the others, once for all that is told in a turn. */
  tell(): void {
    this.#wake();
    if (this.#posting || this.#channel === undefined) return;
    this.#posting = true;
    queueMicrotask(() => {
      this.#posting = false;
      if (!this.#closed) this.#channel?.postMessage(null);
    });
  }

  /** Waits for the next wake-up, or the end; rejects with the reason of an aborted signal. */
  wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const end = (): void => {
        signal?.removeEventListener('abort', onAbort);
        this.#sleepers.delete(wake);
        if (this.#sleepers.size > 0) return;
        this.#buffer.off('sync', this.#onSync);
        if (!this.#closed) this.#channel?.unref();
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const onAbort = (): void => {
        end();
        reject(signal?.reason);
      };
      if (this.#closed) return resolve();
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (this.#sleepers.size === 0) {
        this.#buffer.on('sync', this.#onSync);
        this.#channel?.ref();
      }
      this.#sleepers.add(wake);
    });
  }

  /** Wakes everybody for the last time. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    this.#channel?.close();
  }

  #wake(): void {
    for (const wake of [...this.#sleepers]) wake();
  }
}
