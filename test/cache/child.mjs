/**
 * A process, or a thread, with a cache open: it does what it is told. Messages { id, call, args } are answered with { id, result } or
 * { id, error }. The first, 'open', gets { url, layer, options }.
 */
import { parentPort } from 'node:worker_threads';
import { json, LayeredCache } from '../../dist/esm/index.js';
import { redisLayer } from '../../dist/esm/redis/index.js';

let cache;
let loads = 0;
const calls = {
  async open({ url, layer, options }) {
    cache = await LayeredCache.open({ codec: json(), ...options, ...(url && { redis: redisLayer({ url }, layer) }) });
  },
  get: (key) => cache.get(key),
  peek: (key) => cache.peek(key),
  put: (key, value, expiry) => cache.put(key, value, expiry),
  set: (key, value, expiry) => cache.set(key, value, expiry),
  delete: (key) => cache.delete(key),
  /** Reads a key over and over until it has a value; how many milliseconds after `since` that was. */
  async see(key, value, since) {
    for (;;) {
      const found = await cache.get(key);
      if (found === value || (value === null && found === undefined)) return Date.now() - since;
      if (Date.now() - since > 5000) throw new Error(`${key} is still ${found}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  },
  /** Sets all keys; which of them it was the first to. */
  async race(keys, value) {
    const won = [];
    await Promise.all(keys.map(async (key) => (await cache.set(key, value)) && won.push(key)));
    return won;
  },
  /** Puts and deletes at random until told to stop; what it was told had been accepted, last for each key. */
  async work(name, keys, milliseconds) {
    const accepted = {};
    let count = 0;
    let slowest = 0;
    for (const end = Date.now() + milliseconds; Date.now() < end; count++) {
      const key = keys[Math.floor(Math.random() * keys.length)];
      const started = performance.now();
      if (Math.random() < 0.2) {
        await cache.delete(key);
        accepted[key] = null;
      } else {
        const value = `${name} ${count}`;
        await cache.put(key, value);
        accepted[key] = value;
      }
      await cache.get(keys[count % keys.length]);
      slowest = Math.max(slowest, performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { accepted, count, slowest };
  },
  async load(key, milliseconds) {
    return cache.getOrLoad(key, async () => {
      loads += 1;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      return `loaded ${key}`;
    });
  },
  loads: () => loads,
  hang: (key) => void cache.getOrLoad(key, () => new Promise(() => {})),
  stats: () => {
    const { redis, ...stats } = cache.stats();
    return { ...stats, redis: redis && { ...redis, lastError: String(redis.lastError) } };
  },
  close: () => cache.close(),
};

const answer = (message) => (parentPort === null ? process.send(message) : parentPort.postMessage(message));
(parentPort ?? process).on('message', async ({ id, call, args }) => {
  try {
    const result = await calls[call](...args);
    answer({ id, result: result === undefined ? null : result });
  } catch (error) {
    answer({ id, error: { code: error.code, message: error.message } });
  }
});
