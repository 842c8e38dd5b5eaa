/**
 * Files made by each format version (scripts/golden-files.mjs) open in this one, with exactly what is in them; and a file
 * that is refused, or opened to be read only, stays as it is to the last byte.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type BufferOptions,
  binary,
  CompactableBuffer,
  IntMap,
  type MmcbErrorCode,
  StringMap,
} from '../../src/index.js';
import { expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';

interface Expected {
  /** The code with which a strict opening refuses the file. */
  refused?: MmcbErrorCode;
  options?: BufferOptions;
  recovery: object;
  damagedKeys?: string[];
  contents: { entries: [number, number, string][]; ints: [number, number][]; strings: [string, number][] };
}

const fixtures = fileURLToPath(new URL('../fixtures/format', import.meta.url));
const files = readdirSync(fixtures).flatMap((version) =>
  readdirSync(join(fixtures, version))
    .filter((name) => name.endsWith('.mmcb.gz'))
    .map((name) => ({ version, name: name.slice(0, -'.mmcb.gz'.length) })),
);

function load({ version, name }: { version: string; name: string }): { bytes: Buffer; expected: Expected } {
  return {
    bytes: gunzipSync(readFileSync(join(fixtures, version, `${name}.mmcb.gz`))),
    expected: JSON.parse(readFileSync(join(fixtures, version, `${name}.json`), 'utf8')) as Expected,
  };
}

function copyOf(bytes: Buffer): string {
  const file = tempFile();
  writeFileSync(file, bytes);
  return file;
}

function contents(buffer: CompactableBuffer): Expected['contents'] {
  const hash = (data: Buffer): string => createHash('sha256').update(data).digest('base64url');
  const keyed = <K>(map: { keys(): Iterable<K>; address(key: K): number | undefined }): [K, number][] =>
    [...map.keys()].map((key): [K, number] => [key, map.address(key) as number]).sort((a, b) => a[1] - b[1]);
  return {
    entries: [...buffer.entries()]
      .map(([address, data]): [number, number, string] => [address, data.length, hash(data)])
      .sort((a, b) => a[0] - b[0]),
    ints: keyed(new IntMap(buffer, binary())),
    strings: keyed(new StringMap(buffer, binary())),
  };
}

describe('golden files', () => {
  it('are there in every state that a file can be found in', () => {
    const names = files.filter(({ version }) => version === 'v1').map(({ name }) => name);
    expect(names).toEqual(['clean', 'compacted', 'damaged', 'empty', 'journal', 'killed', 'process', 'salvaged']);
  });

  for (const file of files) {
    const { bytes, expected } = load(file);
    const name = `${file.version}/${file.name}`;

    if (expected.refused !== undefined) {
      it(`${name} is refused, and left as it is`, async () => {
        const path = copyOf(bytes);
        await expectCode(() => CompactableBuffer.open(path), expected.refused as MmcbErrorCode);
        expect(readFileSync(path).equals(bytes)).toBe(true);
      });
    }

    it(`${name} can be read, and is left as it is`, async () => {
      const path = copyOf(bytes);
      const buffer = await CompactableBuffer.open(path, { ...expected.options, readOnly: true });
      expect(buffer.recovery).toMatchObject(withoutTimes(expected.recovery));
      expect(contents(buffer)).toEqual(expected.contents);
      expect(await buffer.verify()).toMatchObject({ ok: true, errors: [] });
      await buffer.close();
      expect(readFileSync(path).equals(bytes)).toBe(true);
    });

    it(`${name} opens with exactly its contents, takes changes, and keeps them`, async () => {
      const path = copyOf(bytes);
      const buffer = await CompactableBuffer.open(path, { ...expected.options });
      expect(buffer.recovery).toMatchObject(expected.recovery);
      if (expected.damagedKeys !== undefined) {
        expect(buffer.recovery.damage.map(({ key }) => key)).toEqual(expected.damagedKeys);
      }
      expect(contents(buffer)).toEqual(expected.contents);
      expect(await buffer.verify()).toMatchObject({ ok: true, errors: [] });
      const address = buffer.add('new');
      expect(expected.contents.entries.some(([taken]) => taken === address)).toBe(false);
      new StringMap(buffer, binary()).set('new', Buffer.from('key'));
      await buffer.compact();
      await buffer.close();

      const again = await CompactableBuffer.open(path);
      expect(again.recovery).toMatchObject({ status: 'clean', entries: expected.contents.entries.length + 2 });
      const now = contents(again);
      for (const entry of expected.contents.entries) expect(now.entries).toContainEqual(entry);
      expect(again.read(address).toString()).toBe('new');
      await again.close();
    });
  }
});

/** What a reader notes of damage it cannot store: its times are its own. */
function withoutTimes(recovery: object): object {
  const { marker, ...rest } = recovery as { marker?: unknown };
  return marker === undefined ? rest : { ...rest, marker };
}

describe('files that are not ours to open', () => {
  const { bytes } = load({ version: 'v1', name: 'clean' });
  /** CRC32C, bit by bit: of superblocks only. */
  const crc32c = (data: Buffer): number => {
    let crc = 0xffff_ffff;
    for (const byte of data) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
    }
    return (crc ^ 0xffff_ffff) >>> 0;
  };
  const withVersion = (places: number[], version: number): Buffer => {
    const forged = Buffer.from(bytes);
    for (const at of places) {
      forged.writeUInt32LE(version, at + 8);
      forged.writeUInt32LE(crc32c(forged.subarray(at, at + 252)), at + 252);
    }
    return forged;
  };
  const foreign = Buffer.from(bytes);
  foreign.write('SQLite format 3', 0, 'latin1');
  foreign.write('SQLite format 3', 4096, 'latin1');
  const magicless = Buffer.from(bytes);
  magicless.fill(0, 0, 8);
  magicless.fill(0, 4096, 4104);

  const cases: [string, Buffer, MmcbErrorCode][] = [
    ['a newer format in both superblocks', withVersion([0, 4096], 2), 'MMCB_VERSION'],
    ['a newer format in one superblock', withVersion([0], 2), 'MMCB_VERSION'],
    ['a much newer format', withVersion([0, 4096], 0xffff_ffff), 'MMCB_VERSION'],
    ['another magic', foreign, 'MMCB_NOT_MMCB'],
    ['no magic', magicless, 'MMCB_NOT_MMCB'],
    ['a file of text', Buffer.from('hello, world\n'.repeat(10_000)), 'MMCB_NOT_MMCB'],
    ['one byte', Buffer.from('m'), 'MMCB_NOT_MMCB'],
    ['the magic and no more', bytes.subarray(0, 8), 'MMCB_CORRUPT'],
    ['a file cut off in the head', bytes.subarray(0, 100_000), 'MMCB_CORRUPT'],
    ['a file cut off in a segment', bytes.subarray(0, bytes.length - 20_000), 'MMCB_CORRUPT'],
    ['a format version of 0', withVersion([0, 4096], 0), 'MMCB_CORRUPT'],
  ];
  for (const [what, forged, code] of cases) {
    it(`${what} is refused with ${code}, whatever the options, and left as it is`, async () => {
      const path = copyOf(forged);
      const salvageable = code === 'MMCB_CORRUPT' && what.includes('in a segment');
      const all: BufferOptions[] = [{}, { readOnly: true }, { durability: 'process' }];
      if (!salvageable) all.push({ recovery: 'salvage' });
      for (const options of all) {
        await expectCode(() => CompactableBuffer.open(path, options), code);
        expect(readFileSync(path).equals(forged)).toBe(true);
      }
    });
  }
});
