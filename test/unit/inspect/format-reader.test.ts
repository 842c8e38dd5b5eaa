/**
 * The reader of files that shares nothing with the engine: what it finds has to be what the engine says. So it checks
 * docs/format.md, from which it was written, and the engine, which writes the files.
 */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type BufferOptions,
  type BufferStats,
  binary,
  CompactableBuffer,
  IntMap,
  StringMap,
} from '../../../src/index.js';
import { type FileScan, FormatReader } from '../../../src/inspect/format-reader.js';
import type { EntryPicture } from '../../../src/inspect/model.js';
import { totalsOf } from '../../../src/inspect/totals.js';
import { goldenFile } from '../../cli/files.js';
import { expectCode } from '../../support/expect.js';
import { Random } from '../../support/random.js';
import { tempFile } from '../../support/temp.js';

const runs = Number(process.env['MMCB_RUNS'] ?? 12);
const firstSeed = Number(process.env['MMCB_SEED'] ?? 1);

async function scan(file: string): Promise<FileScan> {
  const reader = await FormatReader.open(file);
  try {
    return await reader.scan();
  } finally {
    await reader.close();
  }
}

async function entriesOf(file: string): Promise<EntryPicture[]> {
  const reader = await FormatReader.open(file);
  try {
    const head = await reader.head();
    const all: EntryPicture[] = [];
    for (let i = 0; i < head.picture.segmentCount; i++) {
      const { entries, segment } = await reader.entries(head, i, 0, 100_000);
      all.push(...entries);
      i += segment.runLength - 1;
    }
    return all;
  } finally {
    await reader.close();
  }
}

async function engineStats(file: string, options: BufferOptions = {}): Promise<BufferStats> {
  const buffer = await CompactableBuffer.open(file, { ...options, readOnly: true });
  const stats = buffer.stats();
  await buffer.close();
  return stats;
}

/** Of a file that was closed in order, everything has to agree. */
async function expectAgreement(file: string): Promise<void> {
  const found = await scan(file);
  const stats = await engineStats(file);
  const totals = totalsOf(found.head, found.segments);
  expect({
    live: totals.liveBytes,
    slack: totals.slackBytes,
    garbage: totals.garbageBytes,
    free: totals.freeBytes,
  }).toEqual({
    live: stats.liveBytes,
    slack: stats.slackBytes,
    garbage: stats.garbageBytes,
    free: stats.freeBytes,
  });
  expect(totals).toMatchObject({ liveEntries: stats.count, lostEntries: 0 });
  expect(found.head).toMatchObject({
    closedInOrder: true,
    liveCount: stats.count,
    segmentCount: stats.segments,
    segmentSize: stats.segmentSize,
    superblocks: ['valid', 'valid'],
    state: 'sound',
  });
  expect(found.digest).toBe(found.head.liveDigest);
}

/** Adds, updates, removes, compacts, now and then through keys, and closes. */
async function randomFile(seed: number): Promise<string> {
  const random = new Random(seed);
  const file = tempFile('random');
  const segmentSize = 2 ** random.int(14, 17);
  const buffer = await CompactableBuffer.open(file, {
    segmentSize,
    extensionFactor: random.pick([1, 1.3, 2]),
    durability: random.pick(['process', 'interval']),
    compaction: { policy: 'disabled' },
  });
  const ints = new IntMap(buffer, binary());
  const strings = new StringMap(buffer, binary());
  const addresses: number[] = [];
  const data = (): Buffer => {
    const size = random.weighted({ small: 30, middle: 10, segment: 1, run: 1 });
    const limits = { small: 200, middle: segmentSize / 4, segment: segmentSize, run: segmentSize * 5 };
    return Buffer.alloc(random.int(0, limits[size]), random.int(0, 255));
  };
  for (let i = 0; i < 400; i++) {
    const what = random.weighted({ add: 8, update: 6, remove: 3, int: 4, string: 4, drop: 2, flush: 1, compact: 1 });
    if (what === 'add') addresses.push(buffer.add(data()));
    else if (what === 'int') ints.set(random.int(-50, 50), data());
    else if (what === 'string') strings.set(`key ${random.int(0, 50)}`, data());
    else if (what === 'drop') strings.delete(`key ${random.int(0, 50)}`);
    else if (what === 'flush') await buffer.flush();
    else if (what === 'compact' && random.chance(0.3)) await buffer.compact();
    else if (addresses.length > 0 && what === 'update') buffer.update(random.pick(addresses), data());
    else if (addresses.length > 0 && what === 'remove') {
      buffer.remove(addresses.splice(random.int(0, addresses.length - 1), 1)[0] as number);
    }
  }
  await buffer.close();
  return file;
}

