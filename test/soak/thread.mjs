/**
 * A worker of the soak test: writes to its own keys and entries, reads what it wrote and what others did, and compacts now and
 * then, until it is told to stop, or is terminated in the middle of anything.
 *
 * What it has done stands in shared memory, for the one that takes its place: for each of its keys the number of the value
 * that was acknowledged, and of the one that is being set (the same, when none is). -1: the key is not there.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { generator } from '../../bench/lib/random.mjs';
import { binary, CompactableBuffer, IntMap, StringMap } from '../../dist/esm/index.js';
import { valueBytes } from '../crash/log.mjs';

const { file, options, lane, lanes, keys, shared, seed } = workerData;
const buffer = CompactableBuffer.openSync(file, options);
const ints = new IntMap(buffer, binary());
const strings = new StringMap(buffer, binary());
const plain = shared.addresses; // one Float64 for each entry without a key; the key's number leads to it
const state = {
  acknowledged: new Int32Array(shared.acknowledged),
  intended: new Int32Array(shared.intended),
  addresses: new Float64Array(plain),
  counters: new Int32Array(shared.counters),
};
const OPERATIONS = 0;
const READS = 1;
const STOP = 2;
const COMPACTIONS = 3;

const random = generator(seed);
const below = (n) => Math.floor(random() * n);

const sizeOf = (id) => (id % 97 === 0 ? 20_000 + (id % 1000) : id % 11 === 0 ? id % 4000 : id % 300);
const bytesOf = (id) => valueBytes(id, sizeOf(id));

/** Keys come in three kinds, in turn: integers, strings, entries without a key. Those know only their address. */
const kinds = [
  {
    set: (key, id) => void ints.set(key * lanes + lane, bytesOf(id)),
    remove: (key) => void ints.delete(key * lanes + lane),
    get: (key, of) => ints.get(key * lanes + of),
  },
  {
    set: (key, id) => void strings.set(`${of(lane)}${key}`, bytesOf(id)),
    remove: (key) => void strings.delete(`${of(lane)}${key}`),
    get: (key, owner) => strings.get(`${of(owner)}${key}`),
  },
  {
    set(key, id) {
      const address = state.addresses[key];
      if (address >= 0) return void buffer.update(address, bytesOf(id));
      state.addresses[key] = buffer.add(bytesOf(id));
    },
    remove(key) {
      const address = state.addresses[key];
      if (address < 0) return;
      buffer.remove(address);
      state.addresses[key] = -1;
    },
    get: (key) => (state.addresses[key] >= 0 ? buffer.read(state.addresses[key]) : undefined),
  },
];
const of = (owner) => `lane ${owner}, key `;
const kind = (key) => kinds[key % 3];

const matches = (found, id) =>
  id < 0 ? found === undefined : found !== undefined && Buffer.compare(found, bytesOf(id)) === 0;
const fault = (key, found) => {
  const [is, might] = [state.acknowledged[key], state.intended[key]];
  throw new Error(
    `lane ${lane}, key ${key}: should hold value ${is}${is === might ? '' : ` or ${might}`}, holds ${found?.length} bytes`,
  );
};

/** What the one before was doing when it was terminated has happened, or it has not. */
function takeOver() {
  for (let key = 0; key < keys; key++) {
    const [is, might] = [state.acknowledged[key], state.intended[key]];
    if (key % 3 === 2 && is !== might && (is < 0 || might < 0)) {
      // An add or a removal was cut: its address may not have been noted. Whatever it was, it is put away.
      if (state.addresses[key] >= 0 && buffer.has(state.addresses[key])) buffer.remove(state.addresses[key]);
      state.addresses[key] = -1;
      state.acknowledged[key] = state.intended[key] = -1;
      continue;
    }
    const found = kind(key).get(key, lane);
    if (matches(found, is)) state.intended[key] = is;
    else if (matches(found, might)) state.acknowledged[key] = might;
    else fault(key, found);
  }
}

function change(key) {
  const next = random() < 0.2 ? -1 : 1 + below(1_000_000_000);
  state.intended[key] = next;
  if (next < 0) kind(key).remove(key);
  else kind(key).set(key, next);
  state.acknowledged[key] = next;
  Atomics.add(state.counters, OPERATIONS, 1);
}

/** Several keys at once, all or nothing; only integers, so that what is intended says all. */
function changeMany() {
  const chosen = [...new Set(Array.from({ length: 2 + below(20) }, () => 3 * below(keys / 3)))];
  const entries = chosen.map((key) => {
    state.intended[key] = 1 + below(1_000_000_000);
    return [key * lanes + lane, bytesOf(state.intended[key])];
  });
  ints.setMany(entries);
  for (const key of chosen) state.acknowledged[key] = state.intended[key];
  Atomics.add(state.counters, OPERATIONS, chosen.length);
}

function look() {
  const key = below(keys);
  const found = kind(key).get(key, lane);
  if (!matches(found, state.acknowledged[key])) fault(key, found);
  // Another's key: what it holds is not known, but must be whole. get() checks that, and throws.
  const other = below(lanes);
  const theirs = key % 3 === 2 ? undefined : kind(key).get(key, other);
  if (theirs !== undefined && theirs.length > 25_000) fault(key, theirs);
  Atomics.add(state.counters, READS, 1);
}

takeOver();
parentPort.postMessage('ready');
for (let i = 0; Atomics.load(state.counters, STOP) === 0; i++) {
  for (let n = 0; n < 50; n++) {
    const roll = random();
    if (roll < 0.5) look();
    else if (roll < 0.95) change(below(keys));
    else changeMany();
  }
  if (i % 40 === 39) {
    const what = below(4);
    if (what === 0) {
      await buffer.compact().catch(busy);
      Atomics.add(state.counters, COMPACTIONS, 1);
    } else if (what === 1) await buffer.flush();
    else if (what === 2) for (const _ of ints.keys()) if (random() < 0.01) break;
  }
  // Gives way, so that the file can be looked at by others too.
  if (i % 10 === 0) await new Promise(setImmediate);
}
for (let key = 0; key < keys; key++) {
  const found = kind(key).get(key, lane);
  if (!matches(found, state.acknowledged[key])) fault(key, found);
}
await buffer.close();
parentPort.postMessage('done');
parentPort.close();

function busy(error) {
  if (error.code !== 'MMCB_CLOSED') throw error;
}
