/**
 * Where blocks that are there do not suffice: shared with a snapshot or a reflink copy, or in a file that copies on write. A
 * store then needs a fresh block, and on a full disk the kernel answers it with SIGBUS. The process must survive that: the
 * call, or a later one, fails with a code, reading goes on or fails with a code, and the file is as of its last sync point,
 * or newer, when it is opened again. (This depends on the engine's handler for SIGBUS.)
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { tempFile } from '../support/temp.js';
import { run, runAsRoot } from './support/commands.js';
import type { Disk } from './support/disk.js';
import { CallFailed, CheckedStore, type Operation, type ProcessError, type Value } from './support/store-process.js';
import { describeDisk } from './support/with-disks.js';

const KiB = 1024;
const options = {
  segmentSize: 64 * KiB,
  syncInterval: 2 ** 31 - 1,
  compaction: { policy: 'disabled' },
} as const;

/** What a store may say once it cannot write any more. */
const permitted = ['MMCB_NO_SPACE', 'MMCB_IO', 'MMCB_FAILED'];

async function survives(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error; // the process died, say
    expect(permitted).toContain(error.error.code);
    return false;
  }
}

/** Changes of every kind on a disk without a block, in a file whose stores need some; then what must be there at the end. */
async function endures(store: CheckedStore, disk: Disk, durable: ReadonlyMap<number, Value>): Promise<void> {
  const addresses = store.addresses();
  const errors: ProcessError[] = [];
  const change = async (operations: Operation[]): Promise<void> => {
    const error = await store.perform(operations);
    if (error !== undefined) errors.push(error);
  };
  for (const [i, address] of addresses.slice(0, 100).entries()) {
    await change([{ type: 'update', address, value: store.value(900 + i) }]);
    await change([{ type: 'remove', address: addresses[addresses.length - 1 - i] as number }]);
    await change(store.add(1, 1000));
  }
  for (const { code } of errors) expect(permitted).toContain(code);
  await survives(() => store.flush());
  await survives(() => store.compact());
  await survives(() => store.check());
  await survives(() => store.process.call('close', store.file));
  await store.process.end();
  await disk.free();
  const { status } = await store.open();
  expect(['clean', 'replayed', 'rolled back']).toContain(status);
  if (!(await store.isAt(store.model))) {
    expect(await store.isAt(durable)).toBe(true);
    store.model.clear();
    for (const [address, value] of durable) store.model.set(address, value);
  }
  await store.verify();
  await store.must(store.add(10, 1000));
  await store.close();
}

async function prepared(file: string): Promise<CheckedStore> {
  const store = new CheckedStore(file, options);
  await store.open();
  await store.must(store.add(2000, 1000));
  await store.flush();
  return store;
}

describeDisk('copy on write, xfs', 'xfs', (disk) => {
  it('survives a full disk after a reflink copy of the open file', async () => {
    const store = await prepared(disk.file());
    run('cp', '--reflink=always', store.file, disk.file('copy'));
    const durable = new Map(store.model);
    disk.fill();
    await endures(store, disk, durable);
  });

  it('survives a full disk in a reflink copy', async () => {
    const store = await prepared(disk.file());
    await store.close();
    run('cp', '--reflink=always', store.file, disk.file('copy'));
    const copy = new CheckedStore(disk.file('copy'), options);
    for (const [address, value] of store.model) copy.model.set(address, value);
    copy.skipValues(1_000_000);
    disk.fill();
    // Where opening has to write, it may find out.
    if (await survives(() => copy.open())) await endures(copy, disk, new Map(store.model));
    else {
      await disk.free();
      await copy.open();
      await copy.verify();
    }
  });
});

describeDisk('copy on write, btrfs', 'btrfs', (disk) => {
  it('survives a full disk in a file that was copied there', async () => {
    const origin = await prepared(tempFile());
    await origin.close();
    copyFileSync(origin.file, disk.file());
    const store = new CheckedStore(disk.file(), options);
    for (const [address, value] of origin.model) store.model.set(address, value);
    store.skipValues(1_000_000);
    await store.open();
    await store.flush();
    disk.fill();
    await endures(store, disk, new Map(store.model));
  });

  it('survives a full disk after a snapshot of the open file', async () => {
    const subvolume = disk.file('subvolume');
    run('btrfs', 'subvolume', 'create', subvolume);
    const store = await prepared(`${subvolume}/store.mmcb`);
    runAsRoot('btrfs', 'subvolume', 'snapshot', subvolume, disk.file('snapshot'));
    const durable = new Map(store.model);
    try {
      disk.fill();
      await endures(store, disk, durable);
    } finally {
      await store.process.kill();
      for (const name of ['snapshot', 'subvolume']) runAsRoot('btrfs', 'subvolume', 'delete', disk.file(name));
    }
  });
});

describeDisk(
  'copy on write, btrfs that compresses',
  'btrfs',
  (disk) => {
    it('needs no containment: a file of ours is neither copied on write nor compressed', async () => {
      const store = new CheckedStore(disk.file(), options);
      await store.open();
      await store.must(store.add(60, 1000));
      await store.flush();
      expect(execFileSync('lsattr', [store.file], { encoding: 'utf8' }).split(' ')[0]).toContain('C');
      disk.fill();
      const addresses = store.addresses();
      for (let round = 0; round < 3; round++) {
        const value = store.value(1400 * (2 + round));
        const error = await store.perform([{ type: 'update', address: addresses[round] as number, value }]);
        if (error !== undefined) expect(error.code).toBe('MMCB_NO_SPACE');
        await store.must([{ type: 'remove', address: addresses[10 + round] as number }]);
        await store.flush();
      }
      await store.finish();
    });
  },
  'compress-force=zstd',
);
