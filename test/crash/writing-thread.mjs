/** A worker of the process that gets killed: waits for its task, opens the file, and writes to it until all is over. */
import { parentPort, workerData } from 'node:worker_threads';
import { CompactableBuffer } from '../../dist/esm/index.js';
import { LogWriter } from './log.mjs';
import { storeOf, writing } from './writer.mjs';

parentPort.once('message', ({ file, options, log, task, moment }) => {
  const store = storeOf(CompactableBuffer.openSync(file, options));
  const trigger = () => {
    const words = new Int32Array(workerData);
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  };
  for (const _ of writing(store, new LogWriter(log), task, moment, trigger));
});
