/**
 * A disk that somebody else fills, on real file systems: what was stored stays readable, byte for byte; what needs no space
 * goes on; what needs some fails with MMCB_NO_SPACE and has changed nothing; and all goes on when there is space again.
 */
import { existsSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { BufferOptions } from '../../src/index.js';
import type { Disk } from './support/disk.js';
import { CallFailed, CheckedStore, type Operation, type ProcessError } from './support/store-process.js';
import { describeDisk } from './support/with-disks.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** No sync point but those that a test asks for, so that it decides which updates are done in place. */
const byHand: BufferOptions = { syncInterval: 2 ** 31 - 1, compaction: { policy: 'disabled' } };

interface Setting {
  name: string;
  size: number;
  /** Values at the beginning: several MiB, but for the small ones. */
  count: number;
  options: BufferOptions;
}

const settings: Setting[] = [
  { name: 'values of 10 bytes', size: 10, count: 8000, options: { segmentSize: 64 * KiB, durability: 'interval' } },
  { name: 'values of 1 KiB', size: KiB, count: 4000, options: { segmentSize: 64 * KiB, durability: 'process' } },
  { name: 'values of 1 KiB, large segments', size: KiB, count: 4000, options: { durability: 'interval' } },
  {
    name: 'values of 1 MiB in runs of segments',
    size: MiB,
    count: 8,
    options: { segmentSize: 256 * KiB, durability: 'interval' },
  },
  { name: 'values of 1 MiB, large segments', size: MiB, count: 8, options: { durability: 'process' } },
];

/**
 * btrfs looks everywhere for space (and commits) at each first store into a page while it is full: some 10 ms, whether the
 * page has space of its own or not. So there is less to do there,
 * and no values of 10 bytes, because it is the number of calls that counts.
 */
const slowSettings: Setting[] = [
  { name: 'values of 1 KiB', size: KiB, count: 60, options: { segmentSize: 16 * KiB, durability: 'process' } },
  {
    name: 'values of 64 KiB in runs of segments',
    size: 64 * KiB,
    count: 8,
    options: { segmentSize: 16 * KiB, durability: 'interval' },
  },
];

/** The code of an error, and of the system error behind it. */
const codes = (error: ProcessError | undefined) => ({ code: error?.code, cause: error?.cause?.code });
const noSpace = { code: 'MMCB_NO_SPACE', cause: 'ENOSPC' };

/** A call that may fail for want of space, and in no other way. Says whether it did. */
async function mayLackSpace(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return false;
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error;
    expect(codes(error.error)).toEqual(noSpace);
    return true;
  }
}

const every = <T>(list: readonly T[], nth: number): T[] => list.filter((_, i) => i % nth === 0);

/** A store with garbage, slack, and entries of the open epoch, on a disk that is then filled to the last block. */
async function filled(disk: Disk, { size, count, options }: Setting, name?: string): Promise<CheckedStore> {
  const store = new CheckedStore(disk.file(name), { ...byHand, ...options });
  await store.open();
  await store.must(store.add(count, size));
  await store.flush();
  await store.must(every(store.addresses(), 5).map((address) => ({ type: 'remove', address })));
  await store.must(store.add(Math.ceil(count / 5), size));
  disk.fill();
  return store;
}

/** Adds until there is no space; the error is the right one. Returns how many were added. */
async function exhaust(store: CheckedStore, size: number): Promise<number> {
  const { error, done } = await store.exhaust(() => ({ type: 'add', value: store.value(size) }), 5_000_000);
  expect(codes(error)).toEqual(noSpace);
  expect(error.message).toContain(store.file);
  return done;
}

