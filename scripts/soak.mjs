// Soak test: four workers write to one file, read it and compact it, while one of them is terminated every two seconds and
// another takes its place. Each one checks its own keys and entries all the time; here the whole is watched: verify(), the
// size of the file, memory, open files and mappings. At the end the file is opened again and compared.
//   node scripts/soak.mjs [--seconds N] [--seed N] [--durability interval|process] [--every MILLISECONDS]
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { generator } from '../bench/lib/random.mjs';
import { fail, finish, root, writeReport } from './lib/run.mjs';
import { setup } from './setup.mjs';

const argument = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const seconds = Number(argument('seconds', '20'));
const seed = Number(argument('seed', String(Date.now() % 1_000_000)));
const every = Number(argument('every', '2000'));
const LANES = 4;
const KEYS = 900; // of each
const options = {
  durability: argument('durability', 'interval'),
  initialSize: 0,
  segmentSize: 65_536,
  syncInterval: 50,
  compaction: { policy: 'space', checkInterval: 50 },
};

const failures = [];
const checks = { passed: 0 };
const check = (what, ok) => {
  if (ok) checks.passed++;
  else {
    failures.push(what);
    console.error(`FAILED: ${what}`);
  }
};

const random = generator(seed);

class Lane {
  constructor(file, number) {
    this.file = file;
    this.number = number;
    const words = (type, count) => new SharedArrayBuffer(type.BYTES_PER_ELEMENT * count);
    this.shared = {
      acknowledged: words(Int32Array, KEYS),
      intended: words(Int32Array, KEYS),
      addresses: words(Float64Array, KEYS),
      counters: words(Int32Array, 4),
    };
    new Int32Array(this.shared.acknowledged).fill(-1);
    new Int32Array(this.shared.intended).fill(-1);
    new Float64Array(this.shared.addresses).fill(-1);
    this.counters = new Int32Array(this.shared.counters);
  }

  start() {
    const { file, shared, number: lane } = this;
    const data = { file, options, shared, lane, lanes: LANES, keys: KEYS, seed: Math.floor(random() * 2 ** 31) };
    const worker = new Worker(join(root, 'test/soak/thread.mjs'), { workerData: data });
    this.worker = worker;
    this.done = new Promise((resolve) => worker.on('exit', resolve));
    this.ready = new Promise((resolve) => {
      worker.on('message', (message) => message === 'ready' && resolve());
      worker.on('exit', resolve);
    });
    worker.on('error', (error) => check(`${error.message} (lane ${lane})`, false));
  }

  async replace() {
    await this.worker.terminate();
    this.start();
    await this.ready;
  }

  async stop() {
    Atomics.store(this.counters, 2, 1);
    await this.done;
  }
}

const openFiles = () => readdirSync('/proc/self/fd').length;
const mappings = () => readFileSync('/proc/self/maps', 'utf8').split('\n').length;
const isLinux = process.platform === 'linux';

