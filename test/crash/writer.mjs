/**
 * What a thread that will be killed does to its store: every kind of write, each described in the log before it begins and
 * acknowledged there when it has returned. Several threads do not get in each other's way: each has keys and entries of its
 * own.
 */

import { generator } from '../../bench/lib/random.mjs';
import { binary, IntMap, StringMap } from '../../dist/esm/index.js';
import { valueBytes } from './log.mjs';

/** What writing() writes to: a buffer, and maps over it. */
export const storeOf = (buffer) => ({
  buffer,
  ints: new IntMap(buffer, binary()),
  strings: new StringMap(buffer, binary()),
});

/**
 * Endless: call next() for one more round of operations. `store` may be another one in each. `task`: see child.ts.
 * `moment`: { type, after }: when `after` operations are done, `trigger` is called, and from then on there are none but
 * those of this type, so that it is one of them that is cut.
 */
export function* writing(store, log, task, moment, trigger) {
  const { seed, firstId, largest, lane, lanes, addresses, most: mostOfAll = 150, perRound = 60 } = task;
  const random = generator(seed);
  const int = (min, max) => min + Math.floor(random() * (max - min + 1));
  const most = Math.ceil(mostOfAll / lanes);
  let id = firstId;

  const value = () => {
    const kind = random();
    const size = kind < 0.04 ? 0 : kind < 0.8 ? int(1, 300) : kind < 0.985 ? int(300, 9000) : int(9000, largest);
    return { id: id++, size };
  };
  const bytes = (v) => valueBytes(v.id, v.size);
  const intKey = () => (int(-most, most) * lanes + lane) * (random() < 0.5 ? 1 : 2 ** 40);
  const suffix = lanes > 1 ? `#${lane}` : '';
  const stringKey = () => ['', 'k', 'key:', '\0', 'schlüssel-'][int(0, 4)] + int(0, most / 3) + suffix;

  const perform = (operation, action) => {
    log.write('b', operation);
    const result = action();
    log.write('a', result);
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
        const address = store.buffer.add(bytes(v));
        addresses.push(address);
        return [address];
      });
    },
    update() {
      if (addresses.length === 0) return this.add();
      const address = addresses[int(0, addresses.length - 1)];
      const v = value();
      perform({ type: 'update', address, value: v }, () => void store.buffer.update(address, bytes(v)));
    },
    // The same entry again and again: in place, growing and shrinking within its slack.
    hot() {
      if (addresses.length === 0) return this.add();
      const address = addresses[int(0, Math.min(4, addresses.length - 1))];
      for (let i = 0; i < 8; i++) {
        const v = { id: id++, size: int(500, 650) };
        perform({ type: 'update', address, value: v }, () => void store.buffer.update(address, bytes(v)));
      }
    },
    remove() {
      if (addresses.length === 0) return this.add();
      const index = int(0, addresses.length - 1);
      const address = addresses[index];
      perform({ type: 'remove', address }, () => void store.buffer.remove(address));
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
      let added = [];
      perform({ type: 'batch', operations: changes }, () => {
        const result = store.buffer.batch(
          changes.map(({ value: v, ...rest }) => (v === undefined ? rest : { ...rest, data: bytes(v) })),
        );
        added = result.filter((address) => address !== undefined);
        return added;
      });
      for (let i = addresses.length - 1; i >= 0; i--) if (removed.has(addresses[i])) drop(i);
      addresses.push(...added);
    },
    int() {
      const [key, v] = [intKey(), value()];
      perform({ type: 'int', entries: [[key, v]] }, () => void store.ints.set(key, bytes(v)));
    },
    ints() {
      const entries = Array.from({ length: int(1, 30) }, () => [intKey(), value()]);
      perform({ type: 'int', entries }, () => void store.ints.setMany(entries.map(([key, v]) => [key, bytes(v)])));
    },
    string() {
      const [key, v] = [stringKey(), value()];
      perform({ type: 'string', entries: [[key, v]] }, () => void store.strings.set(key, bytes(v)));
    },
    strings() {
      const entries = Array.from({ length: int(1, 30) }, () => [stringKey(), value()]);
      perform(
        { type: 'string', entries },
        () => void store.strings.setMany(entries.map(([key, v]) => [key, bytes(v)])),
      );
    },
    intDelete() {
      const key = intKey();
      perform({ type: 'int delete', key }, () => void store.ints.delete(key));
    },
    stringDelete() {
      const key = stringKey();
      perform({ type: 'string delete', key }, () => void store.strings.delete(key));
    },
    clear() {
      // It would take the other threads' entries, too.
      if (lanes === 1 && random() < 0.02) perform({ type: 'clear' }, () => void store.strings.clear());
    },
  };
  const often = ['add', 'add', 'add', 'update', 'update', 'update', 'hot', 'remove', 'batch', 'batch'];
  often.push('int', 'int', 'ints', 'string', 'string', 'strings', 'intDelete', 'stringDelete', 'clear');

  const isMine = moment !== undefined && moment.type in operations;
  for (let done = 0; ; ) {
    for (let i = int(10, perRound); i > 0; i--) {
      if (isMine && done++ >= moment.after) {
        trigger();
        for (;;) operations[moment.type]();
      }
      operations[often[int(0, often.length - 1)]]();
    }
    yield random();
  }
}
