/** Payloads: the way between the data and metadata of events and their bytes. */
import { type Codec, codecError } from '../codec/codec.js';
import { type CompressionOptions, compressed } from '../codec/compressed.js';
import { MmcbError } from '../errors.js';
import { show } from '../internal/options.js';
import type { DomainEvent } from './event.js';
import type { Payload, RecordView } from './record.js';

/** Makes data of the next schema version out of data of the one before. `event`: its other properties. */
export type Upcaster = (data: unknown, event: { readonly type: string; readonly metadata?: unknown }) => unknown;

/**
 * For each type, what makes its data of schema version 1 into 2, of 2 into 3, and so on. Events of a type are stored with the
 * latest schema version, which is the number of its upcasters and 1.
 */
export type Upcasters = Readonly<Record<string, readonly Upcaster[]>>;

export interface PayloadOptions {
  readonly codec: Codec<unknown>;
  /** Undefined: as they are. */
  readonly compression: CompressionOptions | undefined;
  readonly upcasters: Upcasters;
}

export class Payloads {
  readonly #plain: Codec<unknown>;
  /** Decodes whatever was compressed, with whatever options. */
  readonly #compressed: Codec<unknown>;
  readonly #compresses: boolean;
  readonly #slices: boolean;
  readonly #upcasters: Upcasters;
  readonly #hasUpcasters: boolean;

  constructor({ codec, compression, upcasters }: PayloadOptions) {
    this.#plain = codec;
    this.#compressed = compressed(codec, compression);
    this.#compresses = compression !== undefined;
    this.#slices = codec.decodeSlice !== undefined;
    this.#upcasters = upcasters;
    this.#hasUpcasters = Object.keys(upcasters).length > 0;
  }

  /** The bytes of an event's data and metadata. Throws MMCB_CODEC. */
  encode(event: DomainEvent): Payload {
    let data = this.#encode(event.data);
    let metadata: Uint8Array | undefined;
    if (event.metadata !== undefined) {
      data = Buffer.from(data); // the codec may use its memory again
      metadata = this.#encode(event.metadata);
    }
    return { data, metadata, compressed: this.#compresses, schemaVersion: this.#schemaVersion(event.type) };
  }

  /** The data of a record; with what its upcasters make of it. Throws MMCB_CODEC. */
  data(record: RecordView, type: string, metadata: unknown): unknown {
    const data = this.#decode(record, record.dataStart, record.metadataStart);
    const stored = record.schemaVersion;
    const known = this.#schemaVersion(type);
    return stored === known ? data : this.#upcast(data, type, metadata, stored, known);
  }

  metadata(record: RecordView): unknown {
    return record.hasMetadata ? this.#decode(record, record.metadataStart, record.end) : undefined;
  }

  #schemaVersion(type: string): number {
    if (!this.#hasUpcasters) return 1;
    return (Object.hasOwn(this.#upcasters, type) ? (this.#upcasters[type]?.length ?? 0) : 0) + 1;
  }

  #upcast(given: unknown, type: string, metadata: unknown, stored: number, known: number): unknown {
    if (stored > known) {
      throw new MmcbError(
        'MMCB_CODEC',
        `an event of type ${show(type)} has schema version ${stored}, and this program knows ${known}; upgrade it`,
      );
    }
    let data = given;
    const event = metadata === undefined ? { type } : { type, metadata };
    for (const [index, upcaster] of (this.#upcasters[type] ?? []).slice(stored - 1).entries()) {
      try {
        data = upcaster(data, event);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        const which = `the upcaster of type ${show(type)} from schema version ${stored + index}`;
        throw new MmcbError('MMCB_CODEC', `${which} threw: ${reason}`, { cause });
      }
    }
    return data;
  }

  #encode(value: unknown): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = (this.#compresses ? this.#compressed : this.#plain).encode(value);
    } catch (error) {
      throw codecError('encode', error);
    }
    if (bytes instanceof Uint8Array) return bytes;
    throw codecError('encode', new TypeError(`encode() must return a Uint8Array, got ${show(bytes)}`));
  }

  #decode(record: RecordView, start: number, end: number): unknown {
    try {
      if (record.isCompressed) return this.#compressed.decode(record.bytes.subarray(start, end));
      if (!this.#slices) return this.#plain.decode(record.bytes.subarray(start, end));
      return (this.#plain as Required<Codec<unknown>>).decodeSlice(record.bytes, start, end);
    } catch (error) {
      throw codecError('decode', error);
    }
  }
}