async function main() {
  await setup();
  const { CompactableBuffer, IntMap, StringMap, binary } = await import('../dist/esm/index.js');
  const { valueBytes } = await import('../test/crash/log.mjs');
  mkdirSync(join(root, 'build'), { recursive: true });
  const folder = mkdtempSync(join(root, 'build', 'soak-'));
  const file = join(folder, 'store.mmcb');
  console.log(
    `soak: ${seconds} s, seed ${seed}, durability ${options.durability}, one of ${LANES} workers terminated every ${every} ms`,
  );

  const buffer = await CompactableBuffer.open(file, options);
  const lanes = Array.from({ length: LANES }, (_, i) => new Lane(file, i));
  for (const lane of lanes) lane.start();
  await Promise.all(lanes.map((lane) => lane.ready));

  const started = Date.now();
  const sum = (index) => lanes.reduce((total, lane) => total + lane.counters[index], 0);
  const samples = [];
  let terminated = 0;
  let verified = 0;
  let largest = 0;
  while (Date.now() - started < seconds * 1000 && failures.length === 0) {
    const before = sum(0);
    await delay(every);
    check(`nothing was done in ${every} ms`, sum(0) > before);
    await lanes[Math.floor(random() * LANES)].replace();
    terminated++;
    const { ok, errors } = await buffer.verify();
    check(`verify(): ${JSON.stringify(errors.slice(0, 3))}`, ok);
    verified++;
    const stats = buffer.stats();
    const sizeOnDisk = statSync(file).size;
    largest = Math.max(largest, sizeOnDisk);
    // The promise is 1.5 x (live data x extension factor), for files that are not tiny; each worker's pace adds to it, as do
    // versions that wait for a sync point, and snapshots: verify() holds one.
    const needed = stats.dataSize * 1.3 + stats.count * 48;
    check(`the file has ${sizeOnDisk} bytes for ${needed}`, sizeOnDisk <= 4 * needed + (8 << 20));
    check(
      'live, slack, garbage and free do not add up',
      stats.liveBytes + stats.slackBytes + stats.garbageBytes + stats.freeBytes === stats.fileSize,
    );
    if (isLinux) samples.push({ rss: process.memoryUsage().rss, files: openFiles(), maps: mappings() });
    const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
    console.log(
      `  ${((Date.now() - started) / 1000).toFixed(0).padStart(5)} s: ${sum(0)} changes, ${sum(1)} reads, ${sum(3)} compactions by workers, ` +
        `${terminated} terminated, ${stats.count} entries, file ${mib(sizeOnDisk)} MiB, RSS ${mib(process.memoryUsage().rss)} MiB` +
        (isLinux ? `, ${openFiles()} files, ${mappings()} mappings` : ''),
    );
  }

  for (const lane of lanes) Atomics.store(lane.counters, 2, 1);
  await Promise.all(lanes.map((lane) => lane.stop()));
  checkGrowth(samples);
  check('a reader was left behind', buffer.stats().readers === 0);
  const { count } = buffer.stats();
  await buffer.close();

  const again = await CompactableBuffer.open(file, options);
  check(
    `recovery says ${again.recovery.status}`,
    again.recovery.status === 'clean' && again.recovery.entries === count,
  );
  check('verify() at the end', (await again.verify()).ok);
  const ints = new IntMap(again, binary());
  const strings = new StringMap(again, binary());
  const sizeOf = (id) => (id % 97 === 0 ? 20_000 + (id % 1000) : id % 11 === 0 ? id % 4000 : id % 300);
  let wrong = 0;
  let expected = 0;
  for (const { number, shared } of lanes) {
    const values = new Int32Array(shared.acknowledged);
    const addresses = new Float64Array(shared.addresses);
    for (let key = 0; key < KEYS; key++) {
      const found = [
        () => ints.get(key * LANES + number),
        () => strings.get(`lane ${number}, key ${key}`),
        () => (addresses[key] >= 0 ? again.read(addresses[key]) : undefined),
      ][key % 3]();
      const id = values[key];
      if (id >= 0) expected++;
      if (id < 0 ? found !== undefined : !found?.equals(valueBytes(id, sizeOf(id)))) wrong++;
    }
  }
  check(`${wrong} keys are not what was acknowledged`, wrong === 0);
  // Of each termination in the middle of an add, one entry may be there that nobody knows the address of.
  check(
    `${again.stats().count} entries, ${expected} expected`,
    again.stats().count - expected >= 0 && again.stats().count - expected <= terminated,
  );
  await again.close();
  if (failures.length === 0) rmSync(folder, { recursive: true, force: true });
  else console.error(`the file is kept: ${file}`);

  console.log(
    `soak: ${sum(0)} changes, ${sum(1)} reads, ${sum(3)} compactions, ${terminated} workers terminated, ${verified} times verified, ` +
      `file at most ${(largest / 2 ** 20).toFixed(1)} MiB; seed ${seed}`,
  );
  finish('soak', { passed: checks.passed, failed: failures.length });
}

/** Memory, open files and mappings settle: the last third of the samples is no higher than the second, but for noise. */
function checkGrowth(samples) {
  if (samples.length < 6) return;
  const third = Math.floor(samples.length / 3);
  const median = (list, name) => list.map((sample) => sample[name]).sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(-third)];
  for (const [name, noise] of [
    ['rss', 48 << 20],
    ['files', 4],
    ['maps', 120],
  ]) {
    const [before, after] = [median(middle, name), median(last, name)];
    check(`${name} has grown from ${before} to ${after}`, after <= before * 1.15 + noise);
  }
}

await main().catch((error) => {
  fail(error);
  writeReport('soak', { passed: 0, failed: 1 });
});
