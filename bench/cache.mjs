/**
 * node bench/cache.mjs [keys]: what a LayeredCache costs beside lru-cache, cacheable and cache-manager with Keyv, all without
 * copies: hits in memory, in the file and in Redis (where there is a redis-server), and a stampede.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { json, LayeredCache } from '../dist/esm/index.js';
import { redisLayer } from '../dist/esm/redis/index.js';
import { installPackages } from '../scripts/setup.mjs';

await installPackages('bench');
const { LRUCache } = await import('lru-cache');
const { Cacheable, CacheableMemory, Keyv } = await import('cacheable');
const { createCache } = await import('cache-manager');

const count = Number(process.argv[2] ?? 100_000);
const ROUNDS = 9;
const folder = mkdtempSync(join(tmpdir(), 'mmcb-bench-cache-'));
const keys = Array.from({ length: count }, (_, i) => `key:${i}`);
const order = keys.map((_, i) => keys[(i * 7_368_787) % count]);
const value = { id: 1, name: 'Amsterdam', text: 'x'.repeat(60) };

/** The best of some rounds, in ns for each of `n`. */
const best = async (n, work) => (await bestOfEach(n, { work })).work;

/** The same of several, their rounds interleaved: what else the machine does meanwhile meets all of them. */
async function bestOfEach(n, works) {
  const least = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, work] of Object.entries(works)) {
      const start = performance.now();
      await work();
      least[name] = Math.min(least[name] ?? Number.POSITIVE_INFINITY, ((performance.now() - start) / n) * 1e6);
    }
  }
  return least;
}
const report = (what, ns) => console.log(`  ${what.padEnd(44)} ${ns.toFixed(0).padStart(8)} ns`);

// Each has its own loop, so that each is compiled for one kind of call.
async function memory() {
  console.log(`hits in memory, ${count} keys, values by reference`);
  const lru = new LRUCache({ max: count });
  const map = new Map();
  const cache = await LayeredCache.open({ maxEntries: count });
  const cacheable = new Cacheable({ primary: new Keyv({ store: new CacheableMemory({ useClone: false }) }) });
  const manager = createCache({ stores: [new Keyv({ store: new CacheableMemory({ useClone: false }) })] });
  for (const key of keys) {
    map.set(key, value);
    lru.set(key, value);
    await Promise.all([cache.put(key, value), cacheable.set(key, value), manager.set(key, value)]);
  }
  let found = 0;
  const measure = async (title, works) => {
    console.log(title);
    found = 0;
    const figures = await bestOfEach(count, works);
    const hits = count * ROUNDS * Object.keys(works).length;
    if (found !== hits) throw new Error(`${found} hits instead of ${hits}`);
    for (const [name, ns] of Object.entries(figures)) report(name, ns);
  };
  await measure(' at once', {
    'Map.get, for comparison': () => {
      for (const key of order) if (map.get(key)) found++;
    },
    'lru-cache get': () => {
      for (const key of order) if (lru.get(key)) found++;
    },
    'LayeredCache peek': () => {
      for (const key of order) if (cache.peek(key)) found++;
    },
  });
  await measure(' with await', {
    'lru-cache get': async () => {
      for (const key of order) if (await lru.get(key)) found++;
    },
    'LayeredCache get': async () => {
      for (const key of order) if (await cache.get(key)) found++;
    },
    'cacheable get': async () => {
      for (const key of order) if (await cacheable.get(key)) found++;
    },
    'cache-manager get': async () => {
      for (const key of order) if (await manager.get(key)) found++;
    },
  });
  await cache.close();
}

async function file() {
  console.log('hits in the file, nothing in memory');
  const path = join(folder, 'cache');
  const cache = await LayeredCache.open({ path, codec: json(), memory: { maxBytes: 1 } });
  for (const key of keys) await cache.put(key, value);
  const ns = await best(count, async () => {
    for (const key of order) await cache.get(key);
  });
  report('LayeredCache get', ns);
  await cache.close();
  const start = performance.now();
  const again = await LayeredCache.open({ path, codec: json() });
  await again.get(keys[count - 1]);
  console.log(`  opening it again, and the first hit: ${(performance.now() - start).toFixed(0)} ms`);
  await again.close();
  return ns;
}

async function redis(fileHit) {
  const few = order.slice(0, 5000);
  console.log(`hits in Redis on loopback, one after the other, ${few.length} keys`);
  const socket = createServer().listen(0);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  const server = spawn('redis-server', ['--port', `${port}`, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
  try {
    await once(server, 'spawn');
  } catch {
    return console.log('  LEFT OUT: there is no redis-server');
  }
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', () => {}); // it tries again until the server is there
  await client.connect();
  const layer = redisLayer({ url: `redis://127.0.0.1:${port}` });
  const cache = await LayeredCache.open({
    codec: json(),
    memory: { maxBytes: 1 },
    redis: layer,
    onRedisError: 'throw',
  });
  for (const key of few) await Promise.all([client.set(key, JSON.stringify(value)), cache.put(key, value)]);
  const plain = await best(few.length, async () => {
    for (const key of few) JSON.parse(await client.get(key));
  });
  report('node-redis get and JSON.parse', plain);
  report(
    'LayeredCache get',
    await best(few.length, async () => {
      for (const key of few) await cache.get(key);
    }),
  );
  console.log(`  a hit in the file takes 1/${(plain / fileHit).toFixed(0)} of the former`);
  await cache.close();
  client.destroy();
  server.kill('SIGKILL');
}

async function stampede() {
  console.log('1000 concurrent misses of one key, a loader of 20 ms');
  const load = (calls) => async () => {
    calls.count += 1;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return value;
  };
  const measure = async (what, call) => {
    const calls = { count: 0 };
    const loader = load(calls);
    const start = performance.now();
    await Promise.all(Array.from({ length: 1000 }, () => call(loader)));
    console.log(
      `  ${what.padEnd(32)} ${String(calls.count).padStart(5)} loads ${(performance.now() - start).toFixed(0).padStart(5)} ms`,
    );
  };
  const cache = await LayeredCache.open();
  const cacheable = new Cacheable();
  const manager = createCache({ stores: [new Keyv()] });
  const lru = new LRUCache({ max: 10, fetchMethod: (_, __, { context }) => context() });
  await measure('LayeredCache getOrLoad', (loader) => cache.getOrLoad('a', loader));
  await measure('cacheable getOrSet', (loader) => cacheable.getOrSet('a', loader));
  await measure('cache-manager wrap', (loader) => manager.wrap('a', loader));
  await measure('lru-cache fetch', (loader) => lru.fetch('a', { context: loader }));
  await cache.close();
}

await memory();
await redis(await file());
await stampede();
rmSync(folder, { recursive: true });
