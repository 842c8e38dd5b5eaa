/**
 * node bench/queue.mjs [keys] [engine ...]: what waiting keys cost, 100 B values: stored, 100 at a time or singly, stored again
 * in random order, retrieved 100 at a time; then what pushes cost. Engines: mmcb, redis (a redis-server of its own, with a log that is synced
 * every second, as mmcb's file is with 'interval', and with one that is left to the system, as with 'process'), bullmq (a tenth of the
 * keys), array. Without names: all that are there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { warmMemory } from './lib/memory.mjs';
import { pushesToArray } from './queue/array.mjs';
import { bullmqQueue } from './queue/bullmq.mjs';
import { mmcbQueue, pushesToPartitionedQueue } from './queue/mmcb.mjs';
import { redisQueue } from './queue/redis.mjs';
import { startRedis } from './queue/redis-server.mjs';

const [first = '1000000', ...names] = process.argv.slice(2);
const count = Number(first);
const wanted = (name) => names.length === 0 || names.includes(name);
/** The system has this much at hand when something is measured: see warmMemory. */
const WARM_BYTES = 2 ** 30;
const folder = mkdtempSync(join(tmpdir(), 'mmcb-bench-queue-'));

/** Prints what one of `n` took, and how many a second that makes; the processor time of this process in brackets. */
async function measure(what, n, work) {
  warmMemory(WARM_BYTES);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const each = ((ms / n) * 1e6).toFixed(0).padStart(7);
  const processor = (((user + system) / n) * 1e3).toFixed(0);
  console.log(`  ${what.padEnd(30)} ${each} ns (${processor})   ${Math.round(n / ms)} k/s`);
}

async function run(name, n, queue) {
  console.log(`${name}, ${n} keys`);
  const keys = Array.from({ length: n }, (_, i) => `key:${i}`);
  const shuffled = keys.map((_, i) => keys[(i * 7_368_787) % n]);
  const value = Buffer.alloc(100, 'x');
  await measure('store, a new key', n, () => queue.store(keys, value));
  if (queue.replaces) await measure('store, a waiting key', n, () => queue.store(shuffled, value));
  if (queue.memory) console.log(`  ${queue.memory(n)}`);
  await measure('retrieve, 100 at a time', n, () => queue.retrieve(n));
  await queue.close();
}

try {
  // Pushes first: what they make is little, and would wait for the collection of a million keys.
  if (wanted('mmcb')) await pushesToPartitionedQueue(join(folder, 'pushes'), count, measure);
  if (wanted('array')) await pushesToArray(count, measure);
  if (wanted('mmcb')) {
    for (const durability of ['interval', 'process']) {
      for (const way of ['100 at a time', 'singly']) {
        const queue = await mmcbQueue(join(folder, `${durability} ${way}`), durability, way === 'singly');
        await run(`DelayQueue, durability '${durability}', ${way}`, count, queue);
      }
    }
  }
  for (const sync of ['everysec', 'no']) {
    const jobs = { redis: wanted('redis'), bullmq: wanted('bullmq') && sync === 'everysec' };
    if (!jobs.redis && !jobs.bullmq) continue;
    const home = mkdtempSync(join(folder, 'redis-'));
    const server = await startRedis(home, sync);
    if (server === undefined) {
      if (names.length > 0) console.log('redis-server, or a client for it, is not there');
      break;
    }
    const name = `Redis, ZSET and HASH, pipelined by 100, appendfsync ${sync}`;
    if (jobs.redis) await run(name, count, await redisQueue(server.socket));
    if (jobs.bullmq) await run('BullMQ, addBulk by 100', count / 10, await bullmqQueue(server.socket));
    await server.stop();
    rmSync(home, { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true });
}