describe('FormatReader', () => {
  it.each(Array.from({ length: runs }, (_, i) => firstSeed + i))(
    'agrees with the engine on space, count and digest of a file, seed %i',
    async (seed) => {
      await expectAgreement(await randomFile(seed));
    },
  );

  it.each(['clean', 'compacted', 'empty'])('agrees on the golden file %s', async (name) => {
    await expectAgreement(goldenFile(name));
  });

  it('tells each entry as the engine does', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file);
    const address = buffer.add('hello');
    const int = new IntMap(buffer, binary());
    int.set(-7, Buffer.alloc(100));
    const string = new StringMap(buffer, binary());
    string.set('k\ud800', Buffer.alloc(3_000_000)); // a run, and a lone surrogate
    const gone = buffer.add('gone');
    buffer.remove(gone);
    const addresses = [address, int.address(-7), string.address('k\ud800')] as number[];
    const headers = addresses.map((one) => buffer.readHeader(one));
    await buffer.close();
    const entries = await entriesOf(file);
    const live = entries.filter(({ status }) => status === 'live');
    expect(live.map(({ kind, key }) => [kind, key]).sort()).toEqual([
      ['int', '-7'],
      ['plain', ''],
      ['string', 'k\ud800'],
    ]);
    headers.forEach(({ offset, dataSize, capacity, keySize, epoch, version }, i) => {
      const found = entries.find((entry) => entry.address === addresses[i]);
      expect(found).toMatchObject({
        status: 'live',
        offset,
        dataSize,
        capacity,
        keySize,
        epoch,
        version,
        checked: true,
      });
    });
    expect(entries.find((entry) => entry.address === gone)).toMatchObject({ status: 'ended', dataSize: 4 });
  });

  it('reads a killed file with what is newer than its sync point, and does not say that it was closed', async () => {
    const { head, segments } = await scan(goldenFile('killed'));
    expect(head).toMatchObject({ closedInOrder: false, state: 'sound' });
    expect(totalsOf(head, segments).liveEntries).toBeGreaterThan(head.liveCount);
  });

  it('names what is damaged, and reads everything around it', async () => {
    const file = goldenFile('damaged');
    const entries = await entriesOf(file);
    const unreadable = entries.filter(({ status }) => status !== 'live' && status !== 'ended');
    expect(unreadable).toHaveLength(1);
    const { head, segments, digest } = await scan(file);
    expect(totalsOf(head, segments).lostEntries).toBe(1);
    expect(digest).not.toBe(head.liveDigest);
    const salvaged = await CompactableBuffer.open(file, { recovery: 'salvage', readOnly: true });
    expect(entries.filter(({ status }) => status === 'live')).toHaveLength(salvaged.stats().count);
    await salvaged.close();
  });

  it('shows a segment whose header is lost by its trailer', async () => {
    const file = goldenFile('clean');
    const { head, segments } = await scan(file);
    const used = segments.find(({ state }) => state === 'used');
    const bytes = readFileSync(file);
    bytes.fill(0, used?.offset, (used?.offset ?? 0) + 64);
    writeFileSync(file, bytes);
    const found = (await scan(file)).segments[used?.index ?? 0];
    expect(found).toMatchObject({ state: 'damaged', incarnation: used?.incarnation, liveEntries: used?.liveEntries });
    expect(head.segmentCount).toBe(segments.length);
  });

  it('takes the older superblock where the newer one is damaged', async () => {
    const file = goldenFile('clean');
    const bytes = readFileSync(file);
    const newer = bytes.readBigUInt64LE(32) > bytes.readBigUInt64LE(4096 + 32) ? 0 : 4096;
    const sequence = Number(bytes.readBigUInt64LE(4096 - newer + 32));
    bytes[newer + 100] = (bytes[newer + 100] as number) ^ 1;
    writeFileSync(file, bytes);
    const { head } = await scan(file);
    expect(head.sequence).toBe(sequence);
    expect([...head.superblocks].sort()).toEqual(['damaged', 'valid']);
  });

  it('refuses what is no file of mmcb, what is newer, and what nothing can be told of', async () => {
    const changed = (change: (bytes: Buffer) => void): string => {
      const file = goldenFile('clean');
      const bytes = readFileSync(file);
      change(bytes);
      writeFileSync(file, bytes);
      return file;
    };
    const foreign = changed((bytes) => bytes.fill(0, 0, 8).fill(0, 4096, 4104));
    await expectCode(() => scan(foreign), 'MMCB_NOT_MMCB');
    const damaged = changed((bytes) => bytes.fill(1, 20, 30).fill(1, 4116, 4126));
    await expectCode(() => scan(damaged), 'MMCB_CORRUPT');
    const empty = tempFile();
    writeFileSync(empty, '');
    await expectCode(() => scan(empty), 'MMCB_NOT_MMCB');
  });

  it('reads a file cut off anywhere', async () => {
    const file = await randomFile(3);
    const { length } = readFileSync(file);
    for (const size of [length - 1, length - 5000, Math.floor(length / 2), 16_384]) {
      truncateSync(file, size);
      const { head, segments } = await scan(file);
      expect(segments).toHaveLength(head.segmentCount);
    }
  });

  it.each(Array.from({ length: runs }, (_, i) => firstSeed + i))(
    'ends, and adds up, whatever is in the file, seed %i',
    async (seed) => {
      const file = goldenFile('clean');
      const random = new Random(seed);
      const { head } = await scan(file);
      const bytes = readFileSync(file);
      for (let i = 0; i < 200; i++) {
        const at = random.int(head.headSize, bytes.length - 9);
        const what = random.weighted({ flip: 5, copy: 2, length: 3, zero: 1 });
        if (what === 'flip') bytes[at] = random.int(0, 255);
        else if (what === 'zero') bytes.fill(0, at, Math.min(bytes.length, at + random.int(1, 1000)));
        else if (what === 'length') bytes.writeUInt32LE(random.pick([0xffff_ffff, 0x7fff_ffff, 0, 65_536]), at & ~3);
        else bytes.copy(bytes, at, random.int(head.headSize, at), at);
      }
      writeFileSync(file, bytes);
      const found = await scan(file);
      for (const { length, liveBytes, slackBytes, garbageBytes, freeBytes } of found.segments) {
        expect(liveBytes + slackBytes + garbageBytes + freeBytes).toBe(length);
        expect(Math.min(liveBytes, slackBytes, garbageBytes)).toBeGreaterThanOrEqual(0);
      }
    },
  );

  it('gives up on a segment in which every place claims a long entry, instead of taking for ever', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file);
    buffer.add('x');
    await buffer.close();
    const { segments } = await scan(file);
    const { offset, length } = segments.find(({ state }) => state === 'used') ?? { offset: 0, length: 0 };
    const bytes = readFileSync(file);
    // Headers of plain entries with a wrong checksum, side by side, each of a mebibyte: 32 GiB to be checked.
    for (let at = offset + 1024; at < offset + length / 2; at += 32) {
      bytes.fill(0, at, at + 32);
      for (const [field, value] of [[0, 1], [4, 2 ** 20 - 64], [8, 2 ** 20 - 64]] as const) bytes.writeUInt32LE(value, at + field); // biome-ignore format: fields
      bytes.writeUInt16LE(1, at + 28);
    }
    writeFileSync(file, bytes);
    const started = Date.now();
    await scan(file);
    expect(Date.now() - started).toBeLessThan(10_000);
  });
});
