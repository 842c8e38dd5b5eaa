/** The options of a cache: their types and their tables. */
import { type BufferOptions, bufferTable } from '../buffer/options.js';
import type { Codec } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import {
  callback,
  custom,
  integer,
  objectWith,
  oneOf,
  type Rule,
  readOptions,
  real,
  show,
  signal,
} from '../internal/options.js';
import { type Clock, clockRule } from '../queue/clock.js';
import { checkExpiry, DEFAULT_EXPIRY, NO_EXPIRY } from './expiry.js';
import type { Bounds } from './memory-layer.js';
import type { OnRemoteError, RemoteLayer } from './remote-layer.js';
import { type Coding, codecCoding, type Decode, type Encode, functionCoding } from './values.js';

/** Bounds of a local layer. */
export interface LayerBounds {
  /** Most entries: 1 or more. @default that of the cache */
  maxEntries?: number | undefined;
  /** Most bytes of encoded values, in the file with a header of 48 bytes each: 1 or more. @default that of the cache */
  maxBytes?: number | undefined;
}

/** Options of the file layer: its bounds, and those of the buffer underneath. */
export type FileLayerOptions = LayerBounds & Omit<BufferOptions, 'readOnly' | 'signal' | 'onProgress'>;

/** Options of `LayeredCache.open`. All are optional: without any it is a cache in memory. */
export interface LayeredCacheOptions<V> {
  /** A name for messages on diagnostics channels. @default the path, or 'cache' */
  name?: string | undefined;
  /** Milliseconds after which an entry expires if its write does not say. @default LayeredCache.NoExpiry */
  defaultExpiry?: number | undefined;
  /** Milliseconds between two runs of the janitor: 1 to 2,147,483,647, or Infinity for none. @default 60000 */
  cleanupInterval?: number | undefined;
  /** Most entries in each local layer: 1 or more. @default no limit */
  maxEntries?: number | undefined;
  /** Most bytes of values in each local layer, as they are encoded: 1 or more. @default no limit */
  maxBytes?: number | undefined;
  /** Other bounds for the memory layer. */
  memory?: LayerBounds | undefined;
  /** A file for the file layer; ':memory:' keeps its entries in memory of the process, outside the heap. @default no file layer */
  path?: string | undefined;
  /** Other bounds for the file layer, and options of its buffer. */
  file?: FileLayerOptions | undefined;
  /** The layer beyond this process: `redisLayer(...)` of `mmcb/redis`. @default none */
  redis?: RemoteLayer | undefined;
  /** How values become bytes. Give the same each time. @default msgpack() */
  codec?: Codec<V> | undefined;
  /** Makes a string or bytes of a value, with its key known; instead of `codec`, and together with `decode`. */
  encode?: Encode<V> | undefined;
  /** Makes a value of what `encode` made. */
  decode?: ((key: string, data: never) => V) | undefined;
  /**
   * What becomes of calls that Redis fails. 'serve-local': reads take what the local layers have, writes go there and to Redis later.
   * 'throw': they reject with MMCB_LAYER. @default 'serve-local'
   */
  onRedisError?: OnRemoteError | undefined;
  /** Most writes, one for each key, that wait for Redis; more reject with MMCB_LAYER. @default 1000000 */
  maxPending?: number | undefined;
  /** Part of each expiry, 0 to 1, that is taken off at random at most. @default 0 */
  jitter?: number | undefined;
  /** Milliseconds for which it is remembered that a loader found nothing (undefined). @default not at all */
  negativeExpiry?: number | undefined;
  /** Milliseconds for which other threads wait for a loader before they call their own: 1 or more. @default 30000 */
  loadTimeout?: number | undefined;
  /** Where time comes from. @default the system's */
  clock?: Clock | (() => number) | undefined;
  /** Gives up opening; `open` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Options of `getOrLoad`. */
export interface GetOrLoadOptions {
  /** Milliseconds until what is loaded expires. @default the cache's `defaultExpiry` */
  expiry?: number | undefined;
  /** Milliseconds after that for which it is still served, while it is loaded again in the background: 0 or more. @default 0 */
  staleFor?: number | undefined;
  /** Milliseconds for which it is remembered that there was nothing. @default the cache's `negativeExpiry` */
  negativeExpiry?: number | undefined;
  /** Stops waiting; the loading goes on for others. */
  signal?: AbortSignal | undefined;
}

/** A number above 0 or Infinity. */
function bound<T extends number | undefined>(fallback: T): Rule<T> {
  return custom<T>(fallback, (value, name) =>
    value === Number.POSITIVE_INFINITY
      ? (value as T)
      : (integer(1, 1, Number.MAX_SAFE_INTEGER).check(value, name) as T),
  );
}

const expiry = (fallback: number): Rule<number> => custom(fallback, checkExpiry);

/** A time span that is not negative. */
function span(fallback: number, min: number): Rule<number> {
  return custom(fallback, (value, name) => {
    const checked = checkExpiry(value, name);
    if (checked < min) throw new RangeError(`${name} must be at least ${min} milliseconds, got ${checked}`);
    return checked;
  });
}

const boundsTable = {
  maxEntries: bound<number | undefined>(undefined),
  maxBytes: bound<number | undefined>(undefined),
};

const { readOnly: _, signal: __, onProgress: ___, ...fileBufferTable } = bufferTable;
const fileTable = { ...boundsTable, ...fileBufferTable };

function nested<T>(table: Parameters<typeof readOptions>[0]): Rule<T | undefined> {
  return custom<T | undefined>(undefined, (value, name) => {
    const [, prefix, owner] = /'(.*)' of (.*)/.exec(name) ?? [];
    readOptions(table, value, owner ?? '', `${prefix}.`);
    return value as T;
  });
}

const cacheTable = {
  name: custom<string | undefined>(undefined, (value, name) => {
    if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${show(value)}`);
    return value;
  }),
  defaultExpiry: expiry(NO_EXPIRY),
  cleanupInterval: custom(60_000, (value, name) =>
    value === Number.POSITIVE_INFINITY ? value : integer(1, 1, 2 ** 31 - 1, 'milliseconds').check(value, name),
  ),
  maxEntries: bound(Number.POSITIVE_INFINITY),
  maxBytes: bound(Number.POSITIVE_INFINITY),
  memory: nested<LayerBounds>(boundsTable),
  path: custom<string | undefined>(undefined, (value) => value as string), // checked with the file
  file: nested<FileLayerOptions>(fileTable),
  redis: custom<RemoteLayer | undefined>(undefined, checkRemote),
  codec: objectWith<Codec<unknown>>('encode', 'decode'),
  encode: callback<Encode<never>>(),
  decode: callback<Decode<unknown>>(),
  onRedisError: custom<OnRemoteError | undefined>(undefined, oneOf('serve-local', ['serve-local', 'throw']).check),
  maxPending: integer(1_000_000, 0, Number.MAX_SAFE_INTEGER),
  jitter: real(0, 0, 1),
  negativeExpiry: span(0, 0),
  loadTimeout: span(30_000, 1),
  clock: clockRule,
  signal: signal(),
};

const loadTable = {
  expiry: expiry(DEFAULT_EXPIRY),
  staleFor: span(0, 0),
  negativeExpiry: custom<number | undefined>(undefined, span(0, 0).check),
  signal: signal(),
};

function checkRemote(value: unknown, name: string): RemoteLayer {
  const layer = value as RemoteLayer;
  if (typeof value !== 'object' || value === null || typeof layer.connect !== 'function') {
    throw new TypeError(`${name} must be what redisLayer() of mmcb/redis returns, got ${show(value)}`);
  }
  return layer;
}

/** The options as a cache uses them. */
export type Settings<V> = ReturnType<typeof readSettings<V>>;

export function readSettings<V>(options: LayeredCacheOptions<V> | undefined, owner: string) {
  const values = readOptions(cacheTable, options, owner);
  const { maxEntries, maxBytes, path, file = {} } = values;
  if (options?.file !== undefined && path === undefined) {
    throw new TypeError(`option 'file' of ${owner} needs a 'path'`);
  }
  const bounds = (own: LayerBounds | undefined): Bounds => ({
    maxEntries: own?.maxEntries ?? maxEntries,
    maxBytes: own?.maxBytes ?? maxBytes,
  });
  const { maxEntries: _entries, maxBytes: _bytes, ...buffer } = file;
  return {
    ...values,
    name: values.name ?? path ?? 'cache',
    memory: bounds(values.memory),
    file: bounds(file),
    buffer: { ...buffer, signal: values.signal } as BufferOptions,
    coding: codingOf<V>(values, owner),
    onRedisError: values.onRedisError ?? values.redis?.onError ?? 'serve-local',
  };
}

/** The coding that options ask for: of a codec, or of two functions. */
function codingOf<V>(
  given: {
    codec?: Codec<unknown> | undefined;
    encode?: Encode<never> | undefined;
    decode?: Decode<unknown> | undefined;
  },
  owner: string,
): Coding<V> {
  const functions = functionsOf<V>(given, owner);
  if (functions !== undefined && given.codec !== undefined) {
    throw new TypeError(`option 'codec' of ${owner} must not be given together with 'encode' and 'decode'`);
  }
  return functions ?? codecCoding((given.codec as Codec<V> | undefined) ?? msgpack<V>());
}

/** The coding of `encode` and `decode`, which come together or not at all. */
export function functionsOf<V>(
  { encode, decode }: { encode?: Encode<never> | undefined; decode?: Decode<unknown> | undefined },
  owner: string,
): Coding<V> | undefined {
  if (encode === undefined && decode === undefined) return undefined;
  if (encode === undefined || decode === undefined) {
    throw new TypeError(`options 'encode' and 'decode' of ${owner} must be given together`);
  }
  return functionCoding(encode as Encode<V>, decode as Decode<V>);
}

export function readLoadOptions(options: GetOrLoadOptions | undefined) {
  return readOptions(loadTable, options, 'getOrLoad');
}
