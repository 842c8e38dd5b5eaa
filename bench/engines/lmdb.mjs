/**
 * lmdb-js, written to in the way that was fastest here by far: put() without waiting, which gathers what is written into
 * transactions on a thread of its own, and one wait at the end. Nothing is stored before that wait is over, while every call
 * of mmcb that has returned survives the process. Without sync it is opened with noSync. Values are Buffers, integer keys
 * are 32 bits wide; objects use lmdb's own msgpack with shared structures, its fastest.
 *
 * A commit counts when `flushed` resolves: with its default, overlapping sync, put() resolves before the data is on the disk.
 */
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';

export const label = 'lmdb';
export const packages = ['lmdb'];
export const groups = {
  none: ['entries', 'int', 'string', 'objects', 'ycsb'],
  periodic: ['int', 'ycsb'],
  commit: ['commit'],
};

export async function open({ folder, keys, values, durability }) {
  const db = openLmdb({
    path: join(folder, 'bench.lmdb'),
    keyEncoding: keys === 'string' ? 'ordered-binary' : 'uint32',
    ...(values === 'objects'
      ? { encoding: 'msgpack', sharedStructuresKey: keys === 'string' ? 'structures' : 0xffffffff }
      : { encoding: 'binary' }),
    ...(durability === 'commit' ? {} : { noSync: true, overlappingSync: false }),
    mapSize: 32 * 2 ** 30,
  });
  let last; // a promise: of the transaction of the operation that was queued last
  const put = (key, data) => {
    last = db.put(key, data);
  };
  const get = (key) => db.get(key);
  const remove = (key) => {
    last = db.remove(key);
  };
  const common = { settle: () => last, written: () => last, close: () => db.close() };
  if (keys === 'address') {
    let next = 0;
    const add = (data) => {
      put(next, data);
      return next++;
    };
    return { add, update: put, read: get, remove, updateAndWait: (key, data) => db.put(key, data), ...common };
  }
  return {
    set: put,
    get,
    delete: remove,
    getMany: (wanted) => db.getMany(wanted),
    setMany(pairs) {
      last = db.batch(() => {
        for (const [key, data] of pairs) db.put(key, data);
      });
    },
    iterate(visit) {
      for (const { key, value } of db.getRange()) visit(key, value);
    },
    setAndWait: (key, data) => db.put(key, data),
    setDurably(key, data) {
      db.put(key, data);
      return db.flushed.then(() => {}); // asked for now, it is that of the transaction which the put has just joined
    },
    ...common,
  };
}
