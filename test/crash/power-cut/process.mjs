/**
 * The process that gets killed. It loads everything, waits for a line on stdin with { file, log, seed, options, firstId,
 * largest, most, reopens }, opens the file and writes to it, in every way there is, until it is killed. `most`: entries of
 * each kind, about; `reopens`: it also closes the file now and then, and opens it again.
 */
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';
import { binary, CompactableBuffer, IntMap, StringMap } from '../../../dist/esm/index.js';
import { LogWriter, valueBytes } from '../log.mjs';

for await (const line of createInterface({ input: process.stdin })) {
  await run(JSON.parse(line));
  break;
}

async function run({ file, log: logFile, seed, options, firstId, largest, most = 250, reopens = false }) {
  const log = new LogWriter(logFile);
  const random = generator(seed);
  const int = (min, max) => min + Math.floor(random() * (max - min + 1));
  let buffer, ints, strings;
  const open = async () => {
    buffer = await CompactableBuffer.open(file, options);
    ints = new IntMap(buffer, binary());
    strings = new StringMap(buffer, binary());
  };
  await open();
  const addresses = [...buffer.addresses()].filter((address) => buffer.readHeader(address).kind === 'plain');
  log.write('o', { status: buffer.recovery.status, entries: buffer.recovery.entries });
  let id = firstId;
  let returned = 0; // operations so far

  const value = () => {
    const kind = random();
    const size = kind < 0.04 ? 0 : kind < 0.8 ? int(1, 300) : kind < 0.985 ? int(300, 9000) : int(9000, largest);
    return { id: id++, size };
  };
  const bytes = (v) => valueBytes(v.id, v.size);
  const intKey = () => int(-most, most) * (random() < 0.5 ? 1 : 2 ** 40);
  const stringKey = () => ['', 'k', 'key:', '\0', 'schlüssel-'][int(0, 4)] + int(0, most / 3);

  const perform = (operation, action) => {
    log.write('b', operation);
    const result = action();
    log.write('a', result);
    returned += 1;
  };
  // What had returned when a sync point was asked for is on the disk once it has been reached.
  const durable = async (syncPoint) => {
    const count = returned;
    await syncPoint();
    log.write('f', count);
  };
  const drop = (index) => {
    const last = addresses.pop();
    if (index < addresses.length) addresses[index] = last;
  };

  const operations = {
    add() {
      if (addresses.length > most) return this.remove();
      const v = value();
      perform({ type: 'add', value: v }, () => {
        const address = buffer.add(bytes(v));
        addresses.push(address);
        return [address];
      });
    },
    update() {
      if (addresses.length === 0) return this.add();
      const address = addresses[int(0, addresses.length - 1)];
      const v = value();
      perform({ type: 'update', address, value: v }, () => void buffer.update(address, bytes(v)));
    },
    // The same entry again and again: in place, growing and shrinking within its slack.
    hot() {
      if (addresses.length === 0) return this.add();
      const address = addresses[int(0, Math.min(4, addresses.length - 1))];
      for (let i = 0; i < 8; i++) {
        const v = { id: id++, size: int(500, 650) };
        perform({ type: 'update', address, value: v }, () => void buffer.update(address, bytes(v)));
      }
    },
    remove() {
      if (addresses.length === 0) return this.add();
      const index = int(0, addresses.length - 1);
      const address = addresses[index];
      perform({ type: 'remove', address }, () => void buffer.remove(address));
      drop(index);
    },
    batch() {
      const changes = [];
      const removed = new Set();
      for (let i = int(1, 20); i > 0; i--) {
        const kind = addresses.length > most ? 2 : int(0, 2);
        if (kind === 0 || addresses.length === 0) changes.push({ type: 'add', value: value() });
        else {
          const address = addresses[int(0, addresses.length - 1)];
          if (removed.has(address)) continue;
          if (kind === 1) changes.push({ type: 'update', address, value: value() });
          else {
            changes.push({ type: 'remove', address });
            removed.add(address);
          }
        }
      }
      perform({ type: 'batch', operations: changes }, () => {
        const result = buffer.batch(
          changes.map(({ value: v, ...rest }) => (v === undefined ? rest : { ...rest, data: bytes(v) })),
        );
        return result.filter((address) => address !== undefined);
      });
      addresses.length = 0;
      for (const address of buffer.addresses()) {
        if (buffer.readHeader(address).kind === 'plain') addresses.push(address);
      }
    },
    int() {
      const [key, v] = [intKey(), value()];
      perform({ type: 'int', entries: [[key, v]] }, () => void ints.set(key, bytes(v)));
    },
    ints() {
      const entries = Array.from({ length: int(1, 30) }, () => [intKey(), value()]);
      perform({ type: 'int', entries }, () => void ints.setMany(entries.map(([key, v]) => [key, bytes(v)])));
    },
    string() {
      const [key, v] = [stringKey(), value()];
      perform({ type: 'string', entries: [[key, v]] }, () => void strings.set(key, bytes(v)));
    },
    strings() {
      const entries = Array.from({ length: int(1, 30) }, () => [stringKey(), value()]);
      perform({ type: 'string', entries }, () => void strings.setMany(entries.map(([key, v]) => [key, bytes(v)])));
    },
    intDelete() {
      const key = intKey();
      perform({ type: 'int delete', key }, () => void ints.delete(key));
    },
    stringDelete() {
      const key = stringKey();
      perform({ type: 'string delete', key }, () => void strings.delete(key));
    },
    clear() {
      if (random() < 0.02) perform({ type: 'clear' }, () => void strings.clear());
    },
  };
  const often = ['add', 'add', 'add', 'update', 'update', 'update', 'hot', 'remove', 'batch', 'batch'];
  often.push('int', 'int', 'ints', 'string', 'string', 'strings', 'intDelete', 'stringDelete', 'clear');

  const pending = []; // work that closing would cut short
  for (;;) {
    const background = random();
    if (background < 0.15) pending.push(buffer.compact().catch(failed));
    else if (background < 0.3) pending.push(durable(() => buffer.flush()).catch(failed));
    else if (background < 0.35 && reopens) {
      await Promise.all(pending.splice(0));
      await durable(() => buffer.close());
      await open();
      log.write('r', { status: buffer.recovery.status, entries: buffer.recovery.entries });
    }
    for (let i = int(10, 200); i > 0; i--) operations[often[int(0, often.length - 1)]]();
    await turn();
  }
}

function failed(error) {
  console.error(error);
  process.exit(1);
}

/** mulberry32 */
function generator(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
