// An HTTP server, twice, as behind a load balancer: each has its memory, its file, and both have one Redis. A page is made once,
// served from memory by both, and when one changes it, the other's copy is gone at once. REDIS_URL says where Redis is.
import { createServer } from 'node:http';
import { LayeredCache } from 'mmcb';
import { redisLayer } from 'mmcb/redis';

let made = 0;
async function makePage(key) {
  made += 1;
  await new Promise((resolve) => setTimeout(resolve, 20)); // a database, a template
  return `<h1>${key}, version ${made}</h1>`;
}

async function startInstance(name) {
  const cache = await LayeredCache.open({
    path: `${name}.mmcb`, // still there when the process comes back, with Redis or without
    maxEntries: 10_000,
    defaultExpiry: 60_000,
    redis: redisLayer(
      { url: process.env.REDIS_URL ?? 'redis://localhost:6379' },
      { prefix: 'pages:', invalidation: true },
    ),
  });
  const server = createServer(async ({ method, url }, response) => {
    if (method === 'DELETE') response.end(String(await cache.delete(url)));
    else response.end(await cache.getOrLoad(url, makePage, { staleFor: 600_000 }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  return {
    cache,
    request: async (path, method = 'GET') => (await fetch(address + path, { method })).text(),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await cache.close();
    },
  };
}

const [one, two] = await Promise.all([startInstance('one'), startInstance('two')]);

// A hundred at a time, on a cold cache: one call of the loader in each process at most; the second finds it in Redis.
const pages = await Promise.all(Array.from({ length: 100 }, () => one.request('/home')));
console.log(new Set(pages).size, made); // prints: 1 1
console.log(await two.request('/home')); // prints: <h1>/home, version 1</h1>
console.log(two.cache.stats().redis.hits, two.cache.peek('/home') !== undefined); // prints: 1 true

// One instance drops it: the other has nothing stale a moment later.
await one.request('/home', 'DELETE');
while (two.cache.peek('/home') !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
console.log(await two.request('/home')); // prints: <h1>/home, version 2</h1>
console.log(await one.request('/home')); // prints: <h1>/home, version 2</h1>

await one.request('/home', 'DELETE'); // leaves Redis as it was
await Promise.all([one.stop(), two.stop()]);
