/** What a buffer reports: recovery, counters, compaction, verification, events. */
import type { NativeCompaction, NativeDamage, NativeRecovery, NativeStats, NativeVerify } from '../internal/native.js';
import type { Address } from './bytes.js';

/**
 * A damaged place that opening met and set aside. Address and key of an entry are told as far as they can be read: they
 * are certain for 'entry mark', and otherwise stand in bytes that no checksum vouches for any more.
 */
export interface DamagedPlace {
  /**
   * What is damaged. 'entry header': an entry of which only the place is known. 'entry data': one whose header can be read
   * and whose checksum does not hold. 'entry mark': a whole entry of which nobody knows whether it had been removed.
   */
  kind: 'superblock' | 'segment header' | 'segment mark' | 'entry header' | 'entry data' | 'entry mark';
  /** Where in the file, in bytes. */
  offset: number;
  /** In bytes, where that is known. */
  length?: number;
  address?: Address;
  key?: number | string;
}

/** What a file remembers of damage until it is acknowledged (see the option `acknowledge` of `verify`). */
export interface DamageMarker {
  /** When damage was met first and last: milliseconds since 1970. */
  first: number;
  last: number;
  /** Damaged places that openings have set aside, and entries that they could not find whole. */
  places: number;
  lost: number;
}

/** What opening found, and what it did about it. */
export interface RecoveryReport {
  /**
   * 'created': there was no file, or an empty one. 'clean': it had been closed in order. 'replayed': the process had died,
   * and every call that returned is there. 'rolled back': the machine had gone down; the state is that of the last sync
   * point. 'salvaged': there was damage, and what was whole has been kept.
   */
  status: 'created' | 'clean' | 'replayed' | 'rolled back' | 'salvaged';
  /** Live entries after opening. */
  entries: number;
  /**
   * Entries that should be there and could not be found whole. 0 unless salvaged. Exact where the file was closed in order
   * or had lost its power; after a kill, entries that may have been removed before are counted, too.
   */
  lost: number;
  /** Damaged places that were repaired or set aside. */
  quarantined: number;
  /** Changes newer than the last sync point that were taken back. */
  discarded: number;
  /** The last sync point. */
  durableEpoch: number;
  /** Milliseconds that opening took. */
  ms: number;
  /** The damaged places, the first 1000 of them. */
  damage: DamagedPlace[];
  /** What the file remembers of damage, this opening included; null where nothing is left to acknowledge. */
  marker: DamageMarker | null;
}

const recoveryStatus = ['created', 'clean', 'replayed', 'rolled back', 'salvaged'] as const;
const damageKinds = [
  'superblock',
  'segment header',
  'segment mark',
  'entry header',
  'entry data',
  'entry mark',
] as const;

export function recoveryReport({ status, milliseconds, damage, ...rest }: NativeRecovery): RecoveryReport {
  return { status: recoveryStatus[status], ...rest, ms: milliseconds, damage: damage.map(damagedPlace) };
}

function damagedPlace({ kind, offset, length, address, key }: NativeDamage): DamagedPlace {
  return {
    kind: damageKinds[kind],
    offset,
    ...(length === 0 ? {} : { length }),
    ...(address < 0 ? {} : { address }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Counters of a buffer. Sizes in bytes. live + slack + garbage + free bytes make up the file. */
export interface BufferStats {
  /** Live entries. */
  count: number;
  /** Those of them that belong to int maps. */
  intCount: number;
  /** Those of them that belong to string maps. */
  stringCount: number;
  /** Removed or superseded entries whose space has not been taken back yet. */
  removedCount: number;
  /** Bytes of data of all live entries. */
  dataSize: number;
  /** Bytes that live entries take in the file: headers, keys, data and slack. */
  entrySize: number;
  liveBytes: number;
  /** Spare room inside live entries. */
  slackBytes: number;
  /** Space of removed and superseded entries, which compaction takes back. */
  garbageBytes: number;
  /** Space for new entries. */
  freeBytes: number;
  fileSize: number;
  segmentSize: number;
  segments: number;
  adds: number;
  updates: number;
  removes: number;
  updatesInPlace: number;
  /** Updates that wrote the entry elsewhere, under the same address. */
  relocations: number;
  compactions: number;
  compactedEntries: number;
  /** Sync points since opening. */
  syncs: number;
  failedSyncs: number;
  openEpoch: number;
  durableEpoch: number;
  /** Bytes of memory that the slot table and the key index take. */
  tableMemory: number;
  /** Damage was met, in this opening or an earlier one, and has not been acknowledged; see {@link DamageMarker}. */
  damaged: boolean;
  /** Streams and views that hold back the reuse of space. */
  readers: number;
  /** Share of the used bytes that is garbage: 0 to 1. Compared with `deletionThreshold`. */
  deletionRatio: number;
  /** Share of the file that is free: 0 to 1. Compared with `requiredFreeSpace`. */
  freeRatio: number;
}

export function bufferStats(stats: NativeStats): BufferStats {
  const { liveBytes, slackBytes, garbageBytes, freeBytes, fileSize } = stats;
  const used = liveBytes + slackBytes + garbageBytes;
  return {
    ...stats,
    deletionRatio: used === 0 ? 0 : garbageBytes / used,
    freeRatio: fileSize === 0 ? 0 : freeBytes / fileSize,
  };
}

/** What a compaction did. */
export interface CompactionReport {
  movedEntries: number;
  movedBytes: number;
  freedSegments: number;
  /** Bytes of the file before and after. */
  sizeBefore: number;
  sizeAfter: number;
  /** Milliseconds. */
  ms: number;
}

export function compactionReport({ milliseconds, ...counts }: NativeCompaction): CompactionReport {
  return { ...counts, ms: milliseconds };
}

/** One thing found wrong. */
export interface VerifyError {
  message: string;
  /** Where in the file, in bytes. */
  offset: number;
  /** In which entry, where that is known, as far as it can be read. */
  address?: Address;
  key?: number | string;
}

/** What `verify` found. */
export interface VerifyReport {
  /** True when nothing is wrong. */
  ok: boolean;
  /** The first 1000 of them. */
  errors: VerifyError[];
  errorCount: number;
  /** Live entries and bytes that were checked. */
  entries: number;
  bytes: number;
  /** What the file remembers of damage, as of the end of this check. */
  marker: DamageMarker | null;
  /** Milliseconds. */
  ms: number;
}

export function verifyReport({ errors, errorCount, milliseconds, ...rest }: NativeVerify): VerifyReport {
  return {
    ok: errorCount === 0,
    errors: errors.map(({ message, offset, address, key }) => ({
      message,
      offset,
      ...(address < 0 ? {} : { address }),
      ...(key === undefined ? {} : { key }),
    })),
    errorCount,
    ...rest,
    ms: milliseconds,
  };
}

/** A sync point that has been reached. */
export interface SyncReport {
  /** Everything up to this epoch is on the disk. */
  durableEpoch: number;
  /** Milliseconds. */
  ms: number;
}

/** The events of a buffer and their arguments. */
export interface BufferEvents {
  /** A compaction has ended, asked for or by policy. */
  compaction: [report: CompactionReport];
  /** A sync point has been reached. */
  sync: [report: SyncReport];
  /** Once, after opening. */
  recovery: [report: RecoveryReport];
  /** Background work failed, e.g. a sync. Nothing is thrown when nobody listens; the next write says so too. */
  error: [error: Error];
}
