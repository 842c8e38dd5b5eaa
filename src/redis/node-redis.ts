/** The driver for node-redis, version 5 or later (the package `redis`). */
import { createRequire } from 'node:module';
import { MmcbError } from '../errors.js';
import { here } from '../internal/here.cjs';
import { custom, readOptions } from '../internal/options.js';
import type { Argument, ConnectionEvents, RedisConnection, RedisDriver, Reply } from './driver.js';

/** Options as `createClient` of node-redis takes them. */
export interface NodeRedisOptions {
  /** `redis[s]://[[username][:password]@][host][:port][/database]` */
  url?: string | undefined;
  /** Host, port, path, tls, ... */
  socket?: object | undefined;
  username?: string | undefined;
  password?: string | undefined;
  credentialsProvider?: object | undefined;
  /** A name for the connections, as `CLIENT LIST` shows it. */
  name?: string | undefined;
  database?: number | undefined;
  /** Version of the protocol. With 2 there is no client tracking. @default 3 */
  RESP?: 2 | 3 | undefined;
  disableClientInfo?: boolean | undefined;
  clientInfoTag?: string | undefined;
}

/** A client of node-redis: connections are made like it, and it is itself left alone. */
export interface NodeRedisClient {
  readonly isReady: boolean;
  readonly options?: object | undefined;
  duplicate(overrides?: never): unknown;
  sendCommand(args: never, options?: never): Promise<unknown>;
}

/** What of a client is used here. */
interface Client {
  on(event: string, listener: (...values: never[]) => void): unknown;
  connect(): Promise<unknown>;
  sendCommand(args: readonly Argument[], options: object): Promise<Reply>;
  subscribe(channel: string, listener: (message: Buffer) => void, buffers: true): Promise<void>;
  destroy(): void;
}

interface Package {
  createClient(options: object): Client;
  RESP_TYPES: { BLOB_STRING: number; VERBATIM_STRING: number };
}

const unchecked = custom<unknown>(undefined, (value) => value); // node-redis checks them
const optionsTable = {
  url: unchecked,
  socket: unchecked,
  username: unchecked,
  password: unchecked,
  credentialsProvider: unchecked,
  name: unchecked,
  database: unchecked,
  RESP: unchecked,
  disableClientInfo: unchecked,
  clientInfoTag: unchecked,
};

export function isNodeRedis(value: object): value is NodeRedisClient {
  return 'sendCommand' in value && 'duplicate' in value && typeof (value as NodeRedisClient).isReady === 'boolean';
}

/** A driver for clients like `client`, or with these options. */
export function nodeRedisDriver(client: NodeRedisClient | NodeRedisOptions, timeout: number): RedisDriver {
  const { createClient, RESP_TYPES } = loadPackage();
  const given = isNodeRedis(client) ? (client.options ?? {}) : readOptions(optionsTable, client, 'redisLayer');
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options = defined as { RESP?: 2 | 3; socket?: object };
  const RESP = options.RESP ?? 3;
  const sendOptions = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer }, timeout: 0 };

  const make = (tracking: boolean): Client => {
    const overrides = {
      RESP,
      emitInvalidate: tracking,
      clientSideCache: undefined,
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
      pingInterval: undefined,
      keyPrefix: undefined,
      commandOptions: undefined,
      // Copied, because a url is written into it.
      socket: { ...options.socket, reconnectStrategy: false, connectTimeout: timeout },
    };
    return isNodeRedis(client)
      ? (client.duplicate(overrides as never) as Client)
      : createClient({ ...options, ...overrides });
  };

  const tracks = RESP === 3 && tellsInvalidations(createClient);
  return {
    tracks,
    async connect(events, signal) {
      const made = make(tracks);
      await connected(made, events, signal, (key) => events.invalidated(key));
      return { send: (args) => made.sendCommand(args, sendOptions), close: () => destroy(made) };
    },
    async listen(channel, events, signal) {
      const made = make(false);
      await connected(made, { ...events, invalidated: () => {} }, signal, () => {});
      // As text: channels are UTF-8 here, whatever lone surrogates a prefix may have.
      await made.subscribe(channel.toString(), (message) => events.message(message), true);
      return { close: () => destroy(made) };
    },
  };
}

function loadPackage(): Package {
  try {
    return createRequire(here)('redis') as Package;
  } catch (cause) {
    throw new MmcbError('MMCB_LAYER', "the package 'redis' (node-redis) could not be loaded; run npm install redis", {
      cause,
    });
  }
}

/** Old ones do not know the option `emitInvalidate`; those that do refuse it together with RESP 2. */
function tellsInvalidations(createClient: Package['createClient']): boolean {
  try {
    createClient({ RESP: 2, emitInvalidate: true });
    return false;
  } catch {
    return true;
  }
}

async function connected(
  client: Client,
  events: ConnectionEvents,
  signal: AbortSignal,
  invalidated: (name: Buffer | null) => void,
): Promise<RedisConnection | undefined> {
  let over = false;
  // After what cannot be parsed the client would go on, with replies for the wrong commands.
  client.on('error', (error: unknown) => {
    if (over) return;
    over = true;
    destroy(client);
    events.lost(error);
  });
  client.on('end', () => {
    if (over) return;
    over = true;
    events.lost(new Error('the connection was closed'));
  });
  client.on('invalidate', (name: Buffer | null) => invalidated(name));
  const abort = (): void => {
    over = true;
    destroy(client);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    await client.connect();
    signal.throwIfAborted();
  } catch (error) {
    abort();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return undefined;
}

function destroy(client: Client): void {
  try {
    client.destroy();
  } catch {
    // It has ended already.
  }
}
