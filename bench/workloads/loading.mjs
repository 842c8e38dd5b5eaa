/** The workload that fills a store: one call per entry, in the order of the keys. `values` is a pool of `mask` + 1 values. */
export const loading = (name, { entries, values, mask }, nameOf, done) => ({
  name,
  count: entries,
  needs: ['set'],
  writes: true,
  loads: true,
  run: (store) => (from, to) => {
    for (let i = from; i < to; i++) store.set(nameOf(i), values[i & mask]);
    return 0;
  },
  done,
});
