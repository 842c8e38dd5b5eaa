/**
 * Limits of the system and of the options: file size, descriptors, address space, memory, a read-only mount, maxSize.
 * Each is an error with a code, never the end of the process, and what was stored stays.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempFile, tempFolder } from '../support/temp.js';
import { isInstalled, run } from './support/commands.js';
import type { Disk } from './support/disk.js';
import { CallFailed, CheckedStore, type ProcessError, StoreProcess } from './support/store-process.js';
import { describeDisk } from './support/with-disks.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const segmentSize = 64 * KiB;
const options = { segmentSize, initialSize: 0 };

const codes = (error: ProcessError | undefined) => ({ code: error?.code, cause: error?.cause?.code });

async function failure(action: Promise<unknown>): Promise<ProcessError> {
  try {
    await action;
  } catch (error) {
    if (error instanceof CallFailed) return error.error;
    throw error;
  }
  throw new Error('expected an error, but there was none');
}

const removals = (addresses: number[]) => addresses.map((address) => ({ type: 'remove' as const, address }));

const noPrlimit = isInstalled('prlimit') ? undefined : 'prlimit is not installed';
if (noPrlimit !== undefined) console.warn(`SKIPPED: limits of the process: ${noPrlimit}`);

const limited = (...limits: string[]): StoreProcess => new StoreProcess(['prlimit', ...limits, process.execPath]);

/** Sets a limit of a process that runs, to what it uses now and `more`. */
function tighten(process: StoreProcess, limit: 'as' | 'data', more: number): void {
  const status = run('cat', `/proc/${process.pid}/status`);
  const [, kilobytes] = new RegExp(limit === 'as' ? /VmSize:\s+(\d+)/ : /VmData:\s+(\d+)/).exec(status) ?? [];
  run('prlimit', '--pid', String(process.pid), `--${limit}=${Number(kilobytes) * KiB + more}:`);
}

const loosen = (process: StoreProcess, limit: 'as' | 'data'): string =>
  run('prlimit', '--pid', String(process.pid), `--${limit}=unlimited:`);

describe.skipIf(noPrlimit !== undefined)(`limits of the process${noPrlimit ? ` (${noPrlimit})` : ''}`, () => {
  it('fails with MMCB_NO_SPACE at the limit of file size, and goes on within it', async () => {
    const store = new CheckedStore(tempFile(), {
      ...options,
      durability: 'process',
      compaction: { policy: 'disabled' },
    });
    await store.open({}, limited(`--fsize=${MiB}`));
    const { error } = await store.exhaust(() => ({ type: 'add', value: store.value(1000) }), 10_000);
    expect(codes(error)).toEqual({ code: 'MMCB_NO_SPACE', cause: 'EFBIG' });
    expect(statSync(store.file).size).toBeLessThanOrEqual(MiB);
    await store.verify();
    await store.must(removals(store.addresses().slice(5)));
    await store.flush();
    await store.compact();
    await store.must(store.add(100, 1000));
    expect(codes(await failure(store.backup(tempFile()).then(() => store.backup('/no/such/folder/file'))))).toEqual({
      code: 'MMCB_IO',
      cause: 'ENOENT',
    });
    await store.verify();
    await store.close();
    // Without the limit it grows; with it, a file that is longer already is only limited in growing.
    await store.open();
    await store.must(store.add(2000, 1000));
    await store.close();
    expect(await store.open({}, limited(`--fsize=${MiB}`))).toMatchObject({ status: 'clean' });
    const updates = store.addresses().slice(0, 50);
    await store.must(updates.map((address) => ({ type: 'update', address, value: store.value(900) })));
    const again = await store.exhaust(() => ({ type: 'add', value: store.value(10_000) }), 10_000);
    expect(codes(again.error)).toEqual({ code: 'MMCB_NO_SPACE', cause: 'EFBIG' });
    await store.finish();
  });

  it('fails with MMCB_IO and EMFILE when descriptors run out, and leaks none', async () => {
    const folder = tempFolder();
    const process = limited('--nofile=64');
    const before = await process.call<number>('descriptors');
    const stores: CheckedStore[] = [];
    let error: ProcessError | undefined;
    while (error === undefined && stores.length < 64) {
      const store = new CheckedStore(join(folder, `${stores.length}.mmcb`), options);
      try {
        await store.open({}, process);
        stores.push(store);
      } catch (cause) {
        error = (cause as CallFailed).error;
      }
    }
    expect(codes(error)).toEqual({ code: 'MMCB_IO', cause: 'EMFILE' });
    expect(stores.length).toBeGreaterThan(5);
    // Those that are open do not mind: writing, growing and syncing need no more descriptors.
    for (const store of stores) {
      await store.must(store.add(100, 2000));
      await store.flush();
    }
    const [first, second] = stores as [CheckedStore, CheckedStore];
    expect(codes(await failure(first.backup(join(folder, 'backup'))))).toEqual({ code: 'MMCB_IO', cause: 'EMFILE' });
    await second.process.call('close', second.file);
    await second.open({}, process);
    for (const store of stores) await store.verify();
    for (const store of stores) await process.call('close', store.file);
    // Failed openings of all kinds give back what they took.
    const foreign = join(folder, 'foreign');
    writeFileSync(foreign, 'not ours'.repeat(10_000));
    for (let i = 0; i < 100; i++) {
      expect((await failure(process.call('open', 'x', foreign, options))).code).toBe('MMCB_NOT_MMCB');
      expect((await failure(process.call('open', 'x', join(folder, 'no', 'file'), options))).code).toBe('MMCB_IO');
    }
    expect(await process.call<number>('descriptors')).toBeLessThanOrEqual(before + 1);
    await process.end();
  });

  it('fails with MMCB_IO and ENOMEM when there is no address space, and opens when there is', async () => {
    const store = new CheckedStore(tempFile(), options);
    await store.open();
    await store.must(store.add(100, 1000));
    await store.close();
    const process = new StoreProcess();
    await process.call('open', 'memory', ':memory:', {});
    await process.call('close', 'memory');
    tighten(process, 'as', 128 * MiB);
    for (let i = 0; i < 20; i++) {
      const error = await failure(store.open({}, process));
      expect(codes(error)).toEqual({ code: 'MMCB_IO', cause: 'ENOMEM' });
    }
    loosen(process, 'as');
    expect(await store.open({}, process)).toMatchObject({ status: 'clean', entries: 100 });
    // Open is open: growing within what was reserved needs no address space.
    tighten(process, 'as', 64 * MiB);
    await store.must(store.add(1000, 2000));
    await store.verify();
    loosen(process, 'as');
    await store.close();
  });

  it('fails with MMCB_IO and ENOMEM when memory runs out, changes nothing, and goes on when there is some', async () => {
    const store = new CheckedStore(':memory:', options);
    const process = new StoreProcess();
    await store.open({}, process);
    await store.must(store.add(100, 1000));
    // V8 dies when it gets no memory, so what it needs is there before the limit, and some is left to it.
    const large = store.value(96 * MiB);
    await process.call('hold', store.file, large);
    tighten(process, 'data', 48 * MiB);
    for (let i = 0; i < 20; i++) {
      expect(codes(await failure(process.call('addHeld', store.file)))).toEqual({ code: 'MMCB_IO', cause: 'ENOMEM' });
    }
    await store.must(store.add(100, 1000));
    loosen(process, 'data');
    await store.verify();
    store.model.set(await process.call<number>('addHeld', store.file), large);
    await store.verify();
    await store.close();
  });
});

