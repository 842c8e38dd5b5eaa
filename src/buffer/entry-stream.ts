/** A stream over the data of one entry, as it was when the stream was made. */
import { Readable } from 'node:stream';
import type { Resource, Store } from '../internal/lifecycle.js';
import { custom, integer, readOptions, signal } from '../internal/options.js';

/** Options of `createReadStream`. */
export interface ReadStreamOptions {
  /** Bytes read at a time: 1 to 1 GiB. @default 65536 */
  highWaterMark?: number | undefined;
  /** The first byte to read. @default 0 */
  start?: number | undefined;
  /** The last byte to read; inclusive, as in `fs`. @default Infinity */
  end?: number | undefined;
  /** Destroys the stream with the signal's reason. */
  signal?: AbortSignal | undefined;
}

const place = integer(0, 0, Number.MAX_SAFE_INTEGER, 'bytes');

const table = {
  highWaterMark: integer(65_536, 1, 2 ** 30, 'bytes'),
  start: place,
  end: custom(Number.POSITIVE_INFINITY, (value, name) =>
    value === Number.POSITIVE_INFINITY ? value : place.check(value, name),
  ),
  signal: signal(),
};

/** Bytes read to see whether there is anything behind what should be the end. */
const PROBE = 256;

export class EntryStream extends Readable implements Resource {
  readonly #store: Store;
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #reader = -1;
  #position: number;
  #size = 0;

  /** Opens its reader at once; if there is no such entry, the stream fails with MMCB_NOT_FOUND. */
  constructor(store: Store, address: number, options: ReadStreamOptions | undefined) {
    const { highWaterMark, start, end, signal } = readOptions(table, options, 'createReadStream');
    if (end < start - 1)
      throw new RangeError(`option 'end' of createReadStream must not be before 'start': ${end} < ${start}`);
    super({ highWaterMark });
    this.#store = store;
    this.#position = start;
    this.#end = end;
    this.#signal = signal;
    this.#onAbort = () => this.destroy(reasonOf(signal));
    if (signal?.aborted) {
      this.#onAbort();
      return;
    }
    const reader = store.native.openReader(store.handle, address);
    if (reader < 0) {
      this.destroy(store.failure(reader, `address ${address}`));
      return;
    }
    this.#reader = reader;
    this.#size = store.native.sizeOf(store.handle, address);
    store.attach(this);
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  override _read(size: number): void {
    if (this.#reader < 0) return;
    const wanted = Math.min(size, this.#end - this.#position + 1);
    if (wanted <= 0) {
      this.push(null);
      return;
    }
    // The size was asked for after the reader was opened, so another thread may have made it wrong: only a read that
    // comes back short proves the end.
    const left = this.#size - this.#position;
    const room = Math.min(wanted, left > 0 ? left : PROBE);
    const chunk = Buffer.allocUnsafe(room);
    const copied = this.#store.native.readerRead(this.#store.handle, this.#reader, chunk, this.#position);
    if (copied < 0) {
      this.destroy(this.#store.failure(copied));
      return;
    }
    this.#position += copied;
    if (copied > 0) this.push(copied === room ? chunk : chunk.subarray(0, copied));
    if (copied < room) this.push(null);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#closeReader();
    done(error);
  }

  /** Its buffer closes: the stream fails with MMCB_CLOSED, or just ends where nobody would hear of it. */
  abandon(): void {
    this.#closeReader();
    this.destroy(this.listenerCount('error') > 0 ? this.#store.closedError() : undefined);
  }

  #closeReader(): void {
    if (this.#reader < 0) return;
    this.#store.native.closeReader(this.#store.handle, this.#reader);
    this.#store.detach(this);
    this.#reader = -1;
  }
}

/** An Error to destroy a stream with: the signal's reason, or an AbortError because of it. */
function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  if (reason instanceof Error) return reason;
  const error = new Error('The operation was aborted', { cause: reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}
