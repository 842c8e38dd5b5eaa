/**
 * A full disk and everything at once: random changes, batches, compaction by policy and by hand, sync points, while a
 * foreign file takes the rest of the disk and gives it back; two stores that compete for it; kill -9 in the middle.
 * MMCB_SEED repeats what the processes do, though not when.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { BufferOptions } from '../../src/index.js';
import { tempFolder } from '../support/temp.js';
import { type CallFailed, CheckedStore, type Churn } from './support/store-process.js';
import { describeDisk } from './support/with-disks.js';

// 783268 found stores into 2 MiB pages of the page cache that lay over holes in part: SIGBUS on a full ext4 or XFS.
const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
const KiB = 1024;
console.log(`hostile: random changes on full disks with MMCB_SEED=${seed}`);

const policies: BufferOptions[] = [
  { segmentSize: 64 * KiB, durability: 'interval', syncInterval: 20, compaction: { policy: 'time', interval: 5 } },
  { segmentSize: 64 * KiB, durability: 'process', compaction: { policy: 'space', checkInterval: 5 } },
];

function churn(number: number): Churn {
  return {
    seed: seed * 100 + number,
    log: join(tempFolder(), 'operations.log'),
    // Runs of segments among them.
    sizes: [10, 10, 300, 1000, 1000, 5000, 20_000, 150_000],
    most: 1200,
    codes: ['MMCB_NO_SPACE'],
  };
}

/** Background work may fail for want of space, and in no other way. */
async function onlyNoSpace(store: CheckedStore): Promise<void> {
  for (const { code } of await store.errors()) expect(code).toBe('MMCB_NO_SPACE');
}

// Not on btrfs: full, it takes some 10 ms for each first store into a page, and a sync point makes every store the first.
for (const kind of ['ext4', 'xfs', 'tmpfs'] as const) {
  describeDisk(`random changes on a full disk, ${kind}`, kind, (disk) => {
    // Each that fails for want of space takes milliseconds.
    const operations = 300;

    it.each(policies)('with compaction under way: $compaction.policy, $durability', async (options) => {
      const store = new CheckedStore(disk.file(), options);
      await store.open();
      await store.churn({ ...churn(1), count: 1000 });
      // It fills up while the store works.
      const working = store.churn({ ...churn(2), count: operations });
      for (let leave = disk.available; leave > 64 * KiB; leave /= 4) disk.fill({ leave });
      disk.fill();
      await working;
      // What random changes need may fit into what removals have left; adds alone use all of it up.
      const { error } = await store.exhaust(() => ({ type: 'add', value: store.value(20_000) }), 10_000);
      expect(error.code).toBe('MMCB_NO_SPACE');
      await store.churn({ ...churn(3), count: 2 * operations });
      await onlyNoSpace(store);
      await store.verify();

      await store.churnAndKill({ ...churn(4), bytes: 20_000 });
      await store.verify();
      await store.churnAndKill({ ...churn(5), bytes: 10_000 });
      await store.verify();
      await store.close();
      expect(await store.open()).toMatchObject({ status: 'clean', entries: store.model.size });

      const more = store.churn({ ...churn(6), count: operations });
      await disk.free();
      await more;
      await onlyNoSpace(store);
      await store.must(store.add(50, 20_000));
      await store.compact();
      await store.finish();
    });

    it('as do two stores on one disk, of which one makes room for the other', async () => {
      const stores = policies.map((options, i) => new CheckedStore(disk.file(`${i}.mmcb`), options));
      const [one, two] = stores as [CheckedStore, CheckedStore];
      const both = (action: (store: CheckedStore, i: number) => Promise<unknown>) => Promise.all(stores.map(action));
      await both(async (store) => {
        await store.open();
        await store.must(store.add(20, 20_000));
      });
      disk.fill({ leave: 4 << 20 });
      // Whoever comes first gets the rest.
      await both(async (store) => {
        const { error } = await store.exhaust(() => ({ type: 'add', value: store.value(20_000) }), 10_000);
        expect(error.code).toBe('MMCB_NO_SPACE');
      });
      await both((store, i) => store.churn({ ...churn(10 + i), count: operations }));
      await both(onlyNoSpace);
      await both((store) => store.verify());
      // One dies, the other goes on.
      const working = two.churn({ ...churn(20), count: operations });
      await one.process.kill();
      await working;
      await one.open();
      await both((store) => store.verify());
      // What one store does not need any more, the other one gets.
      await one.must(one.addresses().map((address) => ({ type: 'remove', address })));
      await one.flush();
      await one.compact().catch((error: CallFailed) => expect(error.error.code).toBe('MMCB_NO_SPACE'));
      await one.close();
      await two.must(two.add(5, 20_000));
      await two.verify();
      await two.close();
      await both((store) => store.open());
      await both((store) => store.verify());
      await both((store) => store.close());
    });
  });
}
