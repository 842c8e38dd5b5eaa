/**
 * lmdb-js without durability (noSync: nothing waits for the disk, and a power cut may take anything), in synchronous
 * transactions of 1000 operations: with one transaction per operation, which is what mmcb's calls come to, it would be
 * much slower. Values as Buffers, integers as 32-bit keys.
 */
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';

export const groups = ['entries', 'int', 'string'];

const TRANSACTION = 1000;

export async function open(folder, group) {
  const db = openLmdb({
    path: join(folder, 'bench.lmdb'),
    encoding: 'binary',
    keyEncoding: group === 'string' ? 'ordered-binary' : 'uint32',
    noSync: true,
    overlappingSync: false,
    mapSize: 8 * 2 ** 30,
  });
  let next = 0;
  return {
    add(data) {
      db.putSync(next, data);
      return next++;
    },
    update: (key, data) => void db.putSync(key, data),
    read: (key) => db.get(key),
    remove: (key) => void db.removeSync(key),
    set: (key, data) => void db.putSync(key, data),
    get: (key) => db.get(key),
    delete: (key) => db.removeSync(key),
    /** Writes go through here: `body(i)` for i in [0, count). */
    write(count, body) {
      for (let from = 0; from < count; from += TRANSACTION) {
        const to = Math.min(count, from + TRANSACTION);
        db.transactionSync(() => {
          for (let i = from; i < to; i++) body(i);
        });
      }
    },
    close: () => db.close(),
  };
}
