/**
 * Reads a file of mmcb by itself: no addon, no lock, nothing written. So it works on damaged files, and on files that another
 * process writes to; what it then sees is the file as it is at that moment, changes half done among it.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { describe, MmcbError } from '../errors.js';
import { crc32c } from './crc32c.js';
import {
  decodeEntryHeader,
  decodeJournal,
  decodeMark,
  decodeSegmentHeader,
  decodeState,
  decodeSuperblock,
  decodeTrailer,
  entrySeed,
  fileSeed,
  headSize,
  isPredecessor,
  JOURNAL_HEADER_SIZE,
  JOURNAL_OFFSET,
  SEGMENT_HEADER_SIZE,
  SEGMENT_MARK_OFFSET,
  SEGMENT_ORDINAL,
  type SegmentHeader,
  STATE_OFFSET,
  SUPERBLOCK_OFFSETS,
  SUPERBLOCK_SIZE,
  type Superblock,
  type SuperblockVerdict,
  TRAILER_SIZE,
  usedSize,
} from './format.js';
import type { EntryPicture, HeadPicture, SegmentDetail, SegmentPicture } from './model.js';
import { emptyPicture, readSegment, type SegmentBytes } from './segment-reader.js';
import { Word64 } from './word64.js';

/** The head of a file, and what is needed to read its segments. */
export interface FileHead {
  picture: HeadPicture;
  superblock: Superblock;
  seed: number;
}

export interface SegmentReadOptions {
  /** The live entries' hashes are added to this. */
  digest?: Word64;
  /** Entries of more bytes are not checked: their marks are believed. @default no limit */
  maxChecked?: number;
  /** Somebody may be writing to it: what looks damaged may be a change half done, and is read again. @default false */
  isLive?: boolean;
}

/** What one look at all segments finds. */
export interface FileScan {
  head: HeadPicture;
  segments: SegmentPicture[];
  /** Of the live entries that were found; in a file closed in order it equals `head.liveDigest`. */
  digest: string;
}

/** Bytes read at once of what is longer than a segment. */
const PIECE = 4 * 2 ** 20;
/** Readings of a live segment that looks damaged. Under the heaviest writing one in twelve does. */
const ATTEMPTS = 6;

export class FormatReader {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Rejects with the system error where the file cannot be opened. */
  static async open(path: string): Promise<FormatReader> {
    return new FormatReader(path, await open(path, 'r'));
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Device and inode: whether this is still the file that its path names. */
  async identity(): Promise<string> {
    const { dev, ino } = await this.#file.stat();
    return `${dev}:${ino}`;
  }

  /**
   * The head as it is now. Rejects with MMCB_NOT_MMCB for what is no file of mmcb, MMCB_VERSION for a newer one, and
   * MMCB_CORRUPT where neither superblock can be believed.
   */
  async head(): Promise<FileHead> {
    const { size } = await this.#file.stat();
    const bytes = await this.bytes(0, JOURNAL_OFFSET + JOURNAL_HEADER_SIZE);
    const [first, second] = SUPERBLOCK_OFFSETS.map((offset, place) =>
      decodeSuperblock(bytes.subarray(offset, offset + SUPERBLOCK_SIZE), place),
    ) as [Candidate, Candidate];
    const superblock = this.#choose(first, second);
    const headBytes = headSize(superblock);
    const picture: HeadPicture = {
      fileSize: size,
      headSize: headBytes,
      segmentSize: superblock.segmentSize,
      segmentCount: Math.max(0, Math.floor((size - headBytes) / superblock.segmentSize)),
      formatVersion: superblock.formatVersion,
      fileId: superblock.fileId,
      sequence: superblock.sequence,
      durableEpoch: superblock.durableEpoch,
      closedInOrder: superblock.clean,
      processMode: superblock.processMode,
      damaged: superblock.damaged,
      liveCount: superblock.liveCount,
      liveDigest: superblock.liveDigest,
      created: superblock.created,
      superblocks: [verdictFor(first, superblock), verdictFor(second, superblock)],
      state: decodeState(bytes.subarray(STATE_OFFSET, STATE_OFFSET + 32)).state,
      journal: decodeJournal(bytes.subarray(JOURNAL_OFFSET)),
    };
    return { picture, superblock, seed: fileSeed(superblock.fileId) };
  }

  /** The newer of two valid superblocks. */
  #choose(first: Candidate, second: Candidate): Superblock {
    const both = [first, second];
    if (both.some(({ verdict }) => verdict === 'newer')) throw this.#error('MMCB_VERSION');
    if (both.every(({ verdict }) => verdict === 'foreign')) throw this.#error('MMCB_NOT_MMCB');
    const valid = both.filter(({ verdict }) => verdict === 'valid').map(({ superblock }) => superblock);
    const newest = valid.reduce<Superblock | undefined>(
      (best, next) => (best === undefined || next.sequence > best.sequence ? next : best),
      undefined,
    );
    if (newest === undefined) throw this.#error('MMCB_CORRUPT');
    return newest;
  }

