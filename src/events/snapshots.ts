/**
 * Snapshots: the state of an aggregate as of a version, the latest one of each aggregate, under its id.
 *
 *     offset  size
 *        0     1   version of this layout: 1
 *        1     1   flags: 1 the state is compressed
 *        2     2   schema version of the state
 *        4     4   0
 *        8     8   version of the last event that the state includes, as binary64
 *       16     8   when it was saved: milliseconds since 1970, as binary64
 *       24         the state, by its codec
 */
import { type Codec, codecError } from '../codec/codec.js';
import { type CompressionOptions, compressed } from '../codec/compressed.js';
import { type FullClock, timeOf } from '../queue/clock.js';
import { checkName, checkVersion, type Version } from './event.js';
import { type EventFile, snapshotKey } from './event-file.js';
import { NONE } from './event-index.js';
import type { Following } from './following.js';
import { notARecord } from './record.js';

const HEADER = 24;
const LAYOUT = 1;
const COMPRESSED = 1;

/** The state of an aggregate, as of a version. */
export interface Snapshot<S = unknown> {
  readonly state: S;
  /** The last event that the state includes; go on with `loadByAggregate(id, { since: version })`. */
  readonly version: Version;
  /** When it was saved: milliseconds since 1970. */
  readonly timestamp: number;
}

export interface SnapshotSettings {
  readonly codec: Codec<unknown>;
  readonly compression: CompressionOptions | undefined;
  readonly schemaVersion: number;
  readonly clock: FullClock;
}

export class Snapshots {
  readonly #file: EventFile;
  readonly #following: Following;
  readonly #settings: SnapshotSettings;
  readonly #compressed: Codec<unknown>;

  constructor(file: EventFile, following: Following, settings: SnapshotSettings) {
    this.#file = file;
    this.#following = following;
    this.#settings = settings;
    this.#compressed = compressed(settings.codec, settings.compression);
  }

  /**
   * Saves a state, unless there is a later one: events that are behind that may be gone. Begins an era, so that nobody
   * collects events, or saves a state, relying on the one before.
   */
  save(aggregateId: string, state: unknown, version: Version): boolean {
    checkName(aggregateId, 'aggregateId');
    const bytes = this.#encode(state);
    for (;;) {
      this.#following.catchUp();
      this.#checkOwn(aggregateId, version);
      const present = this.#read(aggregateId);
      if (present !== undefined && present.schemaVersion === this.#settings.schemaVersion) {
        if (present.version > version) return false;
      }
      bytes.writeDoubleLE(version, 8);
      if (this.#file.change(this.#following.index.latest, [{ key: snapshotKey(aggregateId), bytes }])) return true;
    }
  }

  /** The latest state; undefined if there is none, or only one of another schema version. */
  load(aggregateId: string): Snapshot | undefined {
    checkName(aggregateId, 'aggregateId');
    const found = this.#read(aggregateId);
    if (found === undefined || found.schemaVersion !== this.#settings.schemaVersion) return undefined;
    const codec = found.isCompressed ? this.#compressed : this.#settings.codec;
    try {
      const state = codec.decode(found.bytes.subarray(HEADER));
      return { state, version: found.version, timestamp: found.timestamp };
    } catch (error) {
      throw codecError('decode', error);
    }
  }

  /** The version of a snapshot's last event, given its bytes; 0 where `load` would not find it. */
  versionOf(bytes: Buffer): Version {
    const { version, schemaVersion } = parse(bytes);
    return schemaVersion === this.#settings.schemaVersion ? version : 0;
  }

  /** A version that is not of this aggregate would lose events, or apply some twice. */
  #checkOwn(aggregateId: string, version: Version): void {
    const { index } = this.#following;
    checkVersion(version, 'version', index.latest);
    const row = index.rowOf(version);
    if (row !== NONE && index.aggregates.text(index.aggregateOf(row)) === aggregateId) return;
    throw new RangeError(
      `version must be that of an event of the aggregate, as StoredEvent.version says it: ${version} is not one of ` +
        `${JSON.stringify(aggregateId)}`,
    );
  }

  #read(aggregateId: string): ReturnType<typeof parse> | undefined {
    const bytes = this.#file.readString(snapshotKey(aggregateId));
    return bytes === undefined ? undefined : parse(bytes);
  }

  #encode(state: unknown): Buffer {
    const { codec, compression, schemaVersion, clock } = this.#settings;
    let encoded: Uint8Array;
    try {
      encoded = (compression === undefined ? codec : this.#compressed).encode(state);
    } catch (error) {
      throw codecError('encode', error);
    }
    if (!(encoded instanceof Uint8Array))
      throw codecError('encode', new TypeError('encode() must return a Uint8Array'));
    const bytes = Buffer.alloc(HEADER + encoded.length);
    bytes[0] = LAYOUT;
    bytes[1] = compression === undefined ? 0 : COMPRESSED;
    bytes.writeUInt16LE(schemaVersion, 2);
    bytes.writeDoubleLE(timeOf(clock), 16);
    bytes.set(encoded, HEADER);
    return bytes;
  }
}

function parse(bytes: Buffer) {
  if (bytes.length < HEADER || bytes[0] !== LAYOUT) throw notARecord();
  return {
    bytes,
    isCompressed: ((bytes[1] as number) & COMPRESSED) !== 0,
    schemaVersion: bytes.readUInt16LE(2),
    version: bytes.readDoubleLE(8),
    timestamp: bytes.readDoubleLE(16),
  };
}
