/**
 * Reads the entries of one segment. Nothing in the bytes is trusted: an entry is believed where it fits its place and its
 * checksum holds; where none stands, the search goes on 8 bytes further, so that damage hides nothing behind it.
 */
import { decodeStringKey } from '../map/keys.js';
import { crc32c } from './crc32c.js';
import {
  addressOf,
  addToDigest,
  decodeEntryHeader,
  decodeMark,
  ENTRY_HEADER_SIZE,
  type EntryHeader,
  EntryKindCode,
  entrySeed,
  entryStart,
  isKeySizeOf,
  SEGMENT_HEADER_SIZE,
  SEGMENT_OVERHEAD,
  TRAILER_SIZE,
  totalSize,
  usedSize,
} from './format.js';
import type { EntryPicture, SegmentPicture, SegmentState } from './model.js';
import type { Word64 } from './word64.js';

/** A segment, or a run, whose bytes are to be read. */
export interface SegmentBytes {
  index: number;
  /** Of its first byte in the file. */
  offset: number;
  /** Of the whole run. */
  length: number;
  runLength: number;
  incarnation: number;
  birthEpoch: number;
  endEpoch: number;
  state: SegmentState;
  /** The first segment of the run: all headers lie in it. */
  bytes: Buffer;
  /** The last segment of the run, with the marks; the same as `bytes` where there is only one. */
  last: Buffer;
  /** Of the file. */
  seed: number;
  /** The checksum of a run's entry, which lies at `at` and ends at `end`; undefined: too long to be taken. */
  longEntry?: { at: number; end: number; checksum: number } | undefined;
}

export const SIZE_CLASSES = 33;
export const SLACK_CLASSES = 11;

/** A crafted file could have every place claim a long entry; reading gives up at that many times the segment. */
const PATIENCE = 32;
/** Characters of a key that are shown. */
const KEY_SHOWN = 200;

export function emptyPicture(
  place: Pick<SegmentPicture, 'index' | 'offset' | 'length' | 'state'> & Partial<SegmentPicture>,
): SegmentPicture {
  return {
    runLength: 1,
    incarnation: 0,
    birthEpoch: 0,
    endEpoch: 0,
    liveEntries: 0,
    deadEntries: 0,
    lostEntries: 0,
    liveBytes: 0,
    slackBytes: 0,
    garbageBytes: 0,
    freeBytes: 0,
    sizes: new Array<number>(SIZE_CLASSES).fill(0),
    slacks: new Array<number>(SLACK_CLASSES).fill(0),
    ...place,
  };
}

/** Sees each entry, and each gap between entries, in order of offset. */
export type EntryVisitor = (entry: () => EntryPicture) => void;

/** The picture of a segment in use. `visit` gets its entries; `digest`: to which the live ones are added. */
export function readSegment(segment: SegmentBytes, digest?: Word64, visit?: EntryVisitor): SegmentPicture {
  return new SegmentReader(segment, digest, visit).read();
}

class SegmentReader {
  readonly #segment: SegmentBytes;
  readonly #digest: Word64 | undefined;
  readonly #visit: EntryVisitor | undefined;
  readonly #picture: SegmentPicture;
  /** One more than the ordinal of the last whole entry. */
  #ordinals = 0;
  /** Behind the last whole entry, from the segment's start. */
  #used = SEGMENT_HEADER_SIZE;
  #patience: number;

  constructor(segment: SegmentBytes, digest: Word64 | undefined, visit: EntryVisitor | undefined) {
    const { index, offset, length, state, runLength, incarnation, birthEpoch, endEpoch } = segment;
    this.#segment = segment;
    this.#digest = digest;
    this.#visit = visit;
    this.#picture = emptyPicture({ index, offset, length, state, runLength, incarnation, birthEpoch, endEpoch });
    this.#patience = length * PATIENCE;
  }

