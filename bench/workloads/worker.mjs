/** A thread that gets and updates random keys of its own, when it is told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { binary, IntMap } from '../../dist/esm/index.js';
import { generator } from '../lib/random.mjs';

const { path, first, keys, operations, size } = workerData;
const map = await IntMap.open(path, { codec: binary() });
const random = generator(first + 1);
const order = Uint32Array.from({ length: operations }, () => first + Math.floor(random() * keys));
const value = Buffer.alloc(size, 'w');
for (let i = 0; i < Math.min(2000, operations); i++) map.get(order[i]); // compiled before the clock runs

parentPort.once('message', async () => {
  for (let i = 0; i < operations; i++) {
    if (i & 1) map.set(order[i], value);
    else map.get(order[i]);
  }
  parentPort.postMessage('done');
  await map.close();
});
parentPort.postMessage('ready');
