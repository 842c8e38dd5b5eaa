/** What `readHeader` tells about an entry. */
import { EntryKind } from '../internal/native.js';

/** What is known of an entry besides its data; sizes in bytes. */
export interface EntryHeader {
  /** 'removed': the address was given out once, and its entry is gone; all numbers are then 0. */
  status: 'valid' | 'removed';
  /** Whose entry it is: added through the buffer ('plain'), or under a key of an int or string map. */
  kind: 'plain' | 'int' | 'string';
  /** Bytes of data. */
  dataSize: number;
  /** Bytes that the data may grow to in place. */
  capacity: number;
  /** Bytes of the key: 0, 8, or the UTF-8 length of a string key. */
  keySize: number;
  /** The epoch in which this version was written. */
  epoch: number;
  /** Grows with each version of the entry that was written elsewhere or in place. */
  version: number;
  /** Where the entry lies in the file, in bytes. Changes with relocation and compaction. */
  offset: number;
}

/** Numbers that the addon writes for a header. */
export const HEADER_FIELDS = 7;

/** The header from the addon's numbers: [dataSize, capacity, kind, keySize, epoch, version, offset]. */
export function validHeader(fields: Float64Array): EntryHeader {
  const [dataSize = 0, capacity = 0, kind = 0, keySize = 0, epoch = 0, version = 0, offset = 0] = fields;
  return { status: 'valid', kind: kindName(kind), dataSize, capacity, keySize, epoch, version, offset };
}

export function removedHeader(): EntryHeader {
  return { status: 'removed', kind: 'plain', dataSize: 0, capacity: 0, keySize: 0, epoch: 0, version: 0, offset: 0 };
}

function kindName(kind: number): EntryHeader['kind'] {
  return kind === EntryKind.INT ? 'int' : kind === EntryKind.STRING ? 'string' : 'plain';
}
