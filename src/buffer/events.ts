/** What the addon tells with its events, and what listeners get. */
import type { NativeCompaction } from '../internal/native.js';
import { type CompactionReport, compactionReport, type SyncReport } from './reports.js';

/** Events that come from the addon. */
export const nativeEvents: ReadonlySet<string> = new Set(['sync', 'compaction', 'error']);

export const eventReport = {
  sync(detail: object): SyncReport {
    const { epoch, milliseconds } = detail as { epoch: number; milliseconds: number };
    return { durableEpoch: epoch, ms: milliseconds };
  },
  compaction(detail: object): CompactionReport {
    return compactionReport(detail as NativeCompaction);
  },
};
