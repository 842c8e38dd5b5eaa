/**
 * classic-level (LevelDB): reads by getSync(), which is several times faster than get(); writes gathered into batches of
 * 1000, each waited for, because single puts go through libuv's thread pool one by one and are far slower. Integer keys are
 * four bytes, big-endian, so that they are in order.
 */
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { Packr } from 'msgpackr';
import { groupCommit } from '../lib/group-commit.mjs';

export const label = 'classic-level';
export const packages = ['classic-level'];
export const groups = {
  none: ['entries', 'int', 'string', 'objects', 'ycsb'],
  periodic: ['int', 'ycsb'],
  commit: ['commit'],
};

const MANY = 1000; // entries that an iterator fetches at a time

export async function open({ folder, keys, values }) {
  const db = new ClassicLevel(join(folder, 'bench.level'), {
    keyEncoding: keys === 'string' ? 'utf8' : 'buffer',
    valueEncoding: 'buffer',
    compression: false, // the values are random: it would only cost time
    cacheSize: 256 * 2 ** 20,
    writeBufferSize: 64 * 2 ** 20,
  });
  await db.open();

  const reused = Buffer.alloc(4);
  /** The bytes of a key for a call that copies them at once. */
  const passing =
    keys === 'string'
      ? (key) => key
      : (key) => {
          reused.writeUInt32BE(key);
          return reused;
        };
  /** The bytes of a key for a call that keeps them. */
  const kept = keys === 'string' ? (key) => key : (key) => Buffer.from(passing(key));

  let batch; // what was written since the end of the last block
  const put = (key, data) => {
    batch ??= db.batch();
    batch.put(passing(key), data);
  };
  const get = (key) => db.getSync(passing(key));
  const remove = (key) => {
    batch ??= db.batch();
    batch.del(passing(key));
  };
  const writeBatch = async () => {
    const full = batch;
    batch = undefined;
    await full?.write();
  };
  const common = { endOfBlock: writeBatch, settle: writeBatch, written: writeBatch, close: () => db.close() };
  if (keys === 'address') {
    let next = 0;
    const add = (data) => {
      put(next, data);
      return next++;
    };
    return { add, update: put, read: get, remove, updateAndWait: (key, data) => db.put(kept(key), data), ...common };
  }
  if (values === 'objects') {
    const packr = new Packr({ useRecords: false });
    return { set: (key, value) => put(key, packr.pack(value)), get: (key) => packr.unpack(get(key)), ...common };
  }
  return {
    set: put,
    get,
    delete: remove,
    getMany: (wanted) => db.getMany(wanted.map(kept)),
    setMany: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'put', key: kept(key), value }))),
    async iterate(visit) {
      const iterator = db.iterator({ highWaterMarkBytes: 2 ** 20 });
      for (;;) {
        const page = await iterator.nextv(MANY);
        if (page.length === 0) break;
        for (const [key, value] of page) visit(key, value);
      }
      await iterator.close();
    },
    setAndWait: (key, data) => db.put(kept(key), data),
    setDurably: groupedPut(db, kept),
    ...common,
  };
}

/** The writers that wait share one synced batch: LevelDB's own grouping sees only what libuv's four threads hold. */
function groupedPut(db, kept) {
  const commit = groupCommit((operations) => db.batch(operations, { sync: true }));
  return (key, value) => commit({ type: 'put', key: kept(key), value });
}
