/**
 * Records: the stored form of one event, under its version as an int key.
 *
 *     offset  size
 *        0     1   version of this layout: 1
 *        1     1   flags: 1 the type is UTF-16, 2 the aggregate id is, 4 the id is, 8 there is metadata,
 *                  16 data and metadata are compressed, 32 collected: data and metadata are gone,
 *                  64 the next version was stored by the same call
 *        2     2   bytes of the type
 *        4     2   bytes of the aggregate id
 *        6     2   bytes of the id
 *        8     8   when it was stored: milliseconds since 1970, as binary64
 *       16     4   version of the aggregate: the event's number among those of its aggregate
 *       20     2   schema version of the data
 *       22     2   0
 *       24     4   bytes of the data
 *       28     4   bytes of the metadata
 *       32         type, aggregate id, id, data, metadata
 *
 * All numbers are little-endian; the strings are as in internal/text.ts. Everything that the indexes are made of stands
 * before the data, so that they are made without decoding it.
 */
import { MmcbError } from '../errors.js';
import { hashOfBytes, isLatin1, readText } from '../internal/text.js';

export const HEADER = 32;
export const VERSION = 1;

export const Flag = {
  TYPE_UTF16: 1,
  AGGREGATE_UTF16: 2,
  ID_UTF16: 4,
  METADATA: 8,
  COMPRESSED: 16,
  COLLECTED: 32,
  CONTINUED: 64,
} as const;

/** What there is to store of an event besides its names. */
export interface Payload {
  readonly data: Uint8Array;
  readonly metadata: Uint8Array | undefined;
  readonly compressed: boolean;
  readonly schemaVersion: number;
}

/** The numbers of bytes: read and written several times as fast as by the methods of a Buffer. */
export function numbersOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_NUMBERS: DataView = new DataView(new ArrayBuffer(0));

/** A look at a record, used again for the next one: `read` says where it lies. */
export class RecordView {
  bytes = NO_BYTES;
  #numbers = NO_NUMBERS;
  #flags = 0;
  /** Where the type, the aggregate id, the id, the data and the metadata begin, and where the record ends. */
  #type = 0;
  #aggregate = 0;
  #id = 0;
  #data = 0;
  #metadata = 0;
  #end = 0;

  /** Looks at bytes [start, end). Throws MMCB_CORRUPT where they are no record. */
  read(bytes: Buffer, start = 0, end = bytes.length): this {
    if (end - start < HEADER || bytes[start] !== VERSION) throw notARecord();
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.#numbers = numbersOf(bytes);
    }
    const numbers = this.#numbers;
    this.#flags = bytes[start + 1] as number;
    this.#type = start + HEADER;
    this.#aggregate = this.#type + numbers.getUint16(start + 2, true);
    this.#id = this.#aggregate + numbers.getUint16(start + 4, true);
    this.#data = this.#id + numbers.getUint16(start + 6, true);
    this.#metadata = this.#data + numbers.getUint32(start + 24, true);
    this.#end = this.#metadata + numbers.getUint32(start + 28, true);
    if (this.#data > end) throw notARecord();
    return this;
  }

  /** The same for a record that is there as a whole. */
  readWhole(bytes: Buffer, start = 0, end = bytes.length): this {
    this.read(bytes, start, end);
    if (this.#end !== end) throw notARecord();
    return this;
  }

  get timestamp(): number {
    return this.#numbers.getFloat64(this.#type - 24, true);
  }

  get aggregateVersion(): number {
    return this.#numbers.getUint32(this.#type - 16, true);
  }

  get schemaVersion(): number {
    return this.#numbers.getUint16(this.#type - 12, true);
  }

  get isCollected(): boolean {
    return (this.#flags & Flag.COLLECTED) !== 0;
  }

  /** The next version was stored by the same call. */
  get isContinued(): boolean {
    return (this.#flags & Flag.CONTINUED) !== 0;
  }

  get isCompressed(): boolean {
    return (this.#flags & Flag.COMPRESSED) !== 0;
  }

  get hasMetadata(): boolean {
    return (this.#flags & Flag.METADATA) !== 0;
  }

  get type(): string {
    return readText(this.bytes, this.#type, this.#aggregate - this.#type, (this.#flags & Flag.TYPE_UTF16) !== 0);
  }

  get aggregateId(): string {
    const utf16 = (this.#flags & Flag.AGGREGATE_UTF16) !== 0;
    return readText(this.bytes, this.#aggregate, this.#id - this.#aggregate, utf16);
  }

  get id(): string {
    return readText(this.bytes, this.#id, this.#data - this.#id, (this.#flags & Flag.ID_UTF16) !== 0);
  }

  get idHash(): number {
    return hashOfBytes(this.bytes, this.#id, this.#data - this.#id, (this.#flags & Flag.ID_UTF16) !== 0);
  }

  /** Whether it has this id; makes no string where that can be told without. */
  hasId(id: string): boolean {
    if ((this.#flags & Flag.ID_UTF16) !== 0) return !isLatin1(id) && this.id === id;
    if (this.#data - this.#id !== id.length) return false;
    for (let i = 0; i < id.length; i++) if (this.bytes[this.#id + i] !== id.charCodeAt(i)) return false;
    return true;
  }

  /** The data lies from here on, up to the metadata. */
  get dataStart(): number {
    return this.#data;
  }

  get metadataStart(): number {
    return this.#metadata;
  }

  get end(): number {
    return this.#end;
  }

  /** What is kept of a record that is collected: a record without data. */
  collected(): Buffer {
    const start = this.#type - HEADER;
    const bytes = Buffer.from(this.bytes.subarray(start, this.#data));
    bytes[1] = (this.#flags & ~(Flag.METADATA | Flag.COMPRESSED)) | Flag.COLLECTED;
    bytes.writeUInt32LE(0, 24);
    bytes.writeUInt32LE(0, 28);
    return bytes;
  }
}

export function notARecord(): MmcbError {
  return new MmcbError('MMCB_CORRUPT', 'an entry of the event store is no record of it; verify() the file');
}
