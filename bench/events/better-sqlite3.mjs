/** One table, an index for ids and one for aggregates. Concurrent appends share a transaction; FULL syncs each, NORMAL none. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Packr } from 'msgpackr';
import { groupCommit } from '../lib/group-commit.mjs';

const Database = createRequire(import.meta.url)('better-sqlite3');
const packr = new Packr({ useRecords: false });

export async function open(folder, durable) {
  const db = new Database(join(folder, 'events.sqlite'));
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('journal_mode = WAL');
  db.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
  db.pragma('cache_size = -262144'); // KiB
  db.pragma(`mmap_size = ${2 ** 31}`);
  db.pragma('wal_autocheckpoint = 10000'); // pages
  db.exec(`CREATE TABLE events (
    version INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, aggregate TEXT NOT NULL, aggregateVersion INTEGER NOT NULL,
    type TEXT NOT NULL, at REAL NOT NULL, data BLOB NOT NULL, UNIQUE (aggregate, aggregateVersion))`);
  const known = db.prepare('SELECT version FROM events WHERE id = ?').pluck();
  const latest = db.prepare('SELECT max(aggregateVersion) FROM events WHERE aggregate = ?').pluck();
  const insert = db.prepare(
    'INSERT INTO events (id, aggregate, aggregateVersion, type, at, data) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const all = db.prepare('SELECT * FROM events ORDER BY version');
  const byAggregate = db.prepare('SELECT * FROM events WHERE aggregate = ? ORDER BY aggregateVersion');

  const store = ({ event, expected }) => {
    if (known.get(event.id) !== undefined) return;
    const version = latest.get(event.aggregateId) ?? 0;
    if (expected !== undefined && version !== expected) throw new Error('conflict');
    insert.run(event.id, event.aggregateId, version + 1, event.type, Date.now(), packr.pack(event.data));
  };
  const together = db.transaction((appends) => appends.forEach(store));
  const commit = groupCommit(together);
  const stored = ({ id, type, aggregate, data }) => ({ id, type, aggregateId: aggregate, data: packr.unpack(data) });
  return {
    append: async (event, expected) => (durable ? commit({ event, expected }) : together([{ event, expected }])),
    appendBatch: async (events) => together(events.map((event) => ({ event }))),
    async loadByAggregate(aggregateId, visit) {
      for (const row of byAggregate.all(aggregateId)) visit(stored(row));
    },
    async replay(visit) {
      for (const row of all.iterate()) visit(stored(row));
    },
    close: () => db.close(),
  };
}
