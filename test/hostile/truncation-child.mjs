/**
 * A process whose file is changed underneath it: argv[2] names a scenario, argv[3] a folder of its own. Prints one line of
 * JSON with what came of it; the test judges. It runs in a process of its own because without containment it dies, or
 * hangs.
 */
import { chmodSync, copyFileSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { binary, CompactableBuffer, IntMap, StringMap } from '../../dist/esm/index.js';

const [, , scenario, folder] = process.argv;
const file = join(folder, 'store.mmcb');
const COUNT = 300;
const value = (i) => Buffer.alloc(500, `value ${i} `);
const large = Buffer.alloc(1_000_000, 'large ');
const small = { initialSize: 65_536, segmentSize: 65_536 };

/** `ok`, or the code of the error and of the system error behind it. */
async function outcome(action) {
  try {
    await action();
    return 'ok';
  } catch (error) {
    return `${error.code ?? error} ${error.cause?.code ?? '-'}`;
  }
}

async function filled(options = {}) {
  const buffer = await CompactableBuffer.open(file, { ...small, ...options });
  const ints = new IntMap(buffer, binary());
  const strings = new StringMap(buffer, binary());
  const addresses = [];
  for (let i = 0; i < COUNT; i++) {
    addresses.push(buffer.add(value(i)));
    ints.set(i, value(i));
    strings.set(`key ${i}`, value(i));
  }
  const largeAddress = buffer.add(large);
  await buffer.flush();
  return { buffer, ints, strings, addresses, largeAddress };
}

/** Closes, and opens nothing again: [outcome of closing, outcome of opening strictly, size of the file]. */
async function ended(buffer) {
  const closed = await outcome(() => buffer.close());
  const size = statSync(file).size;
  const opened = await outcome(async () => (await CompactableBuffer.open(file)).close());
  return { closed, opened, size, sizeAfter: statSync(file).size };
}

/** Every call there is. */
async function every({ buffer, ints, strings, addresses, largeAddress }) {
  const calls = {
    read: () => buffer.read(addresses[0]),
    readInto: () => buffer.readInto(largeAddress, Buffer.alloc(100)),
    view: () => buffer.view(largeAddress, (bytes) => bytes.reduce((sum, byte) => sum + byte, 0)),
    stream: () => buffer.createReadStream(largeAddress).toArray(),
    readHeader: () => buffer.readHeader(addresses[0]),
    entries: () => [...buffer.entries()],
    get: () => ints.get(0),
    getString: () => strings.get('key 0'),
    absent: () => strings.get('never there'),
    keys: () => [...ints.keys()],
    mapEntries: () => [...strings],
    add: () => buffer.add('x'),
    update: () => buffer.update(addresses[1], 'x'),
    remove: () => buffer.remove(addresses[2]),
    batch: () => buffer.batch([{ type: 'add', data: 'x' }]),
    set: () => ints.set(1, value(1)),
    setString: () => strings.set('new', value(1)),
    delete: () => strings.delete('key 2'),
    clear: () => ints.clear(),
    flush: () => buffer.flush(),
    compact: () => buffer.compact(),
    verify: () => buffer.verify(),
    backup: () => buffer.backup(join(folder, 'copy.mmcb')),
  };
  const outcomes = {};
  for (const [name, call] of Object.entries(calls)) outcomes[name] = await outcome(call);
  return outcomes;
}

/** Reads all: how many are right, lost, and anything else. */
function readAll({ ints, strings, buffer, addresses }) {
  const counts = { right: 0, lost: 0, wrong: 0 };
  const check = (read, i) => {
    try {
      counts[read().equals(value(i)) ? 'right' : 'wrong']++;
    } catch (error) {
      counts[error.code === 'MMCB_IO' && error.cause.code === 'EIO' ? 'lost' : 'wrong']++;
    }
  };
  for (let i = 0; i < COUNT; i++) {
    check(() => buffer.read(addresses[i]), i);
    check(() => ints.get(i), i);
    check(() => strings.get(`key ${i}`), i);
  }
  return counts;
}

let signals = 0;
const onSigbus = () => {
  signals++;
};
/** A signal that was sent reaches the listener. */
async function sent() {
  const before = signals;
  process.kill(process.pid, 'SIGBUS');
  for (let i = 0; i < 500 && signals === before; i++) await delay(10);
  return signals > before;
}

const scenarios = {
  async nothing() {
    const store = await filled();
    truncateSync(file, 0);
    return { calls: await every(store), ...(await ended(store.buffer)) };
  },
  async middle() {
    const store = await filled();
    truncateSync(file, 301_234); // all keys and plain entries together take twice that
    const first = readAll(store);
    return {
      first,
      second: readAll(store),
      add: await outcome(() => store.buffer.add('x')),
      ...(await ended(store.buffer)),
    };
  },
  async tail() {
    // Where nothing that lives is missing yet: the sync point finds out.
    const store = await filled();
    truncateSync(file, statSync(file).size - 1);
    const add = await outcome(() => store.buffer.add('x'));
    return {
      reads: readAll(store),
      add,
      flush: await outcome(() => store.buffer.flush()),
      ...(await ended(store.buffer)),
    };
  },
  async readOnly() {
    const { buffer } = await filled();
    await buffer.close();
    const reader = await CompactableBuffer.open(file, { readOnly: true });
    const strings = new StringMap(reader, binary());
    truncateSync(file, 100_000);
    let lost = 0;
    for (let i = 0; i < COUNT; i++) {
      if ((await outcome(() => strings.get(`key ${i}`))) === 'MMCB_IO EIO') lost++;
    }
    return { lost, verify: await outcome(() => reader.verify()), close: await outcome(() => reader.close()) };
  },
  async flushing() {
    const { buffer, ints } = await filled({ syncInterval: 2 });
    const flushes = [];
    for (let i = 0; i < 200; i++) {
      if (i === 50) await flushes[0]; // one, at least, has ended well before
      if (i === 100) truncateSync(file, 40_000);
      await outcome(() => ints.set(i, value(i)));
      flushes.push(outcome(() => buffer.flush()));
      if (i % 10 === 0) await delay(1);
    }
    const outcomes = await Promise.all(flushes);
    return { kinds: [...new Set(outcomes)].sort(), last: outcomes.at(-1), ...(await ended(buffer)) };
  },
  async periodic() {
    const { buffer, ints } = await filled({ syncInterval: 5 });
    const error = new Promise((resolve) => buffer.once('error', resolve));
    truncateSync(file, statSync(file).size - 1);
    const add = await outcome(() => ints.set(0, Buffer.from('x')));
    const alive = setInterval(() => {}, 1000); // a buffer that waits for its sync point keeps no process alive
    const { code, cause } = await error;
    clearInterval(alive);
    return {
      add,
      event: `${code} ${cause.code}`,
      next: await outcome(() => ints.set(0, value(0))),
      ...(await ended(buffer)),
    };
  },
  async compacting() {
    const { buffer, ints, addresses } = await filled();
    for (let i = 0; i < COUNT; i++) if (i % 3) buffer.remove(addresses[i]);
    let cut = false;
    const compact = await outcome(() =>
      buffer.compact({
        onProgress() {
          if (!cut) truncateSync(file, 70_000);
          cut = true;
        },
      }),
    );
    return { cut, compact, set: await outcome(() => ints.set(0, value(0))), ...(await ended(buffer)) };
  },
  async worker() {
    const store = await filled();
    const program = `
      import { workerData, parentPort } from 'node:worker_threads';
      const { CompactableBuffer, IntMap, binary } = await import(workerData.module);
      const buffer = CompactableBuffer.openSync(workerData.file);
      const ints = new IntMap(buffer, binary());
      parentPort.postMessage('reading');
      for (let i = 0; ; i = (i + 1) % ${COUNT}) {
        try {
          if (ints.get(i).length !== 500) throw new Error('wrong bytes');
        } catch (error) {
          parentPort.postMessage((error.code ?? error) + ' ' + error.cause?.code);
          break;
        }
      }`;
    const module = new URL('../../dist/esm/index.js', import.meta.url).href;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), {
      workerData: { file, module },
    });
    const said = [];
    await new Promise((resolve, reject) => {
      worker.on('error', reject).on('exit', resolve);
      worker.on('message', (message) => {
        said.push(message);
        if (message === 'reading') truncateSync(file, 0);
      });
    });
    return { said, main: await outcome(() => store.ints.get(0)), ...(await ended(store.buffer)) };
  },
  async listenerBefore() {
    process.on('SIGBUS', onSigbus);
    const store = await filled();
    truncateSync(file, 0);
    const reads = readAll(store);
    await delay(50);
    return { reads, signals, sent: await sent(), close: await outcome(() => store.buffer.close()) };
  },
  async listenerAfter(options) {
    const store = await filled(options);
    process.on('SIGBUS', onSigbus);
    truncateSync(file, 0);
    const started = Date.now();
    const reads = readAll(store);
    const milliseconds = Date.now() - started;
    const result = { reads, milliseconds, sent: await sent(), close: await outcome(() => store.buffer.close()) };
    process.off('SIGBUS', onSigbus);
    return result;
  },
  listenerAfterInProcessMode: () => scenarios.listenerAfter({ durability: 'process' }),
  async listenerGone() {
    process.on('SIGBUS', onSigbus);
    const store = await filled();
    process.off('SIGBUS', onSigbus); // the system's default stands in our place now
    store.buffer.add('x');
    await store.buffer.flush();
    truncateSync(file, 0);
    return { reads: readAll(store), close: await outcome(() => store.buffer.close()) };
  },
  async foreignSignal() {
    await filled();
    process.kill(process.pid, 'SIGBUS');
    await delay(10_000);
    return {};
  },
  async overwritten() {
    const other = await CompactableBuffer.open(join(folder, 'other.mmcb'), { ...small, initialSize: 2 ** 21 });
    other.add('of another file');
    await other.close();
    const store = await filled();
    copyFileSync(join(folder, 'other.mmcb'), file);
    const add = await outcome(() => store.buffer.add('x'));
    const flush = await outcome(() => store.buffer.flush());
    const before = readFileSync(file);
    const close = await outcome(() => store.buffer.close());
    return { add, flush, close, same: before.equals(readFileSync(file)) };
  },
  async replaced() {
    const store = await filled();
    const errors = [];
    store.buffer.on('error', ({ code, cause }) => errors.push(`${code} ${cause.code}`));
    const other = join(folder, 'other.mmcb');
    await (await CompactableBuffer.open(other)).close();
    const before = readFileSync(other);
    renameSync(other, file);
    const outcomes = [];
    for (let i = 0; i < 3; i++) {
      outcomes.push(await outcome(() => store.ints.set(i, value(i))));
      outcomes.push(await outcome(() => store.buffer.flush()));
    }
    const reads = readAll(store);
    const close = await outcome(() => store.buffer.close());
    return { outcomes: [...new Set(outcomes)], errors, reads, close, untouched: before.equals(readFileSync(file)) };
  },
  async deleted() {
    const store = await filled();
    const errors = [];
    store.buffer.on('error', ({ code, cause }) => errors.push(`${code} ${cause.code}`));
    rmSync(file);
    const again = await CompactableBuffer.open(file, small);
    const fresh = again.stats().count;
    again.add('x');
    await again.close();
    const set = await outcome(() => store.ints.set(0, value(0)));
    const flush = await outcome(() => store.buffer.flush());
    const reads = readAll(store);
    const kept = join(folder, 'kept.mmcb');
    await store.buffer.backup(kept);
    const close = await outcome(() => store.buffer.close());
    const copy = await CompactableBuffer.open(kept);
    const { count } = copy.stats();
    await copy.close();
    return { fresh, set, flush, errors, reads, close, kept: count };
  },
  /** As somebody whom permissions hold for. */
  async permissions() {
    await (await CompactableBuffer.open(':memory:')).close(); // the addon is loaded
    if (process.getuid() === 0) {
      process.setgroups([65534]);
      process.setgid(65534);
      process.setuid(65534);
    }
    const store = await filled();
    chmodSync(file, 0o444);
    const set = await outcome(() => store.ints.set(0, value(0)));
    const flush = await outcome(() => store.buffer.flush());
    const reads = readAll(store);
    const close = await outcome(() => store.buffer.close());
    const write = await outcome(() => CompactableBuffer.open(file));
    const reader = await CompactableBuffer.open(file, { readOnly: true });
    const { status } = reader.recovery;
    const count = reader.stats().count;
    await reader.close();
    chmodSync(file, 0o000);
    const unreadable = await outcome(() => CompactableBuffer.open(file, { readOnly: true }));
    chmodSync(file, 0o644);
    chmodSync(folder, 0o555);
    const create = await outcome(() => CompactableBuffer.open(join(folder, 'new.mmcb')));
    const opened = await CompactableBuffer.open(file);
    const add = await outcome(() => opened.add('x'));
    const backup = await outcome(() => opened.backup(join(folder, 'copy.mmcb')));
    const closed = await outcome(() => opened.close());
    chmodSync(folder, 0o777);
    return { set, flush, reads, close, write, status, count, unreadable, create, add, backup, closed };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
