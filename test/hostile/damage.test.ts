/** What a user learns of damage: which keys, at opening and from verify, and the marker that stays until acknowledged. */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CompactableBuffer, IntMap, RecordMap, StringMap, utf8 } from '../../src/index.js';
import { expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';

const COUNT = 200;
const SECTOR = 512;

/** A file with int keys, string keys and plain entries, closed in order. */
async function sample(): Promise<{ file: string; addresses: number[] }> {
  const file = tempFile();
  const buffer = await CompactableBuffer.open(file, { initialSize: 0, segmentSize: 16_384 });
  const ints = new IntMap<string>(buffer, utf8());
  const strings = new StringMap<string>(buffer, utf8());
  const addresses = [];
  for (let i = 0; i < COUNT; i++) {
    ints.set(i, `int ${i} ${'i'.repeat(60)}`);
    strings.set(`schlüssel ${i}`, `string ${i} ${'s'.repeat(60)}`);
    addresses.push(buffer.add(`plain ${i} ${'p'.repeat(60)}`));
  }
  await buffer.close();
  return { file, addresses };
}

/** Changes one byte of the (only) place where the file holds `text`; says where that is. */
function flip(file: string, text: string): number {
  const bytes = readFileSync(file);
  const at = bytes.indexOf(text);
  expect(at).toBeGreaterThan(0);
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.of((bytes[at + 1] as number) ^ 1), 0, 1, at + 1);
  closeSync(descriptor);
  return at;
}

