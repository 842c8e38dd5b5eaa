/** Space comes back: by policy, by compact(), while reads and writes go on. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type BufferOptions, CompactableBuffer, type CompactionReport, type Progress } from '../../src/index.js';
import { Random } from '../support/random.js';
import { tempFile } from '../support/temp.js';

const MIB = 2 ** 20;
const small: BufferOptions = { segmentSize: 65_536, initialSize: 65_536, syncInterval: 20 };
const manual: BufferOptions = { ...small, compaction: { policy: 'disabled' } };

/** Entries of a known content, and the even ones removed. */
function filled(buffer: CompactableBuffer, entries = 8000, size = 1000): number[] {
  return Array.from({ length: entries }, (_, i) => buffer.add(content(i, size)));
}

function content(i: number, size = 1000): Buffer {
  return Buffer.alloc(size, `${i};`);
}

function removeEven(buffer: CompactableBuffer, addresses: number[]): number[] {
  return addresses.filter((address, i) => {
    if (i % 2 === 0) buffer.remove(address);
    return i % 2 === 1;
  });
}

async function until(condition: () => boolean, milliseconds = 10_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!condition() && Date.now() < deadline) await delay(5);
}

/** Bytes that a file takes on the disk: holes take none. */
function onDisk(file: string): number {
  return statSync(file).blocks * 512;
}

function checkOdd(buffer: CompactableBuffer, kept: number[]): void {
  for (const [i, address] of kept.entries()) {
    if (!buffer.read(address).equals(content(2 * i + 1))) throw new Error(`entry ${2 * i + 1} has changed`);
  }
}

describe('compaction by policy', () => {
  it.each(['interval', 'process'] as const)(
    "'space' gives space back after deletes with no later writes, durability '%s'",
    async (durability) => {
      const file = tempFile();
      const compaction = { policy: 'space', checkInterval: 20 } as const;
      const buffer = await CompactableBuffer.open(file, { ...small, durability, compaction });
      const reports: CompactionReport[] = [];
      buffer.on('compaction', (report) => reports.push(report));
      const addresses = filled(buffer);
      await buffer.flush();
      const { fileSize: full } = buffer.stats();
      // Seven of eight: scattered, so that hardly any segment is empty without being compacted.
      const kept = addresses.filter((address, i) => {
        if (i % 8 !== 0) buffer.remove(address);
        return i % 8 === 0;
      });
      await until(() => statSync(file).size < full / 3);
      const { fileSize, count, compactions } = buffer.stats();
      expect(statSync(file).size).toBe(fileSize);
      expect(fileSize).toBeLessThan(full / 3);
      expect(count).toBe(kept.length);
      expect(compactions).toBeGreaterThan(0);
      await until(() => reports.length > 0);
      expect(reports[0]).toEqual({
        movedEntries: expect.any(Number),
        movedBytes: expect.any(Number),
        freedSegments: expect.any(Number),
        sizeBefore: expect.any(Number),
        sizeAfter: expect.any(Number),
        ms: expect.any(Number),
      });
      expect(reports.reduce((sum, { freedSegments }) => sum + freedSegments, 0)).toBeGreaterThan(0);
      for (const [i, address] of kept.entries()) expect(buffer.read(address).equals(content(8 * i))).toBe(true);
      expect((await buffer.verify()).errors).toEqual([]);
      await buffer.close();
    },
  );

  it("'space' leaves alone what is not worth it", async () => {
    const compaction = { policy: 'space', checkInterval: 5 } as const;
    const buffer = await CompactableBuffer.open(tempFile(), { ...small, compaction });
    const addresses = filled(buffer, 2000);
    for (const address of addresses.slice(0, 100)) buffer.remove(address); // 5 %: below deletionThreshold
    await delay(200);
    expect(buffer.stats().compactions).toBe(0);
    await buffer.close();
  });

  it("'time' compacts at every interval", async () => {
    const file = tempFile();
    const compaction = { policy: 'time', interval: 30 } as const;
    const buffer = await CompactableBuffer.open(file, { ...small, compaction });
    // Large enough for whole units of 2 MiB to become free.
    const kept = removeEven(buffer, filled(buffer, 20_000));
    const { fileSize } = buffer.stats();
    // Free space in the middle is given back as holes: the file takes less of the disk, whatever its size says.
    await until(() => onDisk(file) < fileSize * 0.7);
    expect(onDisk(file)).toBeLessThan(fileSize * 0.7);
    const { compactions } = buffer.stats();
    await until(() => buffer.stats().compactions > compactions + 1);
    expect(buffer.stats().compactions).toBeGreaterThan(compactions + 1);
    checkOdd(buffer, kept);
    await buffer.close();
  });

  it("'disabled' never does, and reuses space all the same when it is asked to compact", async () => {
    const buffer = await CompactableBuffer.open(tempFile(), manual);
    const kept = removeEven(buffer, filled(buffer, 4000));
    const { fileSize } = buffer.stats();
    await delay(300);
    expect(buffer.stats().compactions).toBe(0);
    expect(buffer.stats().fileSize).toBe(fileSize);
    await buffer.compact();
    expect(buffer.stats().fileSize).toBeLessThan(fileSize * 0.7);
    checkOdd(buffer, kept);
    await buffer.close();
  });

  it('shrinks the file to next to nothing when everything is removed', async () => {
    const file = tempFile();
    const compaction = { policy: 'space', checkInterval: 20 } as const;
    const buffer = await CompactableBuffer.open(file, { ...small, compaction });
    const addresses = filled(buffer);
    await buffer.flush();
    expect(statSync(file).size).toBeGreaterThan(8 * MIB);
    for (const address of addresses) buffer.remove(address);
    await until(() => statSync(file).size < MIB / 2);
    expect(statSync(file).size).toBeLessThan(MIB / 2);
    expect(buffer.stats().count).toBe(0);
    buffer.add('and on');
    expect((await buffer.verify()).errors).toEqual([]);
    await buffer.close();
  });
});

