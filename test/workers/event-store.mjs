/**
 * A thread with an event store open, which does what it is told: messages { id, call, args } are answered with { id, result }
 * or { id, error }. Iterators stay here: 'open' makes one, 'next' and 'return' ask it.
 */
import { parentPort } from 'node:worker_threads';
import { EventStore } from '../../dist/esm/index.js';

let store;
const iterators = new Map();

const calls = {
  /** Opens a file, the next one after another. */
  async use(path, options) {
    store = await EventStore.open(path, options);
  },
  call: (name, args) => store[name](...args),
  checkpoint: (name, call, args) => store.checkpoint(name)[call](...args),
  open(number, name, args) {
    iterators.set(number, store[name](...args));
  },
  next: (number) => iterators.get(number).next(),
  return: (number) => iterators.get(number).return(),
  /** Stores events without waiting for the end, one after the other, until it is terminated. */
  flood(prefix) {
    (async () => {
      for (let i = 0; ; i++) {
        await store.store({ id: `${prefix} ${i}`, type: 'Flood', aggregateId: `${prefix} ${i % 5}`, data: i });
      }
    })();
  },
};

parentPort.on('message', async ({ id, call, args }) => {
  try {
    parentPort.postMessage({ id, result: await calls[call](...args) });
  } catch (error) {
    const { name, message, code, expectedVersion, actualVersion, aggregateId } = error;
    const kind = error instanceof TypeError ? 'TypeError' : error instanceof RangeError ? 'RangeError' : 'MmcbError';
    const more = { expectedVersion, actualVersion, aggregateId };
    parentPort.postMessage({ id, error: { kind, name, message, code, more } });
  }
});
