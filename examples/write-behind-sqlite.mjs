// Write-behind: counters change thousands of times a second, SQLite gets the last state of each, in one transaction per batch.
// What was put and not yet written stays in the file, whatever happens to the process. A batch may come again after a crash: an
// upsert does not mind. In production take better-sqlite3 or node:sqlite; node-sqlite3-wasm needs no compiler, but its lock is a
// folder that outlives kill -9.
import { PartitionedMap } from 'mmcb';
import sqlite from 'node-sqlite3-wasm';

const database = new sqlite.Database('visits.db');
database.exec('CREATE TABLE IF NOT EXISTS visits (page TEXT PRIMARY KEY, count INTEGER NOT NULL)');

let transactions = 0;
const visits = await PartitionedMap.start({
  path: 'visits.mmcb',
  partitions: 1, // SQLite has one writer
  processingInterval: 100,
  processingBatchSize: 'all',
  processor: (batch) => {
    transactions += 1;
    database.exec('BEGIN');
    try {
      for (const { key, value } of batch) database.run('INSERT OR REPLACE INTO visits VALUES (?, ?)', [key, value]);
      database.exec('COMMIT');
    } catch (error) {
      database.exec('ROLLBACK');
      throw error; // the batch comes again
    }
  },
});

// What is not written yet is read from the map.
const count = (page) => visits.get(page) ?? database.get('SELECT count FROM visits WHERE page = ?', [page])?.count ?? 0;

for (let i = 0; i < 10_000; i++) visits.put(`/page/${i % 10}`, count(`/page/${i % 10}`) + 1);
await visits.stop();

const { pages, total } = database.get('SELECT count(*) AS pages, sum(count) AS total FROM visits');
console.log(pages, total, transactions < 100); // prints: 10 10000 true
database.close();
