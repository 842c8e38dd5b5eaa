/** The driver for ioredis, version 5 or later. It has no client tracking: changes are heard of on a channel. */
import type { Argument, RedisDriver, Reply } from './driver.js';

/** A client of ioredis: connections are made like it, and it is itself left alone. */
export interface IoredisClient {
  readonly status: string;
  duplicate(overrides?: never): unknown;
  callBuffer(command: never, ...args: never[]): unknown;
}

/** What of a client is used here. */
interface Client {
  on(event: string, listener: (...values: never[]) => void): unknown;
  connect(): Promise<void>;
  callBuffer(command: string, ...args: Argument[]): Promise<Reply>;
  subscribe(channel: Buffer): Promise<unknown>;
  disconnect(): void;
}

export function isIoredis(value: object): value is IoredisClient {
  return 'callBuffer' in value && 'duplicate' in value && typeof (value as IoredisClient).status === 'string';
}

/** A driver for clients like `client`. */
export function ioredisDriver(client: IoredisClient, timeout: number): RedisDriver {
  const overrides = {
    lazyConnect: true,
    retryStrategy: null,
    reconnectOnError: null,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: undefined,
    connectTimeout: timeout,
    keyPrefix: '',
  };
  const connected = async (
    events: { lost(reason: unknown): void },
    signal: AbortSignal,
  ): Promise<[Client, () => void]> => {
    const made = client.duplicate(overrides as never) as Client;
    let over = false;
    let cause: unknown;
    made.on('error', (error: unknown) => {
      cause = error;
    });
    made.on('close', () => {
      if (over) return;
      over = true;
      events.lost(cause ?? new Error('the connection was closed'));
    });
    const close = (): void => {
      over = true;
      made.disconnect();
    };
    signal.addEventListener('abort', close, { once: true });
    try {
      signal.throwIfAborted();
      await made.connect();
      signal.throwIfAborted();
    } catch (error) {
      close();
      throw cause ?? error;
    } finally {
      signal.removeEventListener('abort', close);
    }
    return [made, close];
  };
  return {
    tracks: false,
    async connect(events, signal) {
      const [made, close] = await connected(events, signal);
      return { send: ([command, ...args]) => made.callBuffer(String(command), ...args), close };
    },
    async listen(channel, events, signal) {
      const [made, close] = await connected(events, signal);
      made.on('messageBuffer', (_: Buffer, message: Buffer) => events.message(message));
      await made.subscribe(channel);
      return { close };
    },
  };
}