  read(): SegmentPicture {
    const { bytes, length } = this.#segment;
    const lastStart = bytes.length - ENTRY_HEADER_SIZE;
    for (let at = entryStart(this.#used); at <= lastStart && this.#patience > 0; ) {
      if (this.#markAt(this.#ordinals) < at + ENTRY_HEADER_SIZE) break;
      const header = this.#entryAt(at);
      if (header === undefined) {
        at = entryStart(at + 8);
        continue;
      }
      this.#gap(at, header.ordinal);
      this.#take(at, header);
      this.#ordinals = header.ordinal + 1;
      this.#used = at + totalSize(header);
      at = entryStart(this.#used);
    }
    const picture = this.#picture;
    const { liveBytes, slackBytes } = picture;
    picture.garbageBytes = this.#used - SEGMENT_HEADER_SIZE + 8 * this.#ordinals - liveBytes - slackBytes;
    picture.freeBytes = length - SEGMENT_OVERHEAD - liveBytes - slackBytes - picture.garbageBytes;
    picture.liveBytes += SEGMENT_OVERHEAD;
    return picture;
  }

  /** Where the mark of an ordinal is, from the segment's start. */
  #markAt(ordinal: number): number {
    return this.#segment.length - TRAILER_SIZE - 8 * (ordinal + 1);
  }

  /** The header of a whole entry that may stand here. */
  #entryAt(at: number): EntryHeader | undefined {
    const { bytes } = this.#segment;
    if (bytes.readUInt32LE(at) === 0) return undefined;
    const header = decodeEntryHeader(bytes, at);
    if (header.ordinal < this.#ordinals || header.ordinal > at / ENTRY_HEADER_SIZE) return undefined;
    if (!isKeySizeOf(header.kind, header.keySize) || header.dataSize > header.capacity) return undefined;
    if (at + totalSize(header) > this.#markAt(header.ordinal)) return undefined;
    return this.#checksumHolds(at, header) ? header : undefined;
  }

  #checksumHolds(at: number, header: EntryHeader): boolean {
    const { bytes, seed, offset, incarnation, longEntry } = this.#segment;
    const end = at + usedSize(header);
    if (end > bytes.length) {
      if (longEntry === undefined) return this.#mark(header.ordinal) >= 0; // the mark has a check of its own
      return longEntry.at === at && longEntry.end === end && longEntry.checksum === header.crc;
    }
    this.#patience -= end - at;
    return header.crc === (crc32c(entrySeed(seed, offset + at, incarnation), bytes, at + 4, end) || 1);
  }

  /** The end epoch of an entry, 0 where it is live, -1 where its mark is lost. */
  #mark(ordinal: number): number {
    const { last, length, seed, index, incarnation } = this.#segment;
    const at = this.#markAt(ordinal) - (length - last.length);
    if (at < 0) return -1;
    return decodeMark(last.readUInt32LE(at), last.readUInt32LE(at + 4), { seed, segment: index, incarnation }, ordinal);
  }

  #take(at: number, header: EntryHeader): void {
    const picture = this.#picture;
    const mark = this.#mark(header.ordinal);
    const status = statusOf(header, mark);
    if (status === 'live') {
      const used = usedSize(header) + 8;
      const slack = totalSize(header) + 8 - used;
      picture.liveEntries++;
      picture.liveBytes += used;
      picture.slackBytes += slack;
      count(picture.sizes, Math.floor(Math.log2(totalSize(header))));
      count(picture.slacks, header.capacity === 0 ? 0 : Math.floor((slack / header.capacity) * 10));
      if (this.#digest !== undefined) addToDigest(this.#digest, header);
    } else if (status === 'mark lost') {
      picture.lostEntries++;
    } else {
      picture.deadEntries++;
    }
    this.#visit?.(() => this.#entryPicture(at, header, status, mark));
  }

  #gap(at: number, nextOrdinal: number): void {
    const begin = this.#used;
    if (at <= entryStart(begin)) return;
    const missing = nextOrdinal - this.#ordinals;
    this.#picture.lostEntries += missing;
    const ordinal = this.#ordinals;
    this.#visit?.(() => ({
      ...noEntry,
      status: 'unreadable',
      offset: this.#segment.offset + begin,
      size: at - begin,
      ordinal,
    }));
  }

  #entryPicture(at: number, header: EntryHeader, status: EntryPicture['status'], mark: number): EntryPicture {
    const { bytes, offset, longEntry } = this.#segment;
    const { kind, keySize } = header;
    return {
      status,
      offset: offset + at,
      size: totalSize(header),
      ordinal: header.ordinal,
      kind: kindNames[kind] ?? 'none',
      key: keyText(kind, bytes, at + ENTRY_HEADER_SIZE, keySize),
      address: addressOf(header),
      dataSize: header.dataSize,
      capacity: header.capacity,
      slackBytes: totalSize(header) - usedSize(header),
      keySize,
      epoch: header.epoch,
      endEpoch: Math.max(0, mark),
      version: header.version,
      generation: header.generation,
      slot: header.slot,
      crc: header.crc,
      checked: at + usedSize(header) <= bytes.length || longEntry !== undefined,
    };
  }
}

const kindNames = ['plain', 'int', 'string', 'redo list'] as const;

const noEntry: EntryPicture = {
  status: 'unreadable',
  offset: 0,
  size: 0,
  ordinal: 0,
  kind: 'none',
  key: '',
  address: 0,
  dataSize: 0,
  capacity: 0,
  slackBytes: 0,
  keySize: 0,
  epoch: 0,
  endEpoch: 0,
  version: 0,
  generation: 0,
  slot: 0,
  crc: 0,
  checked: false,
};

function statusOf({ kind }: EntryHeader, mark: number): EntryPicture['status'] {
  if (kind === EntryKindCode.REDO_LIST) return 'internal';
  return mark < 0 ? 'mark lost' : mark === 0 ? 'live' : 'ended';
}

function keyText(kind: number, bytes: Buffer, start: number, size: number): string {
  if (kind === EntryKindCode.INT) return String(bytes.readBigInt64LE(start));
  if (kind !== EntryKindCode.STRING) return '';
  const end = Math.min(start + size, bytes.length);
  const key = decodeStringKey(bytes, start, Math.min(end, start + 4 * KEY_SHOWN));
  return key.length > KEY_SHOWN ? `${key.slice(0, KEY_SHOWN)}...` : key;
}

function count(counters: number[], index: number): void {
  const at = Math.max(0, Math.min(counters.length - 1, index));
  counters[at] = (counters[at] as number) + 1;
}
