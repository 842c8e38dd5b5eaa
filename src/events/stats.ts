/** What an event store counts. */
import type { BufferStats } from '../buffer/reports.js';
import type { AppendStats } from './appending.js';
import type { Version } from './event.js';
import type { CommitStats } from './visibility.js';

/** Counters, as of now. Times in milliseconds, sizes in bytes. */
export interface EventStoreStats extends AppendStats {
  /** Events that are there. */
  events: number;
  /** The latest version ever given out, and the latest one that is shown. */
  latestVersion: Version;
  visibleVersion: Version;
  aggregates: number;
  types: number;
  /** Events that were stored and are lost, because they were damaged. */
  missing: number;
  /** Events that were found damaged since opening, the missing ones not among them. */
  damaged: number;
  /** Memory of the index, without the ids of aggregates. */
  indexBytes: number;
  /** Sync points that calls have waited for. */
  commits: CommitStats;
  /** Open subscriptions: where they are, and how many versions there are behind that. */
  subscriptions: { position: Version; lag: number }[];
  buffer: BufferStats;
}
