/**
 * ExpiringMap: values under string keys, each until its time, in a file. What the adapters to key-value interfaces share.
 *
 *     offset  size
 *        0     1   version of this layout: 1
 *        1     8   when it expires: milliseconds since 1970 as binary64, little-endian; Infinity: never
 *        9         the value, by its codec
 *
 * What has expired is not there for anybody, and is removed when it is met, or by a sweep. A sweep goes through the map in
 * pieces, between which the event loop runs.
 */
import type { BufferOptions, WaitOptions } from '../buffer/options.js';
import { type Codec, codecError } from '../codec/codec.js';
import { StringMap } from '../map/string-map.js';

const VERSION = 1;
const HEADER = 9;
const NEVER = Number.POSITIVE_INFINITY;
/** Entries of a sweep between two turns of the event loop. */
const PIECE = 1000;

/** What is stored: bytes, until a time. */
interface Stored {
  readonly expires: number;
  readonly bytes: Uint8Array;
}

/** An entry to be set; `expires` in milliseconds since 1970. */
export interface ExpiringEntry<V> {
  readonly key: string;
  readonly value: V;
  readonly expires?: number | undefined;
}

const storedCodec: Codec<Stored> = {
  encode({ expires, bytes }) {
    const stored = Buffer.allocUnsafe(HEADER + bytes.length);
    stored[0] = VERSION;
    stored.writeDoubleLE(expires, 1);
    stored.set(bytes, HEADER);
    return stored;
  },
  decode(bytes) {
    const stored = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (stored.length < HEADER || stored[0] !== VERSION) throw new TypeError('it is no entry of an expiring map');
    return { expires: stored.readDoubleLE(1), bytes: stored.subarray(HEADER) };
  },
};

export class ExpiringMap<V> {
  readonly #map: StringMap<Stored>;
  readonly #codec: Codec<V>;
  #timer: NodeJS.Timeout | undefined;
  #sweeping = false;

  /** Opens a file, or creates it, and sweeps it every `cleanupInterval` ms; Infinity: never. Rejects as StringMap.open. */
  static async open<V>(
    path: string,
    options: BufferOptions | undefined,
    codec: Codec<V>,
    cleanupInterval: number,
  ): Promise<ExpiringMap<V>> {
    return new ExpiringMap(
      await StringMap.open<Stored>(path, { ...options, codec: storedCodec }),
      codec,
      cleanupInterval,
    );
  }

  private constructor(map: StringMap<Stored>, codec: Codec<V>, cleanupInterval: number) {
    this.#map = map;
    this.#codec = codec;
    if (cleanupInterval !== NEVER) {
      // Whatever fails here fails for somebody who asks, too.
      this.#timer = setInterval(() => this.sweep().catch(() => {}), cleanupInterval).unref();
    }
  }

  get(key: string): V | undefined {
    return this.#value(key, this.#map.get(key));
  }

  getMany(keys: readonly string[]): (V | undefined)[] {
    return this.#map.getMany(keys).map((stored, i) => this.#value(keys[i] as string, stored));
  }

  has(key: string): boolean {
    return this.#live(key, this.#map.get(key)) !== undefined;
  }

  /** When a key expires, Infinity: never; undefined if it is not there. */
  expires(key: string): number | undefined {
    return this.#live(key, this.#map.get(key))?.expires;
  }

  set(key: string, value: V, expires = NEVER): void {
    this.#map.set(key, { expires, bytes: this.#encode(value) });
  }

  /** Sets all or none. */
  setMany(entries: Iterable<ExpiringEntry<V>>): void {
    this.#map.setMany(
      Array.from(entries, ({ key, value, expires = NEVER }): [string, Stored] => {
        // A copy: the codec may use its memory again.
        return [key, { expires, bytes: Uint8Array.prototype.slice.call(this.#encode(value)) }];
      }),
    );
  }

  delete(key: string): boolean {
    const isThere = this.has(key);
    this.#map.delete(key);
    return isThere;
  }

  /** Keys that begin with `prefix`. */
  *keys(prefix = ''): Generator<string> {
    for (const [key, stored] of this.#map.entries()) {
      if (key.startsWith(prefix) && this.#live(key, stored) !== undefined) yield key;
    }
  }

  /** The same, with values. */
  *entries(prefix = ''): Generator<[string, V]> {
    for (const [key, stored] of this.#map.entries()) {
      if (!key.startsWith(prefix) || this.#live(key, stored) === undefined) continue;
      yield [key, this.#decode(stored)];
    }
  }

  /** Removes what begins with `prefix`; everything, all or none, where that is empty. */
  clear(prefix = ''): void {
    if (prefix === '') this.#map.clear();
    else for (const key of this.#map.keys()) if (key.startsWith(prefix)) this.#map.delete(key);
  }

  /** Removes what has expired; the number removed. One sweep at a time. */
  async sweep(): Promise<number> {
    if (this.#sweeping) return 0;
    this.#sweeping = true;
    let seen = 0;
    let removed = 0;
    try {
      for (const [key, { expires }] of this.#map.entries()) {
        if (expires <= Date.now() && this.#map.delete(key)) removed += 1;
        seen += 1;
        if (seen % PIECE === 0) await new Promise<void>((resolve) => setImmediate(resolve).unref());
      }
      return removed;
    } finally {
      this.#sweeping = false;
    }
  }

  flush(options?: WaitOptions): Promise<void> {
    return this.#map.flush(options);
  }

  close(options?: WaitOptions): Promise<void> {
    clearInterval(this.#timer);
    return this.#map.close(options);
  }

  #value(key: string, stored: Stored | undefined): V | undefined {
    const live = this.#live(key, stored);
    return live === undefined ? undefined : this.#decode(live);
  }

  /** What is stored, unless it has expired: then it is removed. */
  #live(key: string, stored: Stored | undefined): Stored | undefined {
    if (stored === undefined || stored.expires > Date.now()) return stored;
    this.#map.delete(key);
    return undefined;
  }

  #encode(value: V): Uint8Array {
    try {
      return this.#codec.encode(value);
    } catch (error) {
      throw codecError('encode', error);
    }
  }

  #decode({ bytes }: Stored): V {
    try {
      return this.#codec.decode(bytes);
    } catch (error) {
      throw codecError('decode', error);
    }
  }
}
