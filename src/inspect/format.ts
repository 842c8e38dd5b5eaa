/**
 * The records of a file, decoded as docs/format.md describes them: the bytes go in, and out comes what they say or that they
 * are not to be believed. Written from that page and not from the engine's code, so that each checks the other.
 */
import { crc32c } from './crc32c.js';
import { Word64 } from './word64.js';

export const FORMAT_VERSION = 1;
/** Two superblocks, the state page, and the header of the journal. */
export const SUPERBLOCK_OFFSETS = [0, 4096] as const;
export const SUPERBLOCK_SIZE = 256;
export const STATE_OFFSET = 8192;
export const JOURNAL_OFFSET = 12_288;
export const JOURNAL_HEADER_SIZE = 16;
export const SEGMENT_HEADER_SIZE = 64;
export const SEGMENT_MARK_OFFSET = 56;
export const TRAILER_SIZE = 8;
/** What a segment needs besides entries and their marks. */
export const SEGMENT_OVERHEAD = SEGMENT_HEADER_SIZE + TRAILER_SIZE;
export const ENTRY_HEADER_SIZE = 32;
export const SECTOR = 512;

const MAGIC = Buffer.from([0x6d, 0x6d, 0x63, 0x62, 0x0d, 0x0a, 0x1a, 0x0a]);
const SEGMENT_MAGIC = 0x6d67_6553;
const FILE_SEED = 0x6d6d_6362;
const MAX_EPOCH = 2 ** 40 - 1;
const GENERATION_MASK = 2 ** 21 - 1;
const SOUND = 0x646e_756f_7320_2121n;
const FAILED = 0x6465_6c69_6166_2121n;

/** 'foreign': the magic is not there; 'unfinished': being written; 'damaged': ours, and not to be believed. */
export type SuperblockVerdict = 'valid' | 'foreign' | 'newer' | 'unfinished' | 'damaged';

export interface Superblock {
  formatVersion: number;
  segmentSize: number;
  fileId: string;
  sequence: number;
  durableEpoch: number;
  /** Closed in order: nothing newer than the durable epoch exists. */
  clean: boolean;
  /** Written under durability 'process'. */
  processMode: boolean;
  /** Damage was met and not acknowledged yet. */
  damaged: boolean;
  /** Stored along with its data: after a power cut it counts only if all of that is there. */
  unconfirmed: boolean;
  segmentCount: number;
  journalSize: number;
  generationFloor: number;
  bootId: string;
  device: string;
  inode: string;
  liveCount: number;
  /** 16 hexadecimal digits. */
  liveDigest: string;
  slotCount: number;
  /** Milliseconds since 1970, as those below. */
  created: number;
  damageFirst: number;
  damageLast: number;
  damagePlaces: number;
  damageLost: number;
}

/** A superblock from its 256 bytes; `place`: 0 or 1, the one that it was read from. */
export function decodeSuperblock(bytes: Buffer, place: number): { verdict: SuperblockVerdict; superblock: Superblock } {
  const word = (offset: number): number => Number(bytes.readBigUInt64LE(offset));
  const flags = bytes.readUInt32LE(48);
  const superblock: Superblock = {
    formatVersion: bytes.readUInt32LE(8),
    segmentSize: bytes.readUInt32LE(12),
    fileId: bytes.toString('hex', 16, 32),
    sequence: word(32),
    durableEpoch: word(40),
    clean: (flags & 1) !== 0,
    processMode: (flags & 2) !== 0,
    damaged: (flags & 4) !== 0,
    unconfirmed: (flags & 8) !== 0,
    segmentCount: bytes.readUInt32LE(52),
    journalSize: bytes.readUInt32LE(56),
    generationFloor: bytes.readUInt32LE(60),
    bootId: bytes.toString('hex', 64, 80),
    device: String(bytes.readBigUInt64LE(80)),
    inode: String(bytes.readBigUInt64LE(88)),
    liveCount: word(96),
    liveDigest: bytes.readBigUInt64LE(104).toString(16).padStart(16, '0'),
    slotCount: bytes.readUInt32LE(112),
    created: word(120),
    damageFirst: word(128),
    damageLast: word(136),
    damagePlaces: word(144),
    damageLost: word(152),
  };
  return { verdict: verdictOf(bytes, superblock, place), superblock };
}

