/** What is measured: for each group of operations a list of timed sections, the same for every engine. */

export const defaults = { entries: 1_000_000, size: 100, larger: 200, seed: 1 };

/** `name`, whether it writes, operation i of a store, and for reads the size of what must come back. */
export const workloads = {
  entries: (input) => {
    const { entries, order, values, larger } = input;
    const addresses = new Float64Array(entries);
    const value = (i) => values[i & 1023];
    const large = (i) => larger[i & 1023];
    return [
      {
        name: 'add',
        writes: true,
        run: (store) => (i) => {
          addresses[i] = store.add(value(i));
        },
      },
      { name: 'update in place', writes: true, run: (store) => (i) => store.update(addresses[order[i]], value(i)) },
      { name: 'read', run: (store) => (i) => store.read(addresses[order[i]]), check: input.size },
      { name: 'update, relocating', writes: true, run: (store) => (i) => store.update(addresses[order[i]], large(i)) },
      { name: 'remove', writes: true, run: (store) => (i) => store.remove(addresses[order[i]]) },
    ];
  },
  int: (input) => keyed(input, (i) => i),
  string: (input) => {
    // Made before, as keys of a program mostly are, and flat.
    const keys = Array.from({ length: input.entries }, (_, i) => Buffer.from(`user:${i}`).toString('latin1'));
    return keyed(input, (i) => keys[i]);
  },
};

function keyed({ order, values, size }, key) {
  const value = (i) => values[i & 1023];
  return [
    { name: 'set new', writes: true, run: (store) => (i) => void store.set(key(i), value(i)) },
    { name: 'get', run: (store) => (i) => store.get(key(order[i])), check: size },
    { name: 'update', writes: true, run: (store) => (i) => void store.set(key(order[i]), value(i)) },
    { name: 'remove', writes: true, run: (store) => (i) => void store.delete(key(order[i])) },
  ];
}

/** The data and the random order of a run: the same for the same seed. */
export function makeInput({ entries, size, larger, seed }) {
  const random = generator(seed);
  const bytes = (length) => Buffer.from(Uint8Array.from({ length }, () => Math.floor(random() * 256)));
  const order = Uint32Array.from({ length: entries }, (_, i) => i);
  for (let i = entries - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
  return {
    entries,
    size,
    order,
    values: Array.from({ length: 1024 }, () => bytes(size)),
    larger: Array.from({ length: 1024 }, () => bytes(larger)),
  };
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
