/** RecordBatch: makes the records of events that are stored together. */
import { constants } from 'node:buffer';
import { describe, MmcbError } from '../errors.js';
import { putText } from '../internal/text.js';
import type { DomainEvent } from './event.js';
import { Flag, HEADER, numbersOf, type Payload, VERSION } from './record.js';

const MAX_DATA = 2 ** 31 - 1;
/** Bytes of memory to begin with, and above which it is given back after use. */
const SMALLEST = 4096;
const LARGEST_KEPT = 2 ** 20;

/** Where a record lies: bytes [start, end). */
export interface RecordPlace {
  readonly start: number;
  readonly end: number;
}

/**
 * Records on their way to the file, one behind the other in memory that is used again. Their times and versions are filled
 * in when they are stored, by `stamp`.
 */
export class RecordBatch {
  bytes: Buffer = Buffer.allocUnsafeSlow(SMALLEST);
  /** How many there are. */
  count = 0;
  /** Bytes of each of them. */
  sizes = new Float64Array(16);
  #numbers = numbersOf(this.bytes);
  #end = 0;

  /** Takes all out again. */
  clear(): void {
    this.count = 0;
    this.#end = 0;
    if (this.bytes.length <= LARGEST_KEPT) return;
    this.#use(Buffer.allocUnsafeSlow(SMALLEST));
    this.sizes = new Float64Array(16);
  }

  /** Adds the record of an event. Throws MMCB_TOO_LARGE. */
  add(event: DomainEvent, payload: Payload): RecordPlace {
    const { type, aggregateId, id } = event;
    const { data, metadata } = payload;
    const metadataBytes = metadata?.length ?? 0;
    const most = HEADER + 2 * (type.length + aggregateId.length + id.length) + data.length + metadataBytes;
    if (most > MAX_DATA) throw new MmcbError('MMCB_TOO_LARGE', describe('MMCB_TOO_LARGE', `event ${event.id}`));
    const start = this.#end;
    this.#reserve(most);
    const { bytes } = this;
    const typeStart = start + HEADER;
    const aggregateStart = putText(bytes, type, typeStart);
    const idStart = putText(bytes, aggregateId, aggregateStart);
    const dataStart = putText(bytes, id, idStart);
    const metadataStart = dataStart + data.length;
    const end = metadataStart + metadataBytes;
    bytes.set(data, dataStart);
    if (metadata !== undefined) bytes.set(metadata, metadataStart);
    const numbers = this.#numbers;
    numbers.setUint8(start, VERSION);
    numbers.setUint8(
      start + 1,
      (aggregateStart - typeStart === type.length ? 0 : Flag.TYPE_UTF16) |
        (idStart - aggregateStart === aggregateId.length ? 0 : Flag.AGGREGATE_UTF16) |
        (dataStart - idStart === id.length ? 0 : Flag.ID_UTF16) |
        (metadata === undefined ? 0 : Flag.METADATA) |
        (payload.compressed ? Flag.COMPRESSED : 0),
    );
    numbers.setUint16(start + 2, aggregateStart - typeStart, true);
    numbers.setUint16(start + 4, idStart - aggregateStart, true);
    numbers.setUint16(start + 6, dataStart - idStart, true);
    numbers.setUint32(start + 20, payload.schemaVersion, true); // and the two bytes behind it
    numbers.setUint32(start + 24, data.length, true);
    numbers.setUint32(start + 28, metadataBytes, true);
    return this.#added(start, end);
  }

  /** Some of the records, as they are now. */
  only(places: readonly RecordPlace[]): RecordBatch {
    const some = new RecordBatch();
    for (const { start, end } of places) {
      some.#reserve(end - start);
      this.bytes.copy(some.bytes, some.#end, start, end);
      some.#added(some.#end, some.#end + end - start);
    }
    return some;
  }

  /** Says when an event was stored, as which of its aggregate, and whether the next version belongs to the same call. */
  stamp({ start }: RecordPlace, timestamp: number, aggregateVersion: number, isContinued: boolean): void {
    const numbers = this.#numbers;
    const flags = numbers.getUint8(start + 1);
    numbers.setUint8(start + 1, isContinued ? flags | Flag.CONTINUED : flags & ~Flag.CONTINUED);
    numbers.setFloat64(start + 8, timestamp, true);
    numbers.setUint32(start + 16, aggregateVersion, true);
  }

  #added(start: number, end: number): RecordPlace {
    if (this.count === this.sizes.length) {
      const sizes = new Float64Array(this.count * 2);
      sizes.set(this.sizes);
      this.sizes = sizes;
    }
    this.sizes[this.count] = end - start;
    this.count += 1;
    this.#end = end;
    return { start, end };
  }

  /** Makes room for so many bytes more. */
  #reserve(size: number): void {
    const needed = this.#end + size;
    if (needed <= this.bytes.length) return;
    if (needed > constants.MAX_LENGTH) throw new MmcbError('MMCB_TOO_LARGE', describe('MMCB_TOO_LARGE', 'the batch'));
    const larger = Buffer.allocUnsafeSlow(Math.min(needed * 2, constants.MAX_LENGTH));
    this.bytes.copy(larger, 0, 0, this.#end);
    this.#use(larger);
  }

  #use(bytes: Buffer): void {
    this.bytes = bytes;
    this.#numbers = numbersOf(bytes);
  }
}
