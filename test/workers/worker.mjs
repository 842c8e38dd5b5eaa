/**
 * A thread that does what it is told: messages { id, call, args } are answered with { id, result } or { id, error }.
 * `churn` writes for ever and answers nothing: it is for being terminated.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { binary, CompactableBuffer, IntMap, StringMap } from '../../dist/esm/index.js';

const buffer = CompactableBuffer.openSync(workerData.file, workerData.options);
const ints = new IntMap(buffer, binary());
const strings = new StringMap(buffer, binary());

const calls = {
  add: (data) => buffer.add(data),
  update: (address, data) => buffer.update(address, data),
  remove: (address) => buffer.remove(address),
  read: (address) => buffer.read(address).toString(),
  count: () => buffer.stats().count,
  size: () => [ints.size, strings.size],
  setInt: (key, data) => void ints.set(key, Buffer.from(data)),
  getInt: (key) => ints.get(key)?.toString(),
  setString: (key, data) => void strings.set(key, Buffer.from(data)),
  getString: (key) => strings.get(key)?.toString(),
  status: () => buffer.recovery.status,
  verify: async () => (await buffer.verify()).errors,
  flush: () => buffer.flush(),
  close: () => buffer.close(),
  leave: () => process.exit(0),
  /** Counts up keys from `first`; the value of each says it all. */
  fill(first, count) {
    for (let key = first; key < first + count; key++) ints.set(key, Buffer.from(`value ${key}`));
  },
  /** Writes in every way, in keys [first, first + 100) and entries of its own, without ever giving way. */
  churn(first, shared) {
    const done = new Int32Array(shared);
    const addresses = [];
    for (let i = 0; ; i++) {
      const bytes = Buffer.alloc((i * 7919) % 3000, i % 251);
      ints.set(first + (i % 100), bytes);
      strings.set(`${first}-${i % 50}`, bytes);
      addresses.push(buffer.add(bytes));
      if (addresses.length > 50) buffer.remove(addresses.shift());
      buffer.update(addresses[i % addresses.length], bytes);
      if (i % 5 === 0) {
        const [address] = buffer.batch([
          { type: 'add', data: bytes },
          { type: 'update', address: addresses[0], data: 'batch' },
        ]);
        addresses.push(address);
      }
      if (i % 7 === 0) buffer.createReadStream(addresses[0]); // left open
      if (i % 11 === 0) ints.delete(first + ((i * 3) % 100));
      if (i % 500 === 0) buffer.compact().catch(() => {});
      if (i % 333 === 0) buffer.flush().catch(() => {});
      if (i % 777 === 0) buffer.verify().catch(() => {});
      for (const [key] of strings) if (key.length > 100) return; // an iterator under way
      Atomics.store(done, 0, i + 1);
    }
  },
};

parentPort.on('message', async ({ id, call, args }) => {
  try {
    parentPort.postMessage({ id, result: await calls[call](...args) });
  } catch (error) {
    parentPort.postMessage({ id, error: { code: error.code, message: error.message } });
  }
});
