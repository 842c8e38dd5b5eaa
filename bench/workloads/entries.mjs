/** Entries under addresses that the store gives out. */
import { expectedSum, GONE, noteVersions, SAMPLED, tagOf, valueIndex } from './input.mjs';
import { verifySample } from './verify.mjs';

export function entryWorkloads(input) {
  const { entries, operations, order, values, larger, mask } = input;
  const addresses = new Float64Array(entries);
  const verify = (store) => verifySample(input, (key) => store.read(addresses[key]));
  const sequential = (i) => i;
  const random = (i) => order[i];

  const update = (name, keyAt, version, run) => ({
    name,
    count: operations,
    needs: ['update'],
    writes: true,
    run,
    done: (store) => {
      noteVersions(input, operations, keyAt, version);
      verify(store);
    },
    one: (store) => {
      const write = store.updateAndWait ?? store.update;
      return (i) => write(addresses[keyAt(i)], values[valueIndex(keyAt(i), version + SAMPLED, mask)]);
    },
    sampled: (count) => noteVersions(input, count, keyAt, version + SAMPLED),
  });
  const read = (name, keyAt, run) => ({
    name,
    count: operations,
    needs: ['read'],
    run,
    one: (store) => (i) => store.read(addresses[keyAt(i)]),
    expected: () => expectedSum(input, operations, keyAt),
  });

  return [
    {
      name: 'add',
      count: entries,
      needs: ['add'],
      writes: true,
      loads: true,
      run: (store) => (from, to) => {
        for (let i = from; i < to; i++) addresses[i] = store.add(values[i & mask]);
        return 0;
      },
      done: verify,
    },
    update('update in place, random', random, 1, (store) => (from, to) => {
      for (let i = from; i < to; i++) {
        const key = order[i];
        store.update(addresses[key], values[(key + 7) & mask]);
      }
      return 0;
    }),
    update('update in place, sequential', sequential, 2, (store) => (from, to) => {
      for (let i = from; i < to; i++) store.update(addresses[i], values[(i + 14) & mask]);
      return 0;
    }),
    read('read, sequential', sequential, (store) => (from, to) => {
      let sum = 0;
      for (let i = from; i < to; i++) sum += tagOf(store.read(addresses[i]));
      return sum;
    }),
    read('read, random', random, (store) => (from, to) => {
      let sum = 0;
      for (let i = from; i < to; i++) sum += tagOf(store.read(addresses[order[i]]));
      return sum;
    }),
    {
      name: 'update, relocating',
      count: operations,
      needs: ['update'],
      writes: true,
      run: (store) => (from, to) => {
        for (let i = from; i < to; i++) {
          const key = order[i];
          store.update(addresses[key], larger[key & mask]);
        }
        return 0;
      },
      done: (store) => {
        const smaller = (key) => store.read(addresses[key]).equals(larger[key & mask]);
        if (![order[0], order[operations - 1]].every(smaller)) throw new Error('an update was lost');
      },
    },
    {
      name: 'remove, random',
      count: operations,
      needs: ['remove'],
      writes: true,
      run: (store) => (from, to) => {
        for (let i = from; i < to; i++) store.remove(addresses[order[i]]);
        return 0;
      },
      done: (store) => {
        noteVersions(input, operations, random, GONE);
        verify(store);
      },
    },
  ];
}
