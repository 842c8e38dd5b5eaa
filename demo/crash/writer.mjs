// The process that is killed. It writes, and acknowledges each operation by appending its number to a side file once the
// call on the map has returned. Arguments: file, side file, number of records, first operation.
import { openSync, writeSync } from 'node:fs';
import { IntMap } from '../../dist/esm/index.js';
import { Model, stage } from '../model.mjs';
import { perform } from './operations.mjs';

/** Should the parent be gone. */
const LONGEST = 30_000;

const [path, acknowledgements, records, first] = process.argv.slice(2);
const model = new Model(Number(records));
model.stage = stage.DELETED;

// Sync points and compactions all the time, so that the kill meets them too.
const map = await IntMap.open(path, { syncInterval: 50, compaction: { policy: 'time', interval: 50 } });
const side = openSync(acknowledgements, 'a');
const number = Buffer.alloc(4);
const started = Date.now();
for (let k = Number(first); Date.now() - started < LONGEST; k++) {
  perform(map, model, k);
  number.writeUInt32LE(k);
  writeSync(side, number);
}
throw new Error('nobody killed this process');
