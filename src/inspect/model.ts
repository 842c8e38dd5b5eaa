/** What a file looks like, as the reader tells it to the server, the picture and the page. Plain data, nothing imported. */

/**
 * 'used': holds entries. 'ended': emptied, and not to be used again before that is durable. 'free': for new entries. 'tail': a
 * further segment of a run, for which the first one speaks. 'damaged': in use by its trailer, and its header is lost.
 */
export type SegmentState = 'used' | 'ended' | 'free' | 'tail' | 'damaged';

/** One segment, or a run of several. Sizes in bytes; live, slack, garbage and free add up to `length`. */
export interface SegmentPicture {
  index: number;
  /** Where in the file. */
  offset: number;
  /** Of the whole run; 0 for a tail. */
  length: number;
  state: SegmentState;
  runLength: number;
  incarnation: number;
  birthEpoch: number;
  /** The epoch in which it was emptied; 0: it was not. */
  endEpoch: number;
  liveEntries: number;
  /** Removed and superseded ones. */
  deadEntries: number;
  /** Entries that should be there and cannot be read, as far as can be told. */
  lostEntries: number;
  liveBytes: number;
  slackBytes: number;
  garbageBytes: number;
  freeBytes: number;
  /** Live entries by the power of two of their size in the file: index n counts sizes from 2^n to 2^(n+1) - 1. */
  sizes: number[];
  /** Live entries by the share of their capacity that is slack, in tenths. */
  slacks: number[];
}

/**
 * 'live', 'ended' (removed or superseded), 'internal' (of the engine itself), 'mark lost' (whole, and nobody knows whether it
 * was live), 'unreadable' (a place where no whole entry stands).
 */
export type EntryStatus = 'live' | 'ended' | 'internal' | 'mark lost' | 'unreadable';

export interface EntryPicture {
  status: EntryStatus;
  offset: number;
  /** With its slack. */
  size: number;
  ordinal: number;
  kind: 'plain' | 'int' | 'string' | 'redo list' | 'none';
  /** As text, and cut where it is long; '' where there is none. */
  key: string;
  address: number;
  dataSize: number;
  capacity: number;
  slackBytes: number;
  keySize: number;
  epoch: number;
  /** 0: live. */
  endEpoch: number;
  version: number;
  generation: number;
  slot: number;
  crc: number;
  /** False where it is too long to be checked while a file is followed. */
  checked: boolean;
}

/** A segment with its entries from `from` on. */
export interface SegmentDetail {
  segment: SegmentPicture;
  entries: EntryPicture[];
  /** Of all entries in the segment, gaps among them. */
  total: number;
  from: number;
}

/** The beginning of the file. */
export interface HeadPicture {
  fileSize: number;
  headSize: number;
  segmentSize: number;
  segmentCount: number;
  formatVersion: number;
  fileId: string;
  /** The newer of the two superblocks counts. */
  sequence: number;
  durableEpoch: number;
  closedInOrder: boolean;
  processMode: boolean;
  damaged: boolean;
  /** As of the durable epoch. */
  liveCount: number;
  liveDigest: string;
  created: number;
  superblocks: [string, string];
  state: 'sound' | 'failed' | 'lost';
  journal: { armed: boolean; kind: string; length: number };
}

export interface Totals {
  liveBytes: number;
  slackBytes: number;
  garbageBytes: number;
  freeBytes: number;
  liveEntries: number;
  deadEntries: number;
  lostEntries: number;
  sizes: number[];
  slacks: number[];
}

/** The file at a moment, for the timeline. */
export interface Sample {
  /** Milliseconds since 1970. */
  time: number;
  fileSize: number;
  liveBytes: number;
  slackBytes: number;
  garbageBytes: number;
  freeBytes: number;
  durableEpoch: number;
  /** Superblocks written since the sample before: sync points. */
  syncs: number;
  /** Segments that were emptied or given back since the sample before: what compaction, and removal, does. */
  reclaimed: number;
}

/** What the page asks for again and again. */
export interface FilePicture {
  path: string;
  /** Why the file cannot be shown at the moment; '' when it can. */
  problem: string;
  head: HeadPicture | null;
  totals: Totals;
  /** Segments that changed since the version that was asked with, or all. */
  segments: SegmentPicture[];
  /** Ask with this the next time. */
  version: number;
  /** Of the segments, how many have been looked at so far. */
  scanned: number;
  samples: Sample[];
}