function verdictOf(bytes: Buffer, superblock: Superblock, place: number): SuperblockVerdict {
  if (!bytes.subarray(0, 8).equals(MAGIC)) return 'foreign';
  const stored = bytes.readUInt32LE(252);
  if (stored === 0) return 'unfinished';
  if (stored !== (crc32c(0, bytes, 0, 252) || 1)) return 'damaged';
  if (superblock.formatVersion > FORMAT_VERSION) return 'newer';
  return isWithinBounds(superblock) && superblock.sequence % 2 === place ? 'valid' : 'damaged';
}

function isWithinBounds({
  formatVersion,
  segmentSize,
  journalSize,
  durableEpoch,
  generationFloor,
}: Superblock): boolean {
  return (
    formatVersion > 0 &&
    Number.isInteger(Math.log2(segmentSize)) &&
    segmentSize >= 2 ** 14 &&
    segmentSize <= 2 ** 21 &&
    journalSize >= 2 ** 12 &&
    journalSize <= 2 ** 21 &&
    journalSize % SECTOR === 0 &&
    durableEpoch <= MAX_EPOCH &&
    generationFloor <= GENERATION_MASK
  );
}

/** Whether `other` can be the superblock that was written before `newest`. */
export function isPredecessor(other: Superblock, newest: Superblock): boolean {
  return (
    other.fileId === newest.fileId &&
    other.segmentSize === newest.segmentSize &&
    other.journalSize === newest.journalSize &&
    other.sequence + 1 === newest.sequence
  );
}

/** Bytes before the first segment. */
export function headSize({ segmentSize, journalSize }: Superblock): number {
  return Math.ceil((JOURNAL_OFFSET + journalSize) / segmentSize) * segmentSize;
}

export function fileSeed(fileId: string): number {
  return crc32c(FILE_SEED, Buffer.from(fileId, 'hex'));
}

export interface StatePage {
  digest: string;
  nextDigest: string;
  /** 'sound', 'failed' (after a failed sync), or 'lost': neither word stands there. */
  state: 'sound' | 'failed' | 'lost';
}

/** From the first 32 bytes of the state page. */
export function decodeState(bytes: Buffer): StatePage {
  const failed = bytes.readBigUInt64LE(16);
  return {
    digest: bytes.readBigUInt64LE(0).toString(16).padStart(16, '0'),
    nextDigest: bytes.readBigUInt64LE(8).toString(16).padStart(16, '0'),
    state: failed === SOUND ? 'sound' : failed === FAILED ? 'failed' : 'lost',
  };
}

export interface SegmentHeader {
  incarnation: number;
  runLength: number;
  birthEpoch: number;
}

/** A segment's header from its 64 bytes, or undefined where there is none to believe. */
export function decodeSegmentHeader(
  bytes: Buffer,
  seed: number,
  index: number,
  segmentCount: number,
): SegmentHeader | undefined {
  if (bytes.readUInt32LE(0) !== SEGMENT_MAGIC) return undefined;
  if (bytes.readUInt32LE(4) !== (crc32c(seed, bytes, 8, SEGMENT_MARK_OFFSET) || 1)) return undefined;
  const runLength = bytes.readUInt32LE(12);
  const birthEpoch = Number(bytes.readBigUInt64LE(16));
  if (bytes.readUInt32LE(24) !== index || runLength < 1 || runLength > segmentCount - index) return undefined;
  return birthEpoch > MAX_EPOCH ? undefined : { incarnation: bytes.readUInt32LE(8), runLength, birthEpoch };
}

const work = new Word64();

/** The incarnation that a segment's trailer tells, or undefined. `segment`: of a run the last. */
export function decodeTrailer(bytes: Buffer, offset: number, seed: number, segment: number): number | undefined {
  const incarnation = bytes.readUInt32LE(offset);
  work.set(segment ^ (seed >>> 16), incarnation ^ (seed << 16));
  work.xorShift(33).multiply(0xc4ce_b9fe, 0x1a85_ec53);
  work.xorShift(33).multiply(0xff51_afd7, 0xed55_8ccd);
  return bytes.readUInt32LE(offset + 4) === (work.high || 1) ? incarnation : undefined;
}

/** The ordinal of a segment's own mark. */
export const SEGMENT_ORDINAL = 0xffff_ffff;

/** A place that a mark belongs to. */
export interface MarkPlace {
  seed: number;
  segment: number;
  incarnation: number;
}

