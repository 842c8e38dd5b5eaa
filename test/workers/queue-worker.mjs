/**
 * A thread that uses a DelayQueue as it is told: messages { id, call, args } are answered with { id, result } or { id, error }.
 * Its loops tell of each item, { got } before they are done with it and { done } afterwards.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { DelayQueue, json } from '../../dist/esm/index.js';

const { file, options } = workerData;
const merges = {
  append: (a, b) => [...a, ...b],
  throws: () => {
    throw new Error('merge is not for today');
  },
};
/** Values that start with this cannot be decoded here. */
let undecodable = '';
const codec = {
  encode: (value) => json().encode(value),
  decode(bytes) {
    const value = json().decode(bytes);
    if (undecodable !== '' && String(value).startsWith(undecodable)) throw new Error('not for this thread');
    return value;
  },
};
let queue;
const leases = [];
/** Milliseconds that the next look at the clock takes. */
let slow = 0;
const clock = () => {
  const ms = slow;
  slow = 0;
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return Date.now();
};
const loops = [];
const plain = ({ key, value, updates }) => ({ key, value, updates });

const calls = {
  async open() {
    queue = await DelayQueue.open(file, { codec, clock, ...options, merge: merges[options.merge] });
  },
  store: (item) => queue.store(item),
  storeAll: (items) => queue.storeAll(items),
  /** One item for each number from `first`. */
  fill(first, count) {
    for (let i = first; i < first + count; i++) queue.store({ key: `key ${i}`, value: i });
  },
  retrieve: (limit) => queue.retrieve(limit),
  lease(limit, timeout) {
    leases.push(...queue.lease(limit, { timeout }));
    return leases.map((lease) => ({ ...plain(lease), attempt: lease.attempt }));
  },
  ack: () => leases.splice(0).map((lease) => lease.ack()),
  nack: (how) => leases.splice(0).map((lease) => lease.nack(how)),
  has: (key) => queue.has(key),
  delete: (key) => queue.delete(key),
  size: () => queue.size,
  nextDue: () => queue.nextDue,
  stats: () => queue.stats(),
  refuse(start) {
    undecodable = start;
  },
  /** Takes one item by a loop and leaves it in the way that is told. */
  async once(how) {
    try {
      for await (const item of queue) {
        if (how === 'throw') throw new Error('left');
        if (how === 'ack') item.ack();
        return plain(item);
      }
    } catch (error) {
      return error.message;
    }
  },
  /** Takes one item, and is not done with it. */
  async take() {
    const { value } = await queue.consume().next();
    return plain(value);
  },
  /** A loop that spends `ms` on each item. */
  loop(ms) {
    loops.push(
      (async () => {
        for await (const { key, attempt } of queue) {
          parentPort.postMessage({ got: key, attempt });
          if (ms > 0) await delay(ms);
          parentPort.postMessage({ done: key });
        }
      })(),
    );
  },
  looped: () => Promise.all(loops),
  async waiting(signal) {
    const controller = new AbortController();
    const next = queue.consume({ signal: controller.signal }).next();
    await delay(20);
    controller.abort(new Error(signal));
    await next;
  },
  /** Does not come back to its event loop for so long; says when it begins. */
  block(ms) {
    parentPort.postMessage({ blocked: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  },
  slow(ms) {
    slow = ms;
  },
  close: () => queue.close(),
  leave: () => process.exit(0),
};

parentPort.on('message', async ({ id, call, args }) => {
  try {
    parentPort.postMessage({ id, result: await calls[call](...args) });
  } catch (error) {
    const { name, code, message, cause } = error;
    parentPort.postMessage({ id, error: { name, code, message, cause } });
  }
});