describe('maxSize', () => {
  it.each(['interval', 'process'] as const)(
    'is MMCB_FULL, and removing and compacting make room: %s',
    async (durability) => {
      const store = new CheckedStore(tempFile(), {
        ...options,
        durability,
        maxSize: 2 * MiB,
        syncInterval: 2 ** 31 - 1,
        compaction: { policy: 'disabled' },
      });
      await store.open();
      for (const size of [10, 1000, 100_000]) {
        const { error } = await store.exhaust(() => ({ type: 'add', value: store.value(size) }), 100_000);
        expect(codes(error)).toEqual({ code: 'MMCB_FULL', cause: undefined });
        expect(statSync(store.file).size).toBeLessThanOrEqual(2 * MiB);
        await store.flush();
        await store.verify();
        // Every second one, so that no segment becomes free by itself.
        await store.must(removals(store.addresses().filter((_, i) => i % 2 === 0)));
        await store.compact();
        await store.verify();
        await store.must(store.add(Math.floor(300_000 / (size + 100)), size));
        expect(statSync(store.file).size).toBeLessThanOrEqual(2 * MiB);
        await store.must(removals(store.addresses().slice(3)));
        await store.flush();
      }
      await store.verify();
      await store.close();
      await store.open({ maxSize: 8 * MiB });
      await store.must(store.add(30, 100_000));
      await store.verify();
      await store.close();
    },
  );
});

describeDisk('a read-only mount (ext4)', 'ext4', (disk: Disk) => {
  it('refuses to write with MMCB_IO and EROFS, and reads, also what was not closed in order', async () => {
    const clean = new CheckedStore(disk.file('clean'), options);
    const killed = new CheckedStore(disk.file('killed'), options);
    for (const store of [clean, killed]) {
      await store.open();
      await store.must(store.add(500, 1000));
    }
    await clean.close();
    await killed.process.kill();
    disk.remount('ro');
    try {
      for (const store of [clean, killed]) {
        expect(codes(await failure(store.open()))).toEqual({ code: 'MMCB_IO', cause: 'EROFS' });
        const status = store === clean ? 'clean' : 'replayed';
        expect(await store.open({ readOnly: true })).toMatchObject({ status, entries: 500 });
        await store.verify();
        expect((await store.perform(store.add(1, 10)))?.code).toBe('MMCB_READ_ONLY');
        expect(codes(await failure(store.backup(disk.file('backup'))))).toEqual({ code: 'MMCB_IO', cause: 'EROFS' });
        await store.close();
      }
      const none = new CheckedStore(disk.file('none'), options);
      expect(codes(await failure(none.open()))).toEqual({ code: 'MMCB_IO', cause: 'EROFS' });
    } finally {
      disk.remount('rw');
    }
    for (const store of [clean, killed]) {
      await store.open();
      await store.must(store.add(10, 1000));
      await store.verify();
      await store.close();
    }
  });
});
