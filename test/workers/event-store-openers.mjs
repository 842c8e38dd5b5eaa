/**
 * A thread that opens an event store, appends some, and closes it, again and again, until it is told to stop. It tells the versions
 * that it was given.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { EventStore } from '../../dist/esm/index.js';

const { file, options } = workerData;
let isOver = false;
parentPort.once('message', () => {
  isOver = true;
});

const versions = [];
let opened = 0;
for (; !isOver; opened++) {
  const store = await EventStore.open(file, options.store);
  for (let call = 0; call <= opened % 7; call++) {
    const size = 1 + ((opened * 3 + call) % 5);
    const events = Array.from({ length: size }, (_, i) => ({
      id: `${options.name} ${opened} ${call} ${i}`,
      type: 'Happened',
      aggregateId: `aggregate ${i % 3}`,
      data: undefined,
    }));
    versions.push(...(await store.storeBatch(events)));
  }
  await store.close();
  await new Promise((resolve) => setImmediate(resolve)); // for what it is told
}
parentPort.postMessage({ opened, versions });
