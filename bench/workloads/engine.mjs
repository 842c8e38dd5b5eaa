/**
 * Figures of mmcb that no peer has a counterpart for: opening, compaction, the cost of a sync point, memory, threads. Each
 * step goes on with the file of the one before; entries are those of an IntMap.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { binary, IntMap } from '../../dist/esm/index.js';
import { bytesWrittenToDisk, residentMemory } from '../lib/memory.mjs';
import { latencySummary, median } from '../lib/statistics.mjs';

const UPDATES = 10_000;
const REPEATS = 5;
const LOAD_BLOCK = 500; // operations of the foreground between two looks at whether compaction has ended
const helper = (name) => fileURLToPath(new URL(`./${name}`, import.meta.url));

export function engineWorkloads(input, { folder }) {
  const path = join(folder, 'bench.mmcb');
  const open = (options) => IntMap.open(path, { codec: binary(), ...options });
  const step = (name, measure) => ({ name, needs: [], measure });
  let map;

  return [
    step('memory per entry', async () => {
      // JavaScript's own heap grows to its usual size first: it would be a part of the figure.
      const small = await IntMap.open(':memory:', { codec: binary() });
      for (let key = 0; key < 100_000; key++) small.set(key, input.values[key & input.mask]);
      await small.close();
      globalThis.gc();
      const before = residentMemory().own;
      map = await open();
      fill(map, input);
      globalThis.gc();
      return { value: (residentMemory().own - before) / input.entries, unit: 'bytes' };
    }),
    step('sync of 10,000 updates', async () => {
      const { milliseconds, written } = await syncCost(map, input, folder);
      return {
        value: milliseconds,
        unit: 'ms',
        also: { 'sync of 10,000 updates, written': { value: written, unit: 'MB' } },
      };
    }),
    step('clean open', async () => {
      await map.close();
      const { elapsed } = await timedOpen(open, input.entries, 'clean', (opened) => {
        map = opened;
      });
      return { value: elapsed, unit: 'ms' };
    }),
    step('unclean open, rate', async () => {
      await map.close();
      await killWriter(path);
      const { elapsed } = await timedOpen(open, input.entries, undefined, (opened) => {
        map = opened;
      });
      return { value: input.entries / 1e3 / elapsed, unit: 'million entries per second' };
    }),
    step('compaction alone, rate', async () => {
      await map.close();
      map = await open({ compaction: { policy: 'disabled' } });
      const live = removeHalf(map, input, 0);
      await map.flush();
      const start = performance.now();
      await map.compact();
      return { value: live / 1e3 / (performance.now() - start), unit: 'million entries per second' };
    }),
    step('compaction beside load, rate', async () => {
      fill(map, input);
      const live = removeHalf(map, input, 1);
      await map.flush();
      const keys = input.order.filter((key) => map.has(key));
      const idle = await foreground(map, keys, input, (operations) => operations < 200_000);
      let compacting = true;
      const start = performance.now();
      const compaction = map.compact().then(() => {
        compacting = false;
        return performance.now() - start;
      });
      const beside = await foreground(map, keys, input, () => compacting);
      const value = live / 1e3 / (await compaction);
      const also = { value: beside.p999 / idle.p999, unit: '× the idle p99.9', idle, beside };
      return {
        value,
        unit: 'million entries per second',
        also: { 'compaction beside load, p99.9 of the foreground': also },
      };
    }),
    step('two workers', async () => {
      fill(map, input);
      const [one, two] = [[], []];
      for (let repeat = 0; repeat < REPEATS; repeat++) {
        one.push(await workers(path, 1, input));
        two.push(await workers(path, 2, input));
      }
      await map.close();
      return { value: median(two) / median(one), unit: '× the throughput' };
    }),
  ];
}

function fill(map, { entries, values, mask }) {
  for (let key = 0; key < entries; key++) map.set(key, values[key & mask]);
}

/** Removes every second key in random order, from `first` on; returns how many are left. */
function removeHalf(map, { order }, first) {
  for (let i = first; i < order.length; i += 2) map.delete(order[i]);
  return map.size;
}

async function syncCost(map, { order, values, mask, entries }, folder) {
  const times = [];
  const written = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    await map.flush();
    const updates = Math.min(UPDATES, entries);
    for (let i = 0; i < updates; i++) {
      const key = order[(repeat * updates + i) % entries];
      map.set(key, values[(key + 7 * (repeat + 1)) & mask]);
    }
    const before = bytesWrittenToDisk(folder);
    const start = performance.now();
    await map.flush();
    times.push(performance.now() - start);
    written.push((bytesWrittenToDisk(folder) - before) / 1e6);
  }
  return { milliseconds: median(times), written: median(written) };
}

async function timedOpen(open, entries, status, keep) {
  globalThis.gc();
  const start = performance.now();
  const map = await open();
  const elapsed = performance.now() - start;
  keep(map);
  if (map.size !== entries) throw new Error(`opened with ${map.size} instead of ${entries} entries`);
  if ((map.recovery.status === 'clean') !== (status === 'clean'))
    throw new Error(`opening found the file ${map.recovery.status}`);
  return { elapsed };
}

/** Leaves the file as a process does that is killed while it writes. */
async function killWriter(path) {
  const child = fork(helper('killed-writer.mjs'), [path], { execArgv: [] });
  const [, signal] = await once(child, 'exit');
  if (signal !== 'SIGKILL') throw new Error('the writer was not killed');
}

/** Random gets and, for every fourth, an update; latencies of single operations while `goesOn` says so. */
async function foreground(map, keys, { values, mask }, goesOn) {
  const nanoseconds = [];
  let i = 0;
  while (goesOn(i)) {
    for (let inBlock = 0; inBlock < LOAD_BLOCK; inBlock++, i++) {
      const key = keys[i % keys.length];
      const before = process.hrtime.bigint();
      if (i % 4 === 3) map.set(key, values[(key + i) & mask]);
      else map.get(key);
      nanoseconds.push(Number(process.hrtime.bigint() - before));
    }
    await turn(); // lets the end of a compaction be heard of
  }
  return latencySummary(nanoseconds);
}

/** Operations per millisecond of threads that get and update keys of their own. */
async function workers(path, count, { entries, operations, size }) {
  const threads = Array.from({ length: count }, (_, number) => {
    const workerData = {
      path,
      first: Math.floor((number * entries) / 2),
      keys: Math.floor(entries / 2),
      operations,
      size,
    };
    return new Worker(helper('worker.mjs'), { workerData });
  });
  const ended = threads.map((thread) => once(thread, 'exit'));
  await Promise.all(threads.map((thread) => once(thread, 'message'))); // all have opened the file
  const start = performance.now();
  for (const thread of threads) thread.postMessage('go');
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  const elapsed = performance.now() - start;
  await Promise.all(ended);
  return (count * operations) / elapsed;
}