describe('damage', () => {
  it('is refused, and salvaged with the keys that it concerns', async () => {
    const { file, addresses } = await sample();
    const offsets = [flip(file, 'int 17 '), flip(file, 'string 23 '), flip(file, 'plain 42 ')];
    const before = readFileSync(file);
    const refusal = await expectCode(() => CompactableBuffer.open(file), 'MMCB_CORRUPT');
    expect(refusal.message).toMatch(
      /held 600 entries, of which 597 were found whole, damaged at offset \d+, \d+, \d+;/,
    );
    expect(readFileSync(file).equals(before)).toBe(true);

    const buffer = await CompactableBuffer.open(file, { recovery: 'salvage' });
    const { recovery } = buffer;
    expect(recovery).toMatchObject({ status: 'salvaged', entries: 597, lost: 3, quarantined: 3 });
    expect(recovery.damage.map(({ kind }) => kind)).toEqual(['entry data', 'entry data', 'entry data']);
    expect(recovery.damage.map(({ key }) => key)).toEqual([17, 'schlüssel 23', undefined]);
    expect(recovery.damage[2]?.address).toBe(addresses[42]);
    for (const [i, { offset, length }] of recovery.damage.entries()) {
      expect(offsets[i]).toBeGreaterThan(offset);
      expect(offsets[i]).toBeLessThan(offset + (length as number));
    }
    const ints = new IntMap<string>(buffer, utf8());
    const strings = new StringMap<string>(buffer, utf8());
    expect(ints.recovery.damagedKeys).toEqual([17]);
    expect(strings.recovery.damagedKeys).toEqual(['schlüssel 23']);
    expect(new RecordMap<{ id: number }>(buffer, 'id').recovery.damagedKeys).toEqual([17, 'schlüssel 23']);
    expect(ints.get(17)).toBeUndefined();
    // A damaged entry hides none of its neighbours.
    expect([ints.size, strings.size]).toEqual([COUNT - 1, COUNT - 1]);
    for (let i = 0; i < COUNT; i++) {
      if (i !== 17) expect(ints.get(i)).toMatch(new RegExp(`^int ${i} i+$`));
      if (i !== 23) expect(strings.get(`schlüssel ${i}`)).toMatch(new RegExp(`^string ${i} s+$`));
      if (i !== 42) expect(buffer.read(addresses[i] as number).toString()).toMatch(new RegExp(`^plain ${i} p+$`));
    }
    expect(await buffer.verify()).toMatchObject({ ok: true, entries: 597, errorCount: 0 });
    await buffer.close();
  });

  it('is remembered until it is acknowledged', async () => {
    const { file } = await sample();
    flip(file, 'int 17 ');
    const started = Date.now();
    const salvaged = await CompactableBuffer.open(file, { recovery: 'salvage' });
    const marker = salvaged.recovery.marker;
    expect(marker).toMatchObject({ places: 1, lost: 1 });
    expect(marker?.first).toBeGreaterThanOrEqual(started);
    expect(marker?.last).toBe(marker?.first);
    expect(salvaged.stats().damaged).toBe(true);
    await salvaged.compact();
    await salvaged.close();

    // Nothing is wrong any more; that something was, every opening says, and so do verify and a reader.
    for (const options of [{}, { readOnly: true }, { recovery: 'salvage' as const }]) {
      const buffer = await CompactableBuffer.open(file, options);
      expect(buffer.recovery).toMatchObject({ status: 'clean', lost: 0, quarantined: 0, damage: [], marker });
      expect(buffer.stats().damaged).toBe(true);
      expect(await buffer.verify()).toMatchObject({ ok: true, marker });
      if (options.readOnly) await expectCode(() => buffer.verify({ acknowledge: true }), 'MMCB_READ_ONLY');
      await buffer.close();
    }
    const copy = tempFile();
    const buffer = await CompactableBuffer.open(file);
    await buffer.backup(copy);
    expect(await buffer.verify({ acknowledge: true })).toMatchObject({ ok: true, marker: null });
    expect(buffer.stats().damaged).toBe(false);
    await buffer.close();
    for (const path of [file, copy]) {
      const later = await CompactableBuffer.open(path);
      expect(later.recovery.marker).toBeNull();
      expect(later.stats().damaged).toBe(false);
      await later.close();
    }
  });

  it('that is met by a read, or by verify, is remembered and cannot be acknowledged away', async () => {
    const { file, addresses } = await sample();
    const map = await IntMap.open<string>(file, { codec: utf8() });
    const { buffer } = map;
    expect(map.stats().damaged).toBe(false);
    // Behind the back of the open store: page cache and mapping are one.
    flip(file, 'int 17 ');
    flip(file, 'plain 42 ');
    await expectCode(() => map.get(17), 'MMCB_CORRUPT');
    expect(map.stats().damaged).toBe(true);
    await expectCode(() => buffer.read(addresses[42] as number), 'MMCB_CORRUPT');
    // Whether key and address are right is not known: by either of them nothing is removed that might be another's.
    await expectCode(() => map.delete(17), 'MMCB_CORRUPT');
    await expectCode(() => map.address(17), 'MMCB_CORRUPT');
    const report = await map.verify({ acknowledge: true });
    expect(report).toMatchObject({ ok: false, marker: { places: 0, lost: 0 } });
    const named = report.errors.filter(({ message }) => message === 'the checksum of a live entry does not hold');
    expect(named.map(({ key }) => key)).toEqual([17, undefined]);
    expect(named[1]?.address).toBe(addresses[42]);
    const damagedAddress = named[0]?.address as number;
    await expectCode(() => buffer.remove(damagedAddress), 'MMCB_CORRUPT');
    await expectCode(() => buffer.batch([{ type: 'remove', address: damagedAddress }]), 'MMCB_CORRUPT');
    await expectCode(() => map.set(17, 'new'), 'MMCB_CORRUPT');
    await map.close();

    await expectCode(() => IntMap.open(file), 'MMCB_CORRUPT');
    const salvaged = await IntMap.open<string>(file, { codec: utf8(), recovery: 'salvage' });
    expect(salvaged.recovery).toMatchObject({ entries: 598, lost: 2, damagedKeys: [17] });
    expect(salvaged.recovery.marker?.first).toBe(report.marker?.first);
    salvaged.set(17, 'new');
    expect(await salvaged.verify({ acknowledge: true })).toMatchObject({ ok: true, marker: null });
    await salvaged.close();
    const again = await IntMap.open<string>(file, { codec: utf8() });
    expect(again.recovery).toMatchObject({ status: 'clean', entries: 599, marker: null });
    expect(again.get(17)).toBe('new');
    await again.close();
  });

  it('to marks and segment headers is repaired where the digest proves what was there', async () => {
    const { file } = await sample();
    const bytes = readFileSync(file);
    // All marks of the first sectors of the table of segment 1, and the header of segment 2: nothing was ever removed here.
    const head = bytes.indexOf('Segm');
    bytes.fill(0, head + 2 * 16_384 - SECTOR, head + 2 * 16_384 - 16);
    bytes.fill(0, head + 2 * 16_384, head + 2 * 16_384 + 64);
    writeFileSync(file, bytes);
    const buffer = await CompactableBuffer.open(file);
    expect(buffer.recovery).toMatchObject({ status: 'clean', entries: 600, lost: 0 });
    expect(buffer.recovery.quarantined).toBeGreaterThan(60);
    const kinds = new Set(buffer.recovery.damage.map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(['entry mark', 'segment header']);
    expect(buffer.recovery.marker?.lost).toBe(0);
    expect((await buffer.verify()).ok).toBe(true);
    await buffer.close();
    const again = await CompactableBuffer.open(file);
    expect(again.recovery).toMatchObject({ status: 'clean', entries: 600, quarantined: 0 });
    await again.close();
  });

  it('lists at most 1000 places, and counts all', async () => {
    const file = tempFile();
    const map = await IntMap.open<string>(file, { codec: utf8(), initialSize: 0, segmentSize: 16_384 });
    for (let i = 0; i < 1500; i++) map.set(i, `value ${i}`);
    await map.close();
    const bytes = readFileSync(file);
    for (let i = 0; i < 1500; i++) {
      const at = bytes.indexOf(`value ${i}`);
      if (i % 5 !== 0) bytes[at] = 0;
    }
    writeFileSync(file, bytes);
    const buffer = await IntMap.open<string>(file, { codec: utf8(), recovery: 'salvage' });
    expect(buffer.recovery).toMatchObject({ entries: 300, lost: 1200, quarantined: 1200 });
    expect(buffer.recovery.damage).toHaveLength(1000);
    expect(buffer.recovery.damagedKeys).toHaveLength(1000);
    expect(buffer.recovery.marker).toMatchObject({ places: 1200, lost: 1200 });
    await buffer.close();
  });
});

describe('opening', () => {
  it('tells how far it has come, and can be aborted meanwhile', async () => {
    const file = tempFile();
    const map = await IntMap.open<string>(file, { codec: utf8(), initialSize: 0, segmentSize: 16_384 });
    for (let i = 0; i < 20_000; i++) map.set(i, `value ${i}`);
    await map.close();
    const before = readFileSync(file);
    await expect(IntMap.open(file, { signal: AbortSignal.abort('never') })).rejects.toBe('never');
    expect(readFileSync(file).equals(before)).toBe(true);
    const seen: { phase: string; done: number; total: number }[] = [];
    const controller = new AbortController();
    const reason = new Error('enough');
    await expect(
      IntMap.open(file, {
        codec: utf8(),
        signal: controller.signal,
        onProgress: (progress) => {
          seen.push(progress);
          controller.abort(reason);
        },
      }),
    ).rejects.toBe(reason);
    // Opening may have been over before the abort arrived: then it has been closed again. (That an abort in time leaves
    // the file as it was, the native tests show call by call.)
    expect(seen[0]?.phase).toBe('scan');

    seen.length = 0;
    const again = await IntMap.open(file, { codec: utf8(), onProgress: (progress) => seen.push(progress) });
    expect(again.size).toBe(20_000);
    await again.close();
    let last = { phase: '', done: 0, total: 0 };
    for (const progress of seen) {
      if (progress.phase === last.phase) expect(progress.done).toBeGreaterThanOrEqual(last.done);
      expect(progress.done).toBeLessThanOrEqual(progress.total);
      last = progress;
    }
    expect(last.phase).toBe('apply');
    expect(last.done).toBe(last.total);
  });
});