for (const kind of ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const) {
  describeDisk(`a full disk, ${kind}`, kind, (disk) => {
    it('does not create what it has no space for, and does when there is some', async () => {
      disk.fill();
      const store = new CheckedStore(disk.file(), byHand);
      expect(await mayLackSpace(() => store.open())).toBe(true);
      await store.process.end();
      expect(existsSync(store.file) ? statSync(store.file).size : 0).toBe(0);
      await disk.free();
      expect(await store.open()).toMatchObject({ status: 'created' });
      await store.must(store.add(10, 1000));
      await store.verify();
      await store.close();
    });

    describe.each(kind === 'btrfs' ? slowSettings : settings)('$name', (setting) => {
      const { size } = setting;

      it('fails cleanly beyond what it has, and goes on within it', async () => {
        const store = await filled(disk, setting);
        const recent = store.addresses().slice(-Math.ceil(setting.count / 5));
        const before = await store.stats();
        // In place, as far as the journal allows: needs nothing.
        if (size < 64 * KiB) {
          await store.must(recent.map((address) => ({ type: 'update', address, value: store.value(size) })));
          expect((await store.stats()).updatesInPlace - before.updatesInPlace).toBe(recent.length);
        }
        await exhaust(store, size);
        await store.check();
        // Elsewhere: larger than the capacity.
        const addresses = store.addresses();
        let turn = 0;
        const larger = await store.exhaust(() => {
          const address = addresses[turn % addresses.length] as number;
          const round = 1 + Math.floor(turn++ / addresses.length);
          return { type: 'update', address, value: store.value(round * (2 * size + 64)) };
        }, 5_000_000);
        expect(codes(larger.error)).toEqual(noSpace);
        await store.check();

        // All or nothing: the batch begins with what could be done.
        const [first, second] = addresses as [number, number];
        const changes: Operation = {
          type: 'batch',
          operations: [
            { type: 'remove', address: first },
            { type: 'update', address: second, value: store.value(size) },
            ...Array.from({ length: 8 }, () => ({ type: 'add' as const, value: store.value(MiB) })),
          ],
        };
        expect(codes(await store.perform([changes]))).toEqual(noSpace);
        await store.check();
        await store.must([
          { type: 'batch', operations: every(addresses, 97).map((a) => ({ type: 'remove', address: a })) },
        ]);

        await store.flush();
        await mayLackSpace(() => store.compact());
        await store.verify();
        // Nor does a backup leave anything behind.
        expect(await mayLackSpace(() => store.backup(disk.file('backup')))).toBe(true);
        expect(disk.names()).toEqual(['store.mmcb']);
        expect(await store.errors()).toEqual([]);
        await store.close();

        // Nothing needs space that was not needed before: not opening, not reading, not closing.
        expect(await store.open()).toMatchObject({ status: 'clean', entries: store.model.size });
        await store.verify();
        await store.close();
        expect(await store.open({ readOnly: true })).toMatchObject({ status: 'clean' });
        await store.check();
        await store.close();

        await disk.free();
        await store.open();
        await store.must(store.add(Math.ceil(setting.count / 5), size));
        await store.compact();
        await store.finish();
      });

      it('opens after kill -9, and writes into the space that removals leave', async () => {
        const store = await filled(disk, setting);
        await exhaust(store, size);
        await store.process.kill();
        expect(await store.open()).toMatchObject({ status: 'replayed', entries: store.model.size, lost: 0 });
        await store.verify();

        // All but a few: whole segments become free, with a sync point at the latest.
        const gone = store.addresses().slice(2);
        await store.must(gone.map((address) => ({ type: 'remove', address })));
        await store.flush();
        await store.must(store.add(1, size));
        await store.process.kill();
        expect(await store.open()).toMatchObject({ status: 'replayed', entries: store.model.size });
        await store.verify();
        await store.must(store.add(1, size));
        await store.close();
        await store.open();
        // Closing gave the end of the file back. On btrfs that is not to be had again at once.
        if (kind !== 'btrfs') await store.must(store.add(1, size));
        await disk.free();
        await store.must(store.add(setting.count, size));
        await store.verify();
        await store.close();
      });
    });
  });
}
