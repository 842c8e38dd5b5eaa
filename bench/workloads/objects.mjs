/** JavaScript objects under integer keys, stored as MessagePack: encoding and decoding is part of the work. */
import { loading } from './loading.mjs';

export function objectWorkloads(input) {
  const { entries, operations, order } = input;
  // Made before: making them is the program's work. The same thousand again and again, so that they do not fill the heap.
  const objects = Array.from({ length: 1024 }, (_, id) => ({
    id,
    name: `Name ${id} of a user`,
    email: `user.${id}@example.com`,
    createdAt: 1_700_000_000_000 + id,
  }));
  const tag = (object) => object.id + object.name.length + object.email.length + (object.createdAt & 1023);
  const expected = (store) => {
    let sum = 0;
    for (let i = 0; i < operations; i++) sum += tag(objects[order[i] & 1023]);
    const found = JSON.stringify(store.get(order[0]));
    const wanted = JSON.stringify(objects[order[0] & 1023]);
    if (found !== wanted) throw new Error(`wrong object: ${found} instead of ${wanted}`);
    return sum;
  };
  return [
    loading('set new', { entries, values: objects, mask: objects.length - 1 }, (i) => i),
    {
      name: 'get, uniform',
      count: operations,
      needs: ['get'],
      run: (store) => (from, to) => {
        let sum = 0;
        for (let i = from; i < to; i++) sum += tag(store.get(order[i]));
        return sum;
      },
      expected,
    },
  ];
}