describe('compact()', () => {
  it('gives space back, tells how it gets on, and says what it did', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file, manual);
    const kept = removeEven(buffer, filled(buffer));
    await buffer.flush();
    const sizeBefore = statSync(file).size;
    const progress: Progress[] = [];
    const events: CompactionReport[] = [];
    buffer.on('compaction', (event) => events.push(event));
    const report = await buffer.compact({ onProgress: (step) => progress.push(step) });
    expect(report).toMatchObject({ sizeBefore, sizeAfter: statSync(file).size });
    expect(report.sizeAfter).toBeLessThan(sizeBefore * 0.62);
    expect(report.movedEntries).toBeGreaterThan(0);
    expect(report.movedBytes).toBeGreaterThanOrEqual(report.movedEntries * 1000);
    expect(report.freedSegments).toBeGreaterThan(0);
    expect(report.ms).toBeGreaterThan(0);
    await until(() => events.length > 0);
    expect(events).toEqual([report]);

    expect(progress.length).toBeGreaterThan(1);
    for (const [i, { phase, done, total }] of progress.entries()) {
      expect(phase.length).toBeGreaterThan(0);
      if (total > 0) expect(done).toBeLessThanOrEqual(total);
      const previous = progress[i - 1];
      if (previous?.phase === phase) expect(done).toBeGreaterThanOrEqual(previous.done);
    }
    const { garbageBytes, removedCount } = buffer.stats();
    expect({ garbageBytes, removedCount }).toEqual({
      garbageBytes: expect.any(Number),
      removedCount: expect.any(Number),
    });
    expect(garbageBytes).toBeLessThan(sizeBefore * 0.05);
    checkOdd(buffer, kept);
    expect((await buffer.verify()).errors).toEqual([]);
    await buffer.close();
    const again = await CompactableBuffer.open(file, manual);
    expect(again.recovery.status).toBe('clean');
    checkOdd(again, kept);
    await again.close();
  });

  it('stops when its signal says so, and loses nothing', async () => {
    const buffer = await CompactableBuffer.open(tempFile(), manual);
    const kept = removeEven(buffer, filled(buffer, 20_000));
    const reason = new Error('enough');
    for (let round = 0; round < 5; round++) {
      const controller = new AbortController();
      let steps = 0;
      const onProgress = (): void => {
        steps += 1;
        if (steps === 1) controller.abort(reason);
      };
      await expect(buffer.compact({ signal: controller.signal, onProgress })).rejects.toBe(reason);
      expect((await buffer.verify()).errors).toEqual([]);
    }
    await expect(buffer.compact({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const { fileSize } = buffer.stats();
    await buffer.compact();
    expect(buffer.stats().fileSize).toBeLessThan(fileSize);
    checkOdd(buffer, kept);
    await buffer.close();
  });

  it.each(['interval', 'process'] as const)(
    "lets reads and writes go on meanwhile, durability '%s'",
    async (durability) => {
      const file = tempFile();
      const buffer = await CompactableBuffer.open(file, { ...manual, durability });
      const random = new Random(7);
      const addresses = filled(buffer, 20_000);
      const model = new Map(
        addresses.map((address, i) => [address, createHash('md5').update(content(i)).digest('hex')]),
      );
      for (const [i, address] of addresses.entries()) {
        if (i % 3 === 0) continue;
        buffer.remove(address);
        model.delete(address);
      }
      const kept = [...model.keys()];
      let during = 0;
      for (let round = 0; round < 4; round++) {
        let running = true;
        const work = buffer.compact().finally(() => {
          running = false;
        });
        while (running) {
          for (let i = 0; i < 50; i++) {
            const address = random.pick(kept);
            const data = random.bytes(random.int(0, 2500));
            const action = random.next();
            if (action < 0.5) {
              const hash = createHash('md5').update(buffer.read(address)).digest('hex');
              if (hash !== model.get(address)) throw new Error(`entry ${address} changed under compaction`);
            } else if (action < 0.8) {
              buffer.update(address, data);
              model.set(address, createHash('md5').update(data).digest('hex'));
            } else {
              const fresh = buffer.add(data);
              model.set(fresh, createHash('md5').update(data).digest('hex'));
              kept.push(fresh);
            }
            during += 1;
          }
          await delay(0);
        }
        await work;
      }
      expect(during).toBeGreaterThan(0);
      for (const [address, hash] of model) {
        expect(createHash('md5').update(buffer.read(address)).digest('hex')).toBe(hash);
      }
      expect(buffer.stats().count).toBe(model.size);
      expect((await buffer.verify()).errors).toEqual([]);
      await buffer.close();
    },
    60_000,
  );

  it('shares or refuses nothing: two at once both end, and the file is right', async () => {
    const buffer = await CompactableBuffer.open(tempFile(), manual);
    const kept = removeEven(buffer, filled(buffer, 10_000));
    const { fileSize } = buffer.stats();
    await Promise.all([buffer.compact(), buffer.compact(), buffer.flush(), buffer.compact()]);
    expect(buffer.stats().fileSize).toBeLessThan(fileSize * 0.7);
    checkOdd(buffer, kept);
    await buffer.close();
  });
});
