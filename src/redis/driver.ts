/**
 * The port to a Redis client: connections that can send any command, and say when they are lost. A driver never reconnects and
 * never queues: the cache decides what happens when.
 */

export type Argument = string | Buffer;
/** Replies: bulk strings as Buffers, whatever the client makes of them by default. */
export type Reply = Buffer | string | number | bigint | boolean | null | undefined | Error | readonly Reply[];

export interface ConnectionEvents {
  /** The connection has ended, or has received what cannot be understood. */
  lost(reason: unknown): void;
  /** A tracked name has changed; null: all may have. */
  invalidated(name: Buffer | null): void;
}

export interface RedisConnection {
  /** Sends a command. Commands are sent, and answered, in the order of the calls. */
  send(args: readonly Argument[]): Promise<Reply>;
  /** Ends it at once; nothing is told any more. */
  close(): void;
}

export interface RedisDriver {
  /** Whether connections tell of invalidations (RESP3 client tracking). */
  readonly tracks: boolean;
  connect(events: ConnectionEvents, signal: AbortSignal): Promise<RedisConnection>;
  /** A connection of its own that listens on a channel. */
  listen(
    channel: Buffer,
    events: { lost(reason: unknown): void; message(message: Buffer): void },
    signal: AbortSignal,
  ): Promise<{ close(): void }>;
}