/** The end epoch of a mark (0: live), or -1 where it is not valid. */
export function decodeMark(low: number, high: number, place: MarkPlace, ordinal: number): number {
  const epochHigh = high >>> 24;
  const epochLow = ((high << 8) | (low >>> 24)) >>> 0;
  work.set(place.segment ^ (place.seed >>> 16), place.incarnation ^ (place.seed << 16));
  work.xorShift(33).multiply(0xff51_afd7, 0xed55_8ccd);
  work.xor((ordinal << 8) ^ epochHigh, epochLow);
  work.xorShift(33).multiply(0xc4ce_b9fe, 0x1a85_ec53).xorShift(33);
  const check = work.low & 0xff_ffff || 1;
  return check === (low & 0xff_ffff) ? epochHigh * 2 ** 32 + epochLow : -1;
}

export const EntryKindCode = { PLAIN: 0, INT: 1, STRING: 2, REDO_LIST: 3 } as const;

export interface EntryHeader {
  crc: number;
  dataSize: number;
  capacity: number;
  slot: number;
  generation: number;
  kind: number;
  epoch: number;
  version: number;
  ordinal: number;
  keySize: number;
}

export function decodeEntryHeader(bytes: Buffer, at: number): EntryHeader {
  const tag = bytes.readUInt32LE(at + 16);
  return {
    crc: bytes.readUInt32LE(at),
    dataSize: bytes.readUInt32LE(at + 4),
    capacity: bytes.readUInt32LE(at + 8),
    slot: bytes.readUInt32LE(at + 12),
    generation: tag & GENERATION_MASK,
    kind: (tag >>> 21) & 7,
    epoch: (tag >>> 24) * 2 ** 32 + bytes.readUInt32LE(at + 20),
    version: bytes.readUInt32LE(at + 24),
    ordinal: bytes.readUInt16LE(at + 28),
    keySize: bytes.readUInt16LE(at + 30),
  };
}

/** Header, key and data. */
export const usedSize = (h: EntryHeader): number => ENTRY_HEADER_SIZE + h.keySize + h.dataSize;
/** The same with the slack; a multiple of 8. */
export const totalSize = (h: EntryHeader): number => Math.ceil((ENTRY_HEADER_SIZE + h.keySize + h.capacity) / 8) * 8;
export const addressOf = (h: EntryHeader): number => h.generation * 2 ** 32 + h.slot;

/** The first place at or after `offset` where an entry's header may start: none straddles a sector. */
export function entryStart(offset: number): number {
  const within = offset % SECTOR;
  return within > SECTOR - ENTRY_HEADER_SIZE ? offset - within + SECTOR : offset;
}

/** What seeds the checksum of an entry at an offset in the file. */
export function entrySeed(seed: number, offset: number, incarnation: number): number {
  work.set(Math.floor(offset / 2 ** 32) ^ incarnation, (offset % 2 ** 32) ^ incarnation);
  work.multiply(0x9e37_79b9, 0x7f4a_7c15);
  return (work.high ^ seed) >>> 0;
}

/** Adds the hash of a live entry to the digest of a live set. */
export function addToDigest(digest: Word64, h: EntryHeader): void {
  work.set(h.slot, h.crc).multiply(0x9e37_79b9, 0x7f4a_7c15);
  // x ^ (generation << 32 | version) × c
  const { high, low } = work;
  work.set(h.generation, h.version).multiply(0xc2b2_ae3d, 0x27d4_eb4f).xor(high, low);
  work.xorShift(32).multiply(0xff51_afd7, 0xed55_8ccd).xorShift(29);
  digest.add(work.high, work.low);
}

/** Bytes of a key by its kind, or whether the kind can have a key of this size at all. */
export function isKeySizeOf(kind: number, keySize: number): boolean {
  switch (kind) {
    case EntryKindCode.PLAIN:
    case EntryKindCode.REDO_LIST:
      return keySize === 0;
    case EntryKindCode.INT:
      return keySize === 8;
    case EntryKindCode.STRING:
      return true;
    default:
      return false;
  }
}

export interface Journal {
  armed: boolean;
  length: number;
  kind: 'entry' | 'stores' | 'redo list' | 'unknown';
}

export function decodeJournal(bytes: Buffer): Journal {
  const names = ['entry', 'stores', 'redo list'] as const;
  return {
    armed: bytes.readUInt32LE(0) === 1,
    length: bytes.readUInt32LE(8),
    kind: names[bytes.readUInt32LE(12)] ?? 'unknown',
  };
}