  #error(code: 'MMCB_VERSION' | 'MMCB_NOT_MMCB' | 'MMCB_CORRUPT'): MmcbError {
    return new MmcbError(code, describe(code, this.path));
  }

  /** Every segment, and the digest over all live entries. */
  async scan(
    onProgress: (done: number, total: number) => void = () => {},
    { isLive = false }: Pick<SegmentReadOptions, 'isLive'> = {},
  ): Promise<FileScan> {
    const head = await this.head();
    const digest = new Word64();
    const segments: SegmentPicture[] = [];
    const total = head.picture.segmentCount;
    while (segments.length < total) {
      segments.push(...(await this.segment(head, segments.length, { digest, isLive })));
      onProgress(Math.min(segments.length, total), total);
    }
    return { head: head.picture, segments, digest: digest.toString() };
  }

  /** The picture of a segment, and of the tails behind it where a run begins there. */
  async segment(head: FileHead, index: number, options: SegmentReadOptions = {}): Promise<SegmentPicture[]> {
    const { maxChecked = Number.POSITIVE_INFINITY, isLive = false } = options;
    const digest = new Word64();
    let picture: SegmentPicture;
    for (let attempt = 1; ; attempt++) {
      const found = await this.#segmentBytes(head, index, maxChecked);
      picture = 'bytes' in found ? readSegment(found, digest.set(0, 0)) : found;
      if (!isLive || attempt === ATTEMPTS || !looksDamaged(picture)) break;
    }
    options.digest?.add(digest.high, digest.low);
    const { segmentSize } = head.picture;
    const tails = Array.from({ length: picture.length / segmentSize - 1 }, (_, i) =>
      emptyPicture({
        index: index + i + 1,
        offset: picture.offset + (i + 1) * segmentSize,
        length: 0,
        state: 'tail',
      }),
    );
    return [picture, ...tails];
  }

  /** A segment with its entries from `from` on, at most `limit` of them. */
  async entries(head: FileHead, index: number, from = 0, limit = 1000): Promise<SegmentDetail> {
    const found = await this.#segmentBytes(head, index, PIECE);
    if (!('bytes' in found)) return { segment: found, entries: [], total: 0, from };
    const entries: EntryPicture[] = [];
    let total = 0;
    const segment = readSegment(found, undefined, (entry) => {
      if (total >= from && entries.length < limit) entries.push(entry());
      total++;
    });
    return { segment, entries, total, from };
  }

  /** Bytes of the file; zeros where it has none. */
  async bytes(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#file.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer;
  }

  /** The bytes of a segment in use; the picture itself where there are no entries to be read. */
  async #segmentBytes(head: FileHead, index: number, maxChecked: number): Promise<SegmentBytes | SegmentPicture> {
    const { seed, picture } = head;
    const { segmentSize, segmentCount } = picture;
    const offset = picture.headSize + index * segmentSize;
    const bytes = await this.bytes(offset, segmentSize);
    const header = decodeSegmentHeader(bytes, seed, index, segmentCount);
    if (header === undefined) return this.#withoutHeader(head, index, bytes);
    const { incarnation, runLength, birthEpoch } = header;
    const endEpoch = segmentMark(bytes, seed, index, header);
    const length = runLength * segmentSize;
    const place = { index, offset, incarnation, birthEpoch, endEpoch: Math.max(0, endEpoch) };
    if (endEpoch > 0) {
      // In process mode, and once its end is durable, each of its segments is for whoever comes next.
      const isFree = picture.processMode || endEpoch <= picture.durableEpoch;
      if (isFree) {
        return emptyPicture({ ...place, length: segmentSize, state: 'free', freeBytes: segmentSize });
      }
      return emptyPicture({ ...place, runLength, length, state: 'ended', garbageBytes: length });
    }
    const state = endEpoch < 0 ? 'damaged' : 'used';
    if (runLength === 1) return { ...place, runLength, length, state, bytes, last: bytes, seed };
    const last = await this.bytes(offset + length - segmentSize, segmentSize);
    const longEntry = await this.#checkLongEntry({ offset, bytes, length, incarnation, seed }, maxChecked);
    return { ...place, runLength, length, state, bytes, last, seed, longEntry };
  }

  /** A segment without a header is free, unless its trailer says that it lost one. */
  #withoutHeader(head: FileHead, index: number, bytes: Buffer): SegmentBytes | SegmentPicture {
    const { seed, picture } = head;
    const length = picture.segmentSize;
    const offset = picture.headSize + index * length;
    const incarnation = decodeTrailer(bytes, length - TRAILER_SIZE, seed, index);
    if (incarnation === undefined) {
      return emptyPicture({ index, offset, length, state: 'free', freeBytes: length });
    }
    const place = { index, offset, length, runLength: 1, incarnation, birthEpoch: 0, endEpoch: 0 };
    return { ...place, state: 'damaged', bytes, last: bytes, seed };
  }

  /** The checksum of a run's only entry, as long as its header says, taken piece by piece. */
  async #checkLongEntry(
    run: { offset: number; bytes: Buffer; length: number; incarnation: number; seed: number },
    maxChecked: number,
  ): Promise<SegmentBytes['longEntry']> {
    const { offset, bytes, length, incarnation, seed } = run;
    const at = SEGMENT_HEADER_SIZE;
    const end = at + usedSize(decodeEntryHeader(bytes, at));
    if (end <= bytes.length || end > length || end > maxChecked) return undefined;
    let crc = crc32c(entrySeed(seed, offset + at, incarnation), bytes, at + 4);
    for (let from = bytes.length; from < end; from += PIECE) {
      crc = crc32c(crc, await this.bytes(offset + from, Math.min(PIECE, end - from)));
    }
    return { at, end, checksum: crc || 1 };
  }
}

interface Candidate {
  verdict: SuperblockVerdict;
  superblock: Superblock;
}

function looksDamaged({ state, lostEntries }: SegmentPicture): boolean {
  return state === 'damaged' || lostEntries > 0;
}

/** The end epoch of a segment: 0 in use, -1 where its mark is lost. */
function segmentMark(bytes: Buffer, seed: number, segment: number, { incarnation }: SegmentHeader): number {
  const low = bytes.readUInt32LE(SEGMENT_MARK_OFFSET);
  const high = bytes.readUInt32LE(SEGMENT_MARK_OFFSET + 4);
  return decodeMark(low, high, { seed, segment, incarnation }, SEGMENT_ORDINAL);
}

/** The verdict on a superblock, beside the one that counts: whole as it may be, it has to be the one before. */
function verdictFor({ verdict, superblock }: Candidate, newest: Superblock): string {
  if (verdict !== 'valid' || superblock === newest) return verdict;
  return isPredecessor(superblock, newest) ? 'valid' : 'damaged';
}
