/**
 * node bench/ordered.mjs [keys] [rounds] [--processor]: keys in order. An OrderedMap beside a StringMap (what order costs), MmcbLevel beside
 * classic-level (the same interface), and lmdb's ranges. 100 B values under 16-character keys, nothing synced per call.
 *
 * Rounds are interleaved, each subject in a file of its own; what is printed is the median of each, in nanoseconds for each
 * entry, and how many times OrderedMap's that is; with --processor of processor time, all threads together, which a busy machine
 * changes less. classic-level is taken from bench/node_modules (`npm install` there).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binary, OrderedMap, StringMap } from '../dist/esm/index.js';
import { MmcbLevel } from '../dist/esm/level/index.js';

const [count = 1_000_000, rounds = 3] = process.argv.slice(2).map(Number).filter(Number.isFinite);
const byProcessor = process.argv.includes('--processor');
/** Milliseconds. */
const now = () => {
  if (!byProcessor) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const SCAN = 100;
const scans = Math.max(10, Math.floor(count / 500));
const folder = mkdtempSync(join(tmpdir(), 'mmcb-bench-ordered-'));
const value = Buffer.alloc(100, 'x');
const other = Buffer.alloc(100, 'y');
const keys = Array.from({ length: count }, (_, i) => `key:${String(i).padStart(12, '0')}`);
// Every number below `count` once, in an order that looks random: the step shares no factor with it.
const step = [7_368_787, 7_368_791, 15_485_863].find((prime) => count % prime !== 0);
const order = keys.map((_, i) => (i * step) % count);

const levelOptions = { keyEncoding: 'utf8', valueEncoding: 'buffer' };
const optional = (load) => load().catch(() => undefined);
const { ClassicLevel } = (await optional(() => import('classic-level'))) ?? {};
const { open: openLmdb } = (await optional(() => import('lmdb'))) ?? {};

/** What is measured of a map of mmcb. */
const ofMap = (map) => ({
  set: (i, data) => map.set(keys[i], data),
  get: (i) => map.get(keys[i]),
  has: (i) => map.has(keys[i]),
  delete: (i) => map.delete(keys[i]),
  ...(map.range && {
    scan: (i, reverse) => {
      let found = 0;
      for (const _ of map.range(reverse ? { lte: keys[i], reverse, limit: SCAN } : { gte: keys[i], limit: SCAN }))
        found++;
      return found;
    },
    scanKeys: (i) => {
      let found = 0;
      for (const _ of map.keys({ gte: keys[i], limit: SCAN })) found++;
      return found;
    },
  }),
  all: () => {
    let found = 0;
    for (const _ of map) found++;
    return found;
  },
  close: () => map.close(),
});

/** The same of an abstract-level database. Writes in batches of 1000, as both like them best. */
const ofLevel = (db) => {
  let pending = [];
  const write = async () => {
    await db.batch(pending, levelOptions);
    pending = [];
  };
  const range = (i, reverse) => (reverse ? { lte: keys[i], reverse, limit: SCAN } : { gte: keys[i], limit: SCAN });
  const add = (operation) => {
    pending.push(operation);
    return pending.length === 1000 ? write() : undefined;
  };
  return {
    set: (i, data) => add({ type: 'put', key: keys[i], value: data }),
    delete: (i) => add({ type: 'del', key: keys[i] }),
    done: () => (pending.length > 0 ? write() : undefined),
    get: (i) => db.getSync(keys[i]),
    scan: async (i, reverse) => (await db.iterator(range(i, reverse)).all()).length,
    scanKeys: async (i) => (await db.keys(range(i, false)).all()).length,
    all: async () => {
      let found = 0;
      const iterator = db.iterator({ highWaterMarkBytes: 2 ** 20 });
      for (let entries = await iterator.nextv(1000); entries.length > 0; entries = await iterator.nextv(1000)) {
        found += entries.length;
      }
      await iterator.close();
      return found;
    },
    close: () => db.close(),
  };
};

const ofLmdb = (db) => {
  let last;
  const read = (range) => {
    let found = 0;
    for (const _ of range) found++;
    return found;
  };
  return {
    set: (i, data) => {
      last = db.put(keys[i], data);
    },
    delete: (i) => {
      last = db.remove(keys[i]);
    },
    done: () => last,
    get: (i) => db.get(keys[i]),
    has: (i) => db.doesExist(keys[i]),
    scan: (i, reverse) => read(db.getRange({ start: keys[i], limit: SCAN, reverse })),
    scanKeys: (i) => read(db.getKeys({ start: keys[i], limit: SCAN })),
    all: () => read(db.getRange({})),
    close: () => db.close(),
  };
};

const subjects = {
  OrderedMap: async (path) => ofMap(await OrderedMap.open(path, { codec: binary() })),
  StringMap: async (path) => ofMap(await StringMap.open(path, { codec: binary() })),
  MmcbLevel: async (path) => {
    const db = new MmcbLevel(path, levelOptions);
    await db.open();
    return ofLevel(db);
  },
  ...(ClassicLevel && {
    'classic-level': async (path) => {
      const db = new ClassicLevel(path, {
        ...levelOptions,
        compression: false,
        cacheSize: 256 * 2 ** 20,
        writeBufferSize: 64 * 2 ** 20,
      });
      await db.open();
      return ofLevel(db);
    },
  }),
  ...(openLmdb && {
    lmdb: async (path) =>
      ofLmdb(openLmdb({ path, encoding: 'binary', noSync: true, mapSize: Math.max(2 ** 28, count * 1024) })),
  }),
};

/** Workloads in their order: how many entries each is about, and what it does; `wanted` is checked. */
const workloads = [
  ['set, new, random order', count, (s) => each(s, 'set', order, value)],
  ['get, random', count, (s) => each(s, 'get', order)],
  ['has, random', count, (s) => each(s, 'has', order)],
  ['set, present, random', count, (s) => each(s, 'set', order, other)],
  [`scan ${SCAN}, from random keys`, scans * SCAN, (s) => scan(s, 'scan', false)],
  [`scan ${SCAN}, in reverse`, scans * SCAN, (s) => scan(s, 'scan', true)],
  [`scan ${SCAN}, keys only`, scans * SCAN, (s) => scan(s, 'scanKeys', false)],
  ['scan, all', count, async (s) => check(await s.all(), count)],
  ['delete, random', count, (s) => each(s, 'delete', order)],
];

async function each(subject, call, numbers, data) {
  const work = subject[call];
  let odd = 0;
  for (let i = 0; i < count; i++) {
    const result = work(numbers[i], data);
    // Waiting costs a turn of the loop: only for who asks for it.
    if (result instanceof Promise) await result;
    else if (call === 'get' && result.length !== 100) odd++;
  }
  await subject.done?.();
  check(odd, 0);
}

async function scan(subject, call, reverse) {
  let found = 0;
  for (let i = 0; i < scans; i++) {
    // Not so near to an end that fewer are there.
    const from = SCAN + (order[i] % (count - 2 * SCAN));
    const result = subject[call](from, reverse);
    found += result instanceof Promise ? await result : result;
  }
  check(found, scans * SCAN);
}

function check(found, wanted) {
  if (found !== wanted) throw new Error(`found ${found}, and should have found ${wanted}`);
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const figures = Object.fromEntries(Object.keys(subjects).map((name) => [name, workloads.map(() => [])]));
const openings = { OrderedMap: [], StringMap: [] };

try {
  for (let round = 0; round < rounds; round++) {
    const names = Object.keys(subjects);
    for (const name of [...names.slice(round % names.length), ...names.slice(0, round % names.length)]) {
      const path = join(folder, `${name}-${round}`);
      let subject = await subjects[name](path);
      for (const [index, [, entries, work]] of workloads.entries()) {
        const [what] = workloads[index];
        const call = what.startsWith('has')
          ? 'has'
          : what.endsWith('keys only')
            ? 'scanKeys'
            : what.startsWith('scan 1')
              ? 'scan'
              : 'get';
        if (subject[call] === undefined) continue;
        const start = now();
        await work(subject);
        figures[name][index].push(((now() - start) * 1e6) / entries);
        if (what === 'scan, all' && openings[name] !== undefined) {
          await subject.close();
          const opened = now();
          subject = await subjects[name](path);
          openings[name].push(now() - opened);
        }
      }
      await subject.close();
      rmSync(path, { recursive: true, force: true });
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log(
  `${count} keys, ${rounds} rounds: ns ${byProcessor ? 'of processor time ' : ''}for each entry (times OrderedMap's)`,
);
const names = Object.keys(subjects);
console.log(''.padEnd(28) + names.map((name) => name.padStart(18)).join(''));
for (const [index, [what]] of workloads.entries()) {
  const base = median(figures.OrderedMap[index]);
  const cells = names.map((name) => {
    const samples = figures[name][index];
    if (samples.length === 0) return '-';
    const ns = median(samples);
    return `${ns.toFixed(0)} (${(ns / base).toFixed(2)})`;
  });
  console.log(what.padEnd(28) + cells.map((cell) => cell.padStart(18)).join(''));
}
console.log(
  `opening: OrderedMap ${median(openings.OrderedMap).toFixed(0)} ms, StringMap ${median(openings.StringMap).toFixed(0)} ms`,
);
