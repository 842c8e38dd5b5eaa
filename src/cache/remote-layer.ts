/**
 * The port to a layer beyond this process, as `redisLayer` of `mmcb/redis` is one. A cache talks to it through one session
 * at a time; deadlines, reconnecting and what becomes of failures are the cache's business, not the layer's.
 */
import type { Stamp } from './stamp.js';
import type { Coding, Encoded } from './values.js';

/** What a call does when the remote layer fails: it answers from the local layers, or throws MMCB_LAYER. */
export type OnRemoteError = 'serve-local' | 'throw';

/** A layer that several instances share, as `mmcb/redis` makes one. */
export interface RemoteLayer {
  /** For messages: 'Redis'. */
  readonly name: string;
  /** Most milliseconds that a call may take. */
  readonly timeout: number;
  /** Whether sessions tell what others change. */
  readonly invalidation: boolean;
  /** What a cache does about failures, unless it says itself. */
  readonly onError: OnRemoteError | undefined;
  /** How values are encoded here, where that is not as in the cache. */
  readonly coding: Coding<unknown> | undefined;
  /** Starts a session. It may be abandoned meanwhile; what comes of it then is closed by the layer. */
  connect(events: RemoteEvents, signal: AbortSignal): Promise<RemoteSession>;
}

/** What a session tells. */
export interface RemoteEvents {
  /** Somebody else has changed, or may have changed, a key (undefined: any key). */
  changed(key: string | undefined): void;
  /** The session has ended by itself. Told once, and never after `close`. */
  lost(reason: unknown): void;
}

/** An entry as it is kept there. */
export interface RemoteEntry {
  readonly encoded: { readonly bytes: Buffer; readonly text: boolean | undefined };
  /** Milliseconds that it still has; Infinity if it does not expire. */
  readonly remaining: number;
  /** How many of them it may only be served stale. */
  readonly staleFor: number;
  readonly stamp: Stamp;
}

/** A write. */
export interface RemoteWrite {
  readonly encoded: Encoded;
  readonly remaining: number;
  readonly staleFor: number;
  readonly stamp: Stamp;
}

/** Whether a write is done in any case, only where there is no entry, or only where nothing newer is known. */
export type WriteMode = 'always' | 'if-absent' | 'if-newest';

/** What came of a removal. */
export interface RemoteRemoval {
  /** False where the mode forbade it. */
  readonly applied: boolean;
  /** The entry that there was. */
  readonly previous: RemoteEntry | undefined;
}

/** One connection to it, from the moment it stands until it is lost. Another connection is another session. */
export interface RemoteSession {
  /** The entry of a key. */
  read(key: string): Promise<RemoteEntry | undefined>;
  has(key: string): Promise<boolean>;
  /** Writes; the time of the stamp it is kept with, or undefined where the mode forbade it. */
  write(key: string, write: RemoteWrite, mode: WriteMode): Promise<number | undefined>;
  /** Removes. 'if-newest' leaves alone what is newer than `stamp`. */
  remove(key: string, stamp: Stamp, mode: 'always' | 'if-newest'): Promise<RemoteRemoval>;
  /** Does nothing, there and back. */
  ping(): Promise<void>;
  /** Ends it at once. */
  close(): void;
}
