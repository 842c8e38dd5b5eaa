/**
 * What a store has, it can use, however full the disk is: free segments in the middle of the file that still have their
 * blocks, also behind others whose blocks were given back and are somebody else's now, and after opening again. And what it
 * does not get leaves no trace.
 */
import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Disk } from './support/disk.js';
import { CheckedStore, type ProcessError } from './support/store-process.js';
import { describeDisk } from './support/with-disks.js';

const KiB = 1024;
const segmentSize = 64 * KiB;
/** An entry takes more than half a segment: each has one of its own. */
const size = 40 * KiB;

const codes = (error: ProcessError | undefined) => ({ code: error?.code, cause: error?.cause?.code });
const noSpace = { code: 'MMCB_NO_SPACE', cause: 'ENOSPC' };

/** Holes are units of 2 MiB, aligned in the file. In segments. */
const holeUnit = (2048 * KiB) / segmentSize;

const blocks = (file: string): number => statSync(file).blocks * 512;

/** A store with `count` segments of one entry each; the addresses are in the order of the segments. */
async function segments(disk: Disk, count: number): Promise<{ store: CheckedStore; addresses: number[] }> {
  const store = new CheckedStore(disk.file(), {
    segmentSize,
    initialSize: 0,
    extensionFactor: 1,
    syncInterval: 2 ** 31 - 1,
    compaction: { policy: 'disabled' },
  });
  await store.open();
  await store.must(store.add(count, size));
  return { store, addresses: store.addresses() };
}

const removals = (addresses: number[]) => addresses.map((address) => ({ type: 'remove' as const, address }));

/** Lets the background give back what it will, by sync points; ends when the file has shrunk to `most` bytes of blocks. */
async function given(store: CheckedStore, most: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (blocks(store.file) > most) {
    if (Date.now() > deadline) throw new Error(`the file still takes ${blocks(store.file)} bytes, not ${most}`);
    await delay(20);
    // Something to sync: the space is given back after sync points.
    const [address] = store.addresses() as [number];
    await store.must([{ type: 'update', address, value: store.value(size) }]);
    await store.flush();
  }
}

for (const kind of ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const) {
  describeDisk(`the space of a store on a full disk, ${kind}`, kind, (disk) => {
    const count = kind === 'btrfs' ? 24 : 60;
    const third = count / 3;

    it('takes free segments that have blocks when the ones before them have lost theirs', async () => {
      const count = 6 * holeUnit;
      const third = count / 3;
      const { store, addresses } = await segments(disk, count);
      await store.flush();
      // A hole somewhere in the third in the middle; a reserve before it keeps its blocks.
      const full = blocks(store.file);
      await store.must(removals(addresses.slice(third, 2 * third)));
      await store.flush();
      await given(store, full - holeUnit * segmentSize);
      disk.fill();
      const reserve = await store.exhaust(() => ({ type: 'add', value: store.value(size) }), count);
      expect(codes(reserve.error)).toEqual(noSpace);
      expect(reserve.done).toBeGreaterThan(0);
      // Three segments behind the hole become free. They have their blocks.
      await store.must(removals(addresses.slice(2 * third + 2, 2 * third + 5)));
      await store.flush();
      const more = await store.exhaust(() => ({ type: 'add', value: store.value(size) }), count);
      expect(codes(more.error)).toEqual(noSpace);
      expect(more.done).toBe(3);
      await store.verify();
      // When there is space again, the holes are filled before the file grows.
      await disk.free();
      const before = statSync(store.file).size;
      await store.must(store.add(third - 8 - reserve.done, size));
      expect(statSync(store.file).size).toBe(before);
      await store.verify();
      await store.close();
      expect(await store.open()).toMatchObject({ status: 'clean' });
      await store.verify();
      await store.close();
    });

    it.each([true, false])(
      'uses the free segments that it has after opening again (closed in order: %s)',
      async (closed) => {
        const { store, addresses } = await segments(disk, count);
        await store.flush();
        await store.must(removals(addresses.slice(third, third + 4)));
        await store.flush();
        if (closed) await store.close();
        else await store.process.kill();
        disk.fill();
        await store.open();
        const { error, done } = await store.exhaust(() => ({ type: 'add', value: store.value(size) }), count);
        expect(codes(error)).toEqual(noSpace);
        // Two of the four are left, to updates and to compaction.
        expect(done).toBeGreaterThanOrEqual(2);
        await store.verify();
        await store.close();
      },
    );

    it('goes on with updates of the same size', async () => {
      const store = new CheckedStore(disk.file(), { segmentSize, initialSize: 0, extensionFactor: 1 });
      await store.open();
      await store.must(store.add(count * 20, 2000));
      disk.fill();
      const { error } = await store.exhaust(() => ({ type: 'add', value: store.value(2000) }), 10_000);
      expect(codes(error)).toEqual(noSpace);
      const addresses = store.addresses();
      for (let round = 0; round < 3; round++) {
        await store.flush();
        // Far apart, so that no segment becomes free by itself.
        for (let i = 0; i < addresses.length; i++) {
          const address = addresses[(i * 37) % addresses.length] as number;
          await store.must([{ type: 'update', address, value: store.value(2000) }]);
        }
      }
      await store.verify();
      await store.close();
    });

    it('compacts, and has room again', async () => {
      const store = new CheckedStore(disk.file(), { segmentSize, initialSize: 0, compaction: { policy: 'disabled' } });
      await store.open();
      await store.must(store.add(count * 5, 9000));
      disk.fill();
      const { error } = await store.exhaust(() => ({ type: 'add', value: store.value(9000) }), 10_000);
      expect(codes(error)).toEqual(noSpace);
      // Every second one, so that no segment becomes free by itself.
      await store.must(removals(store.addresses().filter((_, i) => i % 2 === 0)));
      const { freedSegments } = await store.compact();
      expect(freedSegments).toBeGreaterThan(count / 2);
      await store.must(store.add(count, 9000));
      await store.verify();
      await store.close();
    });

    it('leaves no trace of growth that failed, and says nothing of growth that nobody needed', async () => {
      const { store } = await segments(disk, count);
      disk.fill({ leave: segmentSize / 2 });
      // Each segment taken asks the background to grow the file ahead, which fails from the beginning.
      const { error } = await store.exhaust(() => ({ type: 'add', value: store.value(size) }), count);
      expect(codes(error)).toEqual(noSpace);
      for (let i = 0; i < 20; i++) expect(codes(await store.perform(store.add(1, size)))).toEqual(noSpace);
      // A failed fallocate leaves the file grown on ext4, until it is cut back: once more, perhaps, in the background.
      const { fileSize } = await store.stats();
      await expect.poll(() => statSync(store.file).size, { timeout: 5000 }).toBe(fileSize);
      expect(blocks(store.file)).toBeLessThanOrEqual(fileSize + 4 * KiB);
      expect(blocks(store.file)).toBeGreaterThan(fileSize - segmentSize);
      expect(await store.errors()).toEqual([]);
      await store.verify();
      await store.close();
    });
  });
}
