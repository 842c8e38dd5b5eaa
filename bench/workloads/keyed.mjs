/** Values under keys: the same for integers and for strings. */
import { expectedSum, flatNames, GONE, noteVersions, SAMPLED, tagOf, valueIndex } from './input.mjs';
import { loading } from './loading.mjs';
import { verifySample } from './verify.mjs';

const TOGETHER = 100; // keys in a call of getMany and setMany

export function intWorkloads(input) {
  const { entries } = input;
  return keyedWorkloads(
    input,
    (i) => i,
    (i) => entries + i,
  );
}

export function stringWorkloads(input) {
  const names = flatNames(input.entries, (i) => `user:${i}`);
  const missing = flatNames(input.operations, (i) => `none:${i}`);
  return keyedWorkloads(
    input,
    (i) => names[i],
    (i) => missing[i],
  );
}

/** `nameOf` says what key number i is called, `missingNameOf` what is never there. */
function keyedWorkloads(input, nameOf, missingNameOf) {
  const { entries, operations, order, zipfian, values, mask } = input;
  const together = Math.floor(operations / TOGETHER) * TOGETHER;
  const sequential = (i) => i;
  const random = (i) => order[i];
  const verify = (store) => verifySample(input, (key) => store.get(nameOf(key)));

  const get = (name, keyAt, run) => ({
    name,
    count: operations,
    needs: ['get'],
    run,
    one: (store) => (i) => store.get(nameOf(keyAt(i))),
    expected: () => expectedSum(input, operations, keyAt),
  });
  const written = (count, version) => (store) => {
    noteVersions(input, count, random, version);
    verify(store);
  };

  return [
    loading('set new', input, nameOf, verify),
    get('get, sequential', sequential, (store) => (from, to) => {
      let sum = 0;
      for (let i = from; i < to; i++) sum += tagOf(store.get(nameOf(i)));
      return sum;
    }),
    get('get, uniform', random, (store) => (from, to) => {
      let sum = 0;
      for (let i = from; i < to; i++) sum += tagOf(store.get(nameOf(order[i])));
      return sum;
    }),
    get(
      'get, Zipfian',
      (i) => zipfian[i],
      (store) => (from, to) => {
        let sum = 0;
        for (let i = from; i < to; i++) sum += tagOf(store.get(nameOf(zipfian[i])));
        return sum;
      },
    ),
    {
      name: 'get, missing',
      count: operations,
      needs: ['get'],
      run: (store) => (from, to) => {
        let found = 0;
        for (let i = from; i < to; i++) if (store.get(missingNameOf(i)) !== undefined) found++;
        return found;
      },
      expected: () => 0,
    },
    {
      name: `getMany of ${TOGETHER}, uniform`,
      count: together,
      needs: ['getMany'],
      run: (store) => async (from, to) => {
        let sum = 0;
        for (let start = from; start < to; start += TOGETHER) {
          const keys = [];
          for (let i = start; i < start + TOGETHER; i++) keys.push(nameOf(order[i]));
          let found = store.getMany(keys);
          if (found instanceof Promise) found = await found;
          for (let i = 0; i < TOGETHER; i++) sum += tagOf(found[i]);
        }
        return sum;
      },
      expected: () => expectedSum(input, together, random),
    },
    {
      name: 'iterate with values',
      count: entries,
      needs: ['iterate'],
      atOnce: true,
      run: (store) => async () => {
        let sum = 0;
        let seen = 0;
        await store.iterate((_, value) => {
          seen++;
          sum += tagOf(value);
        });
        if (seen !== entries) throw new Error(`iteration visited ${seen} of ${entries} entries`);
        return sum;
      },
      expected: () => expectedSum(input, entries, sequential),
    },
    {
      name: `setMany of ${TOGETHER}, uniform`,
      count: together,
      needs: ['setMany'],
      writes: true,
      run: (store) => async (from, to) => {
        for (let start = from; start < to; start += TOGETHER) {
          const pairs = [];
          for (let i = start; i < start + TOGETHER; i++) pairs.push([nameOf(order[i]), values[(order[i] + 7) & mask]]);
          const done = store.setMany(pairs);
          if (done instanceof Promise) await done;
        }
        return 0;
      },
      done: written(together, 1),
    },
    {
      name: 'update, uniform',
      count: operations,
      needs: ['set'],
      writes: true,
      run: (store) => (from, to) => {
        for (let i = from; i < to; i++) {
          const key = order[i];
          store.set(nameOf(key), values[(key + 14) & mask]);
        }
        return 0;
      },
      done: written(operations, 2),
      one: (store) => {
        const write = store.setAndWait ?? store.set;
        return (i) => write(nameOf(order[i]), values[valueIndex(order[i], 2 + SAMPLED, mask)]);
      },
      sampled: (count) => noteVersions(input, count, random, 2 + SAMPLED),
    },
    {
      name: 'remove, uniform',
      count: operations,
      needs: ['delete'],
      writes: true,
      run: (store) => (from, to) => {
        for (let i = from; i < to; i++) store.delete(nameOf(order[i]));
        return 0;
      },
      done: written(operations, GONE),
    },
  ];
}
