/** What a cache counts. */
import type { BufferStats } from '../buffer/reports.js';
import type { LinkState } from './remote-link.js';

/** Counters of a layer, since the cache was opened. */
export interface LayerCounters {
  /** Reads that this layer answered. */
  hits: number;
  /** Reads that this layer could not answer. */
  misses: number;
  /** Entries that came up into this layer from one below. */
  promotions: number;
  /** Entries that had to go because of the bounds. */
  evictions: number;
  /** Entries that were taken away because they had expired. */
  expirations: number;
  /** Calls that failed, and entries that were damaged. */
  errors: number;
}

export interface MemoryStats extends LayerCounters {
  entries: number;
  /** Bytes of the encoded values, as far as they had to be encoded. */
  bytes: number;
}

export interface FileStats extends LayerCounters {
  entries: number;
  /** Bytes of entries, with their headers. */
  bytes: number;
  /** Whether it has failed in a way that leaves nothing in it to be trusted, and is no longer used. */
  broken: boolean;
  buffer: BufferStats;
}

export interface RemoteStats extends LayerCounters {
  state: LinkState;
  /** Why the last call, or the last session, failed. */
  lastError: unknown;
  /** Calls that reached their deadline. */
  timeouts: number;
  /** Sessions so far: more than one where the connection was lost. */
  sessions: number;
  /** Writes that wait until it is back. */
  pending: number;
  /** Writes that waited and have got there, and those that turned out to be older than what was there. */
  replayed: number;
  outdated: number;
  /** Messages that somebody else has changed something. */
  invalidations: number;
}

/** Counters of a cache since it was opened, and of each of its layers. */
export interface CacheStats {
  /** Reads that any layer answered. */
  hits: number;
  misses: number;
  writes: number;
  deletes: number;
  /** Loaders called, and how many of them failed. */
  loads: number;
  failedLoads: number;
  /** Values served after they had expired, while they were loaded again. */
  staleServed: number;
  memory: MemoryStats;
  file: FileStats | undefined;
  redis: RemoteStats | undefined;
}

export function newCounters(): LayerCounters {
  return { hits: 0, misses: 0, promotions: 0, evictions: 0, expirations: 0, errors: 0 };
}
