/**
 * The process that owns the stores, so that its death would be seen: a line { id, store, call, args } on stdin is a call, a
 * line { id, result } or { id, error } on stdout is its answer. It uses the package as it is shipped: dist and the addon.
 */
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';
import { generator } from '../../../bench/lib/random.mjs';
import { idOf, valueBytes } from './values.mjs';

// By require, which opens one file at a time: this process may be short of descriptors.
const { CompactableBuffer } = createRequire(import.meta.url)('../../../dist/cjs/index.js');

/** By the name that the caller gave them. */
const stores = new Map();

const encoded = (operation) => {
  const { value, ...rest } = operation;
  return value === undefined ? rest : { ...rest, data: valueBytes(value.id, value.size) };
};

/** Does one operation; returns the addresses that its adds got. */
function perform({ buffer }, operation) {
  const { type, address, value } = operation;
  if (type === 'add') return [buffer.add(valueBytes(value.id, value.size))];
  if (type === 'update') buffer.update(address, valueBytes(value.id, value.size));
  else if (type === 'remove') buffer.remove(address);
  else return buffer.batch(operation.operations.map(encoded)).filter((one) => one !== undefined);
  return [];
}

const calls = {
  async open(name, file, options) {
    const buffer = await CompactableBuffer.open(file, options);
    const store = { buffer, errors: [] };
    buffer.on('error', (error) => store.errors.push(plain(error)));
    stores.set(name, store);
    return buffer.recovery;
  },
  /** Does operations until one fails: { done: the results of those done, error }. */
  perform(name, operations) {
    const store = stores.get(name);
    const done = [];
    for (const operation of operations) {
      try {
        done.push(perform(store, operation));
      } catch (error) {
        return { done, error: plain(error) };
      }
    }
    return { done };
  },
  /** Every entry as [address, number of its value, size]; all bytes are compared, and every way of counting. */
  contents(name) {
    const { buffer } = stores.get(name);
    const found = [...buffer.addresses()].map((address) => {
      const bytes = buffer.read(address);
      return [address, idOf(bytes) ?? -1, bytes.length];
    });
    const { count } = buffer.stats();
    const entries = [...buffer.entries()].length;
    if (count !== found.length || entries !== count) {
      throw new Error(`stats() counts ${count}, entries() ${entries}, addresses() ${found.length}`);
    }
    return found;
  },
  /** Makes a value ahead of its use. */
  hold(name, { id, size }) {
    stores.get(name).held = valueBytes(id, size);
  },
  addHeld: (name) => stores.get(name).buffer.add(stores.get(name).held),
  flush: (name) => stores.get(name).buffer.flush(),
  compact: (name) => stores.get(name).buffer.compact(),
  verify: (name) => stores.get(name).buffer.verify(),
  backup: (name, path, options) => stores.get(name).buffer.backup(path, options),
  stats: (name) => stores.get(name).buffer.stats(),
  /** The 'error' events since the last time. */
  errors: (name) => stores.get(name).errors.splice(0),
  async close(name) {
    const { buffer } = stores.get(name);
    stores.delete(name);
    await buffer.close();
  },
  /**
   * Random operations on the entries of a store, `count` of them or (0) until it is killed. Each is written to the log
   * before (b), and after, with what it returned (a) or how it failed (f).
   */
  async churn(name, { seed, count, log, firstId, sizes, most, codes }) {
    const store = stores.get(name);
    const random = generator(seed);
    const int = (min, max) => min + Math.floor(random() * (max - min + 1));
    const file = openSync(log, 'w');
    const write = (kind, content) => writeSync(file, `${kind}${JSON.stringify(content)}\n`);
    const known = [...store.buffer.addresses()];
    let id = firstId;
    const value = () => ({ id: id++, size: sizes[int(0, sizes.length - 1)] });
    const change = (taken) => {
      const kind = known.length > most ? 3 : int(0, 3);
      const address = known[int(0, known.length - 1)];
      if (kind === 0 || address === undefined || taken?.has(address)) return { type: 'add', value: value() };
      taken?.add(address);
      return kind === 3 ? { type: 'remove', address } : { type: 'update', address, value: value() };
    };
    const apply = (operation, results) => {
      if (operation.type === 'add') known.push(results.shift());
      else if (operation.type === 'remove') {
        const last = known.pop();
        if (last !== operation.address) known[known.indexOf(operation.address)] = last;
      } else if (operation.type === 'batch') for (const one of operation.operations) apply(one, results);
    };
    const tolerate = (error) => {
      if (!codes.includes(error.code)) throw error;
    };
    const counts = { done: 0, failed: 0 };
    const background = [];
    for (let i = 0; i < count || count === 0; i++) {
      const taken = new Set();
      const operation =
        random() < 0.15
          ? { type: 'batch', operations: Array.from({ length: int(1, 12) }, () => change(taken)) }
          : change();
      write('b', operation);
      try {
        const results = perform(store, operation);
        write('a', results);
        apply(operation, results);
        counts.done++;
      } catch (error) {
        write('f', plain(error));
        tolerate(error);
        counts.failed++;
      }
      const also = random();
      if (also < 0.01) background.push(store.buffer.compact().catch(tolerate));
      else if (also < 0.03) background.push(store.buffer.flush().catch(tolerate));
      if (i % 32 === 0) await turn();
    }
    await Promise.all(background);
    closeSync(file);
    return counts;
  },
  /** Descriptors that are open here. */
  descriptors: () => readdirSync('/proc/self/fd').length,
};

/** An error as JSON can carry it. */
function plain(error) {
  const { name, code, message, cause } = error;
  return { name, code, message, cause: cause === undefined ? undefined : { code: cause.code, message: cause.message } };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, store, call, args } = JSON.parse(line);
  // Not awaited: calls may overlap, as they do in a program.
  Promise.resolve()
    .then(() => calls[call](store, ...args))
    .then(
      (result) => ({ id, result }),
      (error) => ({ id, error: plain(error) }),
    )
    .then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`));
}
await Promise.all([...stores.values()].map(({ buffer }) => buffer.close()));
