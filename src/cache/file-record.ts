/**
 * An entry of the cache in its file: under the string key 'e' and the key.
 *
 *     offset  size
 *        0     1   version of this layout: 1
 *        1     1   flags: 1 the encoded value was a string, 2 a loader found nothing (no value)
 *        2     2   0
 *        4     4   run: the process that wrote `validated`
 *        8     8   fresh until: ms since 1970, Infinity for ever; binary64, as all below
 *       16     8   to be served stale until
 *       24     8   validated: when Redis was known to hold it, by the monotonic clock of the run
 *       32     8   time of the stamp
 *       40     8   origin of the stamp: 8 characters, or zeros
 *       48         the encoded value
 */
import type { Encoded } from './values.js';

export const HEADER = 48;
const VERSION = 1;
const TEXT = 1;
const ABSENT = 2;

export interface FileRecord {
  readonly expires: number;
  readonly staleUntil: number;
  readonly validated: number;
  readonly run: number;
  readonly time: number;
  readonly origin: string;
  readonly absent: boolean;
  readonly encoded: Encoded;
}

export function packRecord(record: FileRecord): Buffer {
  const { bytes, text } = record.encoded;
  const packed = Buffer.allocUnsafe(HEADER + bytes.length);
  packed.fill(0, 0, HEADER);
  packed[0] = VERSION;
  packed[1] = (text ? TEXT : 0) | (record.absent ? ABSENT : 0);
  packed.writeUInt32LE(record.run, 4);
  packed.writeDoubleLE(record.expires, 8);
  packed.writeDoubleLE(record.staleUntil, 16);
  packed.writeDoubleLE(record.validated, 24);
  packed.writeDoubleLE(record.time, 32);
  packed.write(record.origin, 40, 8, 'latin1');
  packed.set(bytes, HEADER);
  return packed;
}

/** The record of stored bytes, or undefined if they are none. */
export function unpackRecord(packed: Buffer): FileRecord | undefined {
  if (packed.length < HEADER || packed[0] !== VERSION) return undefined;
  const flags = packed[1] as number;
  return {
    run: packed.readUInt32LE(4),
    expires: packed.readDoubleLE(8),
    staleUntil: packed.readDoubleLE(16),
    validated: packed.readDoubleLE(24),
    time: packed.readDoubleLE(32),
    origin: packed[40] === 0 ? '' : packed.toString('latin1', 40, 48),
    absent: (flags & ABSENT) !== 0,
    encoded: { bytes: packed.subarray(HEADER), text: (flags & TEXT) !== 0 },
  };
}

/** Until when a packed record is worth keeping. */
export function endOf(packed: Buffer): number {
  return packed.length < HEADER ? 0 : packed.readDoubleLE(16);
}
