/** What a queue counts. */
import type { BufferStats } from '../buffer/reports.js';

/** What has happened. */
export interface QueueCounters {
  stored: number;
  coalesced: number;
  duplicates: number;
  expired: number;
  retrieved: number;
  leased: number;
  acknowledged: number;
  returned: number;
}

/** Counters of the index, and of what has happened since the thread that has it opened the queue. */
export interface QueueCounts extends QueueCounters {
  /** Items that wait, due or not. */
  waiting: number;
  /** Items that are out. */
  inFlight: number;
  /** Keys of which only the last unique id is kept. */
  remembered: number;
  /** Bytes of memory that the index takes. */
  indexBytes: number;
}

/** All counters of a queue. */
export interface QueueStats extends QueueCounts {
  buffer: BufferStats;
}
