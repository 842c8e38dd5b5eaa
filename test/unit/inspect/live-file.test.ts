/** Following a file while it is written to, replaced, and taken away. */
import { renameSync, rmSync, statSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { CompactableBuffer } from '../../../src/index.js';
import { LiveFile } from '../../../src/inspect/live-file.js';
import { tempFile } from '../../support/temp.js';

/** Time enough for all segments. */
const ALL = 60_000;

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

async function writer(file: string): Promise<CompactableBuffer> {
  const buffer = await CompactableBuffer.open(file, { compaction: { policy: 'disabled' }, segmentSize: 65_536 });
  opened.push(buffer);
  return buffer;
}

function follow(file: string): LiveFile {
  let now = 0;
  const live = new LiveFile(file, () => (now += 1000));
  opened.push(live);
  return live;
}

describe('LiveFile', () => {
  it('sees what a writer does, segment by segment, and tells only what has changed', async () => {
    const file = tempFile();
    const buffer = await writer(file);
    const live = follow(file);
    await live.look(ALL);
    const first = live.picture();
    expect(first).toMatchObject({ problem: '', totals: { liveEntries: 0 } });
    expect(first.segments).toHaveLength(first.head?.segmentCount ?? -1);

    const addresses = Array.from({ length: 100 }, () => buffer.add(Buffer.alloc(10_000)));
    await live.look(ALL);
    const second = live.picture(first.version);
    expect(second.totals.liveEntries).toBe(100);
    expect(second.segments.length).toBeGreaterThan(0);
    expect(second.segments.length).toBeLessThan(first.segments.length);

    for (const address of addresses.slice(50)) buffer.remove(address);
    await live.look(ALL);
    expect(live.picture().totals).toMatchObject({ liveEntries: 50, lostEntries: 0 });
    await live.look(ALL);
    expect(live.picture(live.picture().version - 1).segments).toEqual([]);
  });

  it('notes sync points, growth, and segments that are given back', async () => {
    const file = tempFile();
    const buffer = await writer(file);
    const live = follow(file);
    await live.look(ALL);
    const addresses = Array.from({ length: 300 }, () => buffer.add(Buffer.alloc(20_000)));
    await buffer.flush();
    await live.look(ALL);
    const grown = live.picture().samples.at(-1);
    expect(grown).toMatchObject({ syncs: 1, reclaimed: 0, fileSize: statSync(file).size });
    expect(grown?.liveBytes).toBeGreaterThan(300 * 20_000);
    for (const address of addresses) buffer.remove(address);
    await buffer.compact();
    await live.look(ALL);
    const shrunk = live.picture().samples.at(-1);
    expect(shrunk?.reclaimed).toBeGreaterThan(50);
    expect(shrunk?.fileSize).toBeLessThan(grown?.fileSize ?? 0);
    expect(live.picture().samples.map(({ time }) => time)).toEqual([1000, 2000, 3000]);
  });

  it('reads a large file bit by bit, what it has not seen first', async () => {
    const file = tempFile();
    const buffer = await writer(file);
    for (let i = 0; i < 200; i++) buffer.add(Buffer.alloc(20_000));
    const live = follow(file);
    await live.look(0);
    const { head, scanned, samples } = live.picture();
    expect(scanned).toBe(1);
    expect(samples).toEqual([]);
    for (let i = 1; i < (head?.segmentCount ?? 0); i++) await live.look(0);
    expect(live.picture()).toMatchObject({ scanned: head?.segmentCount, totals: { liveEntries: 200 } });
  });

  it('reads what was a run as segments of their own, once it is one no more', async () => {
    const file = tempFile();
    const buffer = await writer(file);
    const wide = buffer.add(Buffer.alloc(300_000));
    await buffer.flush();
    const live = follow(file);
    await live.look(ALL);
    expect(live.picture().segments.filter(({ state }) => state === 'tail').length).toBeGreaterThanOrEqual(4);
    buffer.remove(wide);
    await buffer.flush();
    for (let i = 0; i < 100; i++) buffer.add(Buffer.alloc(10_000));
    await live.look(ALL);
    await live.look(ALL);
    const { segments, totals } = live.picture();
    expect(segments.filter(({ state }) => state === 'tail')).toEqual([]);
    expect(totals.liveEntries).toBe(100);
  });

  it('follows the path when another file takes its place, and says so while there is none', async () => {
    const file = tempFile();
    (await writer(file)).add('one');
    const live = follow(file);
    await live.look(ALL);
    const before = live.picture();
    const other = tempFile();
    const buffer = await writer(other);
    for (let i = 0; i < 3; i++) buffer.add('three');
    renameSync(other, file);
    await live.look(ALL);
    const after = live.picture(before.version);
    expect(after.head?.fileId).not.toBe(before.head?.fileId);
    expect(after.totals.liveEntries).toBe(3);
    expect(after.segments).toHaveLength(after.head?.segmentCount ?? -1);
    rmSync(file);
    await live.look(ALL);
    expect(live.picture().problem).toMatch(/ENOENT/);
  });

  it('gives the entries of a segment and the bytes of the file, and nothing beyond', async () => {
    const file = tempFile();
    const buffer = await writer(file);
    for (let i = 0; i < 10; i++) buffer.add(`entry ${i}`);
    const live = follow(file);
    expect(await live.entries(0, 0, 10)).toBeUndefined();
    await live.look(ALL);
    const index = live.picture().segments.find(({ liveEntries }) => liveEntries > 0)?.index ?? -1;
    const detail = await live.entries(index, 2, 3);
    expect(detail).toMatchObject({ total: 10, from: 2 });
    expect(detail?.entries.map(({ ordinal }) => ordinal)).toEqual([2, 3, 4]);
    const { offset, size } = detail?.entries[0] ?? { offset: 0, size: 0 };
    expect((await live.bytes(offset, size)).toString('latin1')).toContain('entry 2');
    expect(await live.bytes(statSync(file).size - 4, 100)).toHaveLength(4);
    expect(await live.bytes(2 ** 50, 100)).toHaveLength(0);
    expect(await live.entries(100_000, 0, 10)).toBeUndefined();
  });
});
