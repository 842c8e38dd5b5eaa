/** redisLayer: Redis as a layer of a cache. */
import { functionsOf } from '../cache/options.js';
import type { OnRemoteError, RemoteLayer } from '../cache/remote-layer.js';
import type { Decode, Encode } from '../cache/values.js';
import { callback, custom, integer, oneOf, readOptions, show } from '../internal/options.js';
import { type IoredisClient, ioredisDriver, isIoredis } from './ioredis.js';
import { KeySpace } from './keys.js';
import { isNodeRedis, type NodeRedisClient, type NodeRedisOptions, nodeRedisDriver } from './node-redis.js';
import { Session } from './session.js';

/** Options of `redisLayer`. */
export interface RedisLayerOptions<V = unknown> {
  /** What stands before keys in Redis. @default 'mmcb:' */
  prefix?: string | undefined;
  /** Makes a string or bytes of a value, in Redis. @default as in the cache */
  encode?: Encode<V> | undefined;
  /** Makes a value of what `encode` made. */
  decode?: ((key: string, data: never) => V) | undefined;
  /** Most milliseconds that a call may take: 1 to 2,147,483,647. @default 500 */
  timeout?: number | undefined;
  /**
   * Whether a change by one instance removes the key from the local layers of all others. true: Redis tells (client tracking), or
   * where server or client cannot do that, the instances tell each other on a channel. With 'channel' changes by
   * other programs go unnoticed. @default true
   */
  invalidation?: boolean | 'tracking' | 'channel' | undefined;
  /** Milliseconds for which it is known when a key was last written, so that the newest write wins: 1 or more. @default 86400000 */
  conflictWindow?: number | undefined;
  /** What becomes of calls that fail, for caches that do not say themselves. @default 'serve-local' */
  onRedisError?: OnRemoteError | undefined;
}

const table = {
  prefix: custom('mmcb:', (value, name) => {
    if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${show(value)}`);
    return value;
  }),
  encode: callback<Encode<never>>(),
  decode: callback<Decode<unknown>>(),
  timeout: integer(500, 1, 2 ** 31 - 1, 'milliseconds'),
  invalidation: custom<boolean | 'tracking' | 'channel'>(true, (value, name) => {
    if (typeof value === 'boolean' || value === 'tracking' || value === 'channel') return value;
    throw new TypeError(`${name} must be true, false, 'tracking' or 'channel', got ${show(value)}`);
  }),
  conflictWindow: integer(86_400_000, 1, Number.MAX_SAFE_INTEGER, 'milliseconds'),
  onRedisError: custom<OnRemoteError | undefined>(undefined, oneOf('serve-local', ['serve-local', 'throw']).check),
};

/**
 * A layer for the option `redis` of a cache. Takes options as node-redis does, or a client of node-redis (version 5 or later)
 * or ioredis (5 or later), which serves as a pattern: the layer makes connections of its own like it. Nothing is connected
 * before a cache is opened with it.
 *
 * Throws a TypeError for anything else, and MMCB_LAYER where the package `redis` is not installed.
 */
export function redisLayer<V = unknown>(
  clientOrOptions: NodeRedisClient | NodeRedisOptions | IoredisClient,
  options?: RedisLayerOptions<V>,
): RemoteLayer {
  const owner = 'redisLayer';
  const { prefix, timeout, invalidation, conflictWindow, onRedisError, ...coding } = readOptions(table, options, owner);
  if (typeof clientOrOptions !== 'object' || clientOrOptions === null || Array.isArray(clientOrOptions)) {
    throw new TypeError(`redisLayer takes a client or the options of one, got ${show(clientOrOptions)}`);
  }
  const isClient = 'duplicate' in clientOrOptions;
  if (isClient && !isNodeRedis(clientOrOptions) && !isIoredis(clientOrOptions)) {
    throw new TypeError('redisLayer takes a client of one server: of node-redis 5 or later, or ioredis 5 or later');
  }
  const driver = isIoredis(clientOrOptions)
    ? ioredisDriver(clientOrOptions, timeout)
    : nodeRedisDriver(clientOrOptions as NodeRedisClient | NodeRedisOptions, timeout);
  const settings = { driver, keys: new KeySpace(prefix), invalidation, conflictWindow };
  return {
    name: 'Redis',
    timeout,
    invalidation: invalidation !== false,
    onError: onRedisError,
    coding: functionsOf<unknown>(coding, owner),
    connect: (events, signal) => Session.start(settings, events, signal),
  };
}
