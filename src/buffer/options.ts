/** The options of a buffer: their types, their table, and what the addon is told. */
import type { NativeOpenOptions } from '../internal/native.js';
import { callback, custom, flag, integer, oneOf, readOptions, real, signal, type Values } from '../internal/options.js';

/** How far a long operation has come. `total` is 0 while it is not known. */
export interface Progress {
  phase: string;
  done: number;
  total: number;
}

/** When the background thread compacts. */
export type CompactionOptions =
  /** Only `compact()` compacts. */
  | { policy: 'disabled' }
  | {
      /** When much of the used space is garbage and little of the file is free. The default. */
      policy: 'space';
      /** Share of the used bytes that is garbage from which on to compact: 0 to 1. @default 0.4 */
      deletionThreshold?: number | undefined;
      /** Do not compact while at least this share of the file is free: 0 to 1. @default 0.3 */
      requiredFreeSpace?: number | undefined;
      /** Milliseconds between two looks: 1 to 2,147,483,647. @default 1000 */
      checkInterval?: number | undefined;
    }
  /** Every `interval` milliseconds: 1 to 2,147,483,647. */
  | { policy: 'time'; interval: number };

/** Options of `open` and `openSync`. */
export interface BufferOptions {
  /** Bytes that a new file starts with: 0 to 2^46. It grows as needed. @default 4194304 */
  initialSize?: number | undefined;
  /** Room for growing: an entry of n bytes gets n times this. 1 (none) to 16. @default 1.3 */
  extensionFactor?: number | undefined;
  /** When to compact in the background. @default { policy: 'space' } */
  compaction?: CompactionOptions | undefined;
  /**
   * What a power cut may take. 'interval': everything since the last sync point, and nothing else. 'process': updates
   * overwrite in place and are fastest, but after a power cut only what is whole can be salvaged. In both, a call that
   * returned survives the death of the process. @default 'interval'
   */
  durability?: 'process' | 'interval' | undefined;
  /** Milliseconds between sync points: 1 to 2,147,483,647. @default 1000 */
  syncInterval?: number | undefined;
  /** Most bytes the file may take on disk; more is refused with MMCB_FULL. @default no limit */
  maxSize?: number | undefined;
  /** Refuse to write. The file must exist. @default false */
  readOnly?: boolean | undefined;
  /** What to do about damage: 'strict' refuses it with MMCB_CORRUPT, 'salvage' keeps what is whole. @default 'strict' */
  recovery?: 'strict' | 'salvage' | undefined;
  /** Bytes of a segment of a new file: a power of two from 16,384 to 2,097,152. @default 2097152 */
  segmentSize?: number | undefined;
  /**
   * Closing a file of a million entries or more leaves its tables in it (some 25 bytes an entry), and the next opening takes
   * them instead of looking at every entry. Damage that came to an entry meanwhile is then met when it is read (MMCB_CORRUPT),
   * and by `verify`. False: opening takes every checksum, always. @default true
   */
  savedTables?: boolean | undefined;
  /** Gives up opening; `open` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told how recovery gets on; not called by `openSync`. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Longest interval that timers take, in milliseconds. */
const MAX_INTERVAL = 2 ** 31 - 1;
const MAX_FILE = 2 ** 46;
const DEFAULT_SIZE = 4 * 2 ** 20;

const policies = {
  disabled: { policy: oneOf('disabled', ['disabled']) },
  space: {
    policy: oneOf('space', ['space']),
    deletionThreshold: real(0.4, 0, 1),
    requiredFreeSpace: real(0.3, 0, 1),
    checkInterval: integer(1000, 1, MAX_INTERVAL, 'milliseconds'),
  },
  time: {
    policy: oneOf('time', ['time']),
    interval: integer<number | undefined>(undefined, 1, MAX_INTERVAL, 'milliseconds'),
  },
};
const policy = oneOf('space', ['disabled', 'space', 'time']);

/** What the addon is told of compaction. */
type NativeCompactionOptions = Pick<
  NativeOpenOptions,
  'compactionPolicy' | 'deletionThreshold' | 'requiredFreeSpace' | 'compactionInterval'
>;

function checkCompaction(value: unknown, name: string): NativeCompactionOptions {
  if (typeof value !== 'object' || value === null || !('policy' in value)) {
    throw new TypeError(`${name} must be an object with a 'policy' of 'disabled', 'space' or 'time'`);
  }
  const owner = name.slice(name.indexOf(' of ') + 4);
  const chosen = policy.check(value.policy, `option 'compaction.policy' of ${owner}`);
  const none = { deletionThreshold: 0.4, requiredFreeSpace: 0.3, compactionInterval: 1000 };
  if (chosen === 'disabled') {
    readOptions(policies.disabled, value, owner, 'compaction.');
    return { ...none, compactionPolicy: 0 };
  }
  if (chosen === 'space') {
    const { deletionThreshold, requiredFreeSpace, checkInterval } = readOptions(
      policies.space,
      value,
      owner,
      'compaction.',
    );
    return { compactionPolicy: 1, deletionThreshold, requiredFreeSpace, compactionInterval: checkInterval };
  }
  const { interval } = readOptions(policies.time, value, owner, 'compaction.');
  if (interval === undefined) {
    throw new TypeError(`option 'compaction.interval' of ${owner} is required for the policy 'time'`);
  }
  return { ...none, compactionPolicy: 2, compactionInterval: interval };
}

function checkSegmentSize(value: unknown, name: string): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`);
  if (!(value >= 2 ** 14 && value <= 2 ** 21) || !Number.isInteger(Math.log2(value))) {
    throw new RangeError(`${name} must be a power of two from 16384 to 2097152, got ${value}`);
  }
  return value;
}

/** All options of a buffer, with their defaults. Tables of maps and queues spread it. */
export const bufferTable = {
  initialSize: integer<number | undefined>(undefined, 0, MAX_FILE, 'bytes'), // DEFAULT_SIZE, or maxSize if that is less
  extensionFactor: real(1.3, 1, 16),
  compaction: custom<NativeCompactionOptions>(
    { compactionPolicy: 1, deletionThreshold: 0.4, requiredFreeSpace: 0.3, compactionInterval: 1000 },
    checkCompaction,
  ),
  durability: oneOf('interval', ['process', 'interval']),
  syncInterval: integer(1000, 1, MAX_INTERVAL, 'milliseconds'),
  maxSize: custom(0, (value, name) =>
    value === Number.POSITIVE_INFINITY ? 0 : integer(0, 1, MAX_FILE, 'bytes').check(value, name),
  ),
  readOnly: flag(false),
  recovery: oneOf('strict', ['strict', 'salvage']),
  segmentSize: custom(0, checkSegmentSize),
  savedTables: flag(true),
  signal: signal(),
  onProgress: callback<(progress: Progress) => void>(),
};

/** What the addon is told when it opens a file. */
export function nativeOptions(values: Values<typeof bufferTable>, owner: string): NativeOpenOptions {
  const limit = values.maxSize === 0 ? MAX_FILE : values.maxSize;
  const initialSize = values.initialSize ?? Math.min(DEFAULT_SIZE, limit);
  if (initialSize > limit) {
    throw new RangeError(`option 'initialSize' of ${owner} must not exceed 'maxSize': ${initialSize} > ${limit}`);
  }
  return {
    ...values.compaction,
    initialSize,
    segmentSize: values.segmentSize,
    savedTables: values.savedTables,
    extensionFactor: values.extensionFactor,
    durability: values.durability === 'process' ? 0 : 1,
    syncInterval: values.syncInterval,
    maxSize: values.maxSize,
    readOnly: values.readOnly,
    recovery: values.recovery === 'strict' ? 0 : 1,
  };
}

/** Options of a wait. */
export interface WaitOptions {
  /** Stops waiting; the call then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Options of a long operation. */
export interface WorkOptions extends WaitOptions {
  /** Told how it gets on. If it throws, the operation stops and rejects with that error. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of `verify`. */
export interface VerifyOptions extends WorkOptions {
  /**
   * Says that you know of past damage and have dealt with it: if nothing is wrong any more, the file forgets it (the
   * marker in `recovery`, `stats().damaged`). @default false
   */
  acknowledge?: boolean | undefined;
}

/** Options of `backup`. */
export interface BackupOptions extends WorkOptions {
  /** Replace a file that is there already. @default false */
  overwrite?: boolean | undefined;
}

export const waitTable = { signal: signal() };
export const workTable = { ...waitTable, onProgress: callback<(progress: Progress) => void>() };
export const verifyTable = { ...workTable, acknowledge: flag(false) };
export const backupTable = { ...workTable, overwrite: flag(false) };
