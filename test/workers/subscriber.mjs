/** A thread that does nothing but subscribe; it tells what it gets, and that it has come to the end of what is there. */
import { parentPort, workerData } from 'node:worker_threads';
import { EventStore } from '../../dist/esm/index.js';

const store = await EventStore.open(workerData.file, workerData.options);
for await (const { version } of store.subscribe()) {
  parentPort.postMessage(version);
  if (version === 2) break;
}
await store.close();
