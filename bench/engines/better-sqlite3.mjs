/**
 * better-sqlite3: one table, prepared statements, write-ahead log. Writes are gathered into transactions of 1000, which is
 * several times faster than one each. Integer keys are the rowid; for string keys the table is its own index where rows are
 * small, as SQLite's documentation advises.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Packr } from 'msgpackr';
import { groupCommit } from '../lib/group-commit.mjs';
import { BLOCK } from './index.mjs';

export const label = 'better-sqlite3';
export const packages = ['better-sqlite3'];
export const groups = {
  none: ['entries', 'int', 'string', 'objects', 'ycsb'],
  periodic: ['int', 'ycsb'],
  commit: ['commit'],
};

const SMALL = 200; // bytes of a value

export async function open({ folder, keys, values, durability, size }) {
  const db = new Database(join(folder, 'bench.sqlite'));
  db.pragma('locking_mode = EXCLUSIVE'); // as mmcb has it; without it each read takes and gives back a lock of the kernel
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${durability === 'commit' ? 'FULL' : 'OFF'}`);
  db.pragma('cache_size = -262144'); // KiB
  db.pragma(`mmap_size = ${2 ** 31}`);
  db.pragma('wal_autocheckpoint = 10000'); // pages
  const table =
    keys === 'string'
      ? `(key TEXT PRIMARY KEY, value BLOB NOT NULL)${size <= SMALL ? ' WITHOUT ROWID' : ''}`
      : '(key INTEGER PRIMARY KEY, value BLOB NOT NULL)';
  db.exec(`CREATE TABLE store ${table}`);

  const statements = {
    begin: db.prepare('BEGIN'),
    commit: db.prepare('COMMIT'),
    set: db.prepare('INSERT INTO store VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'),
    get: db.prepare('SELECT value FROM store WHERE key = ?').pluck(),
    remove: db.prepare('DELETE FROM store WHERE key = ?'),
    all: db.prepare('SELECT key, value FROM store').raw(),
  };
  let open = 0; // operations in the transaction that is under way
  const counted = () => {
    if (open === 0) statements.begin.run();
    open++;
  };
  const end = () => {
    if (open > 0) statements.commit.run();
    open = 0;
  };
  const put = (key, data) => {
    counted();
    statements.set.run(key, data);
    if (open === BLOCK) end();
  };
  const get = (key) => statements.get.get(key);
  const remove = (key) => {
    counted();
    statements.remove.run(key);
    if (open === BLOCK) end();
  };
  const common = {
    written: end,
    close() {
      end();
      db.close();
    },
  };
  const single = (key, data) => void statements.set.run(key, data);
  if (keys === 'address') {
    let next = 0;
    const add = (data) => {
      put(next, data);
      return next++;
    };
    return { add, update: put, read: get, remove, updateAndWait: single, ...common };
  }
  if (values === 'objects') {
    const packr = new Packr({ useRecords: false });
    return { set: (key, value) => put(key, packr.pack(value)), get: (key) => packr.unpack(get(key)), ...common };
  }
  const together = (pairs) => {
    statements.begin.run();
    for (const [key, data] of pairs) statements.set.run(key, data);
    statements.commit.run();
  };
  return {
    set: put,
    get,
    delete: remove,
    getMany: (wanted) => wanted.map(get), // faster than one statement with many parameters
    setMany: together,
    iterate(visit) {
      for (const [key, value] of statements.all.iterate()) visit(key, value);
    },
    setAndWait: single,
    setDurably: groupedPut(together),
    ...common,
  };
}

/** The writers that wait share one transaction. */
function groupedPut(together) {
  const commit = groupCommit(together);
  return (key, data) => commit([key, data]);
}
