/** A Map of Buffers in the JavaScript heap, copied in and out as a store must: the price of having no file at all. */
import { Packr } from 'msgpackr';

export const label = 'JS Map';
export const volatile = true;
export const packages = [];
export const groups = { none: ['entries', 'int', 'string', 'objects', 'ycsb'], periodic: [], commit: [] };

export async function open({ keys, values }) {
  const map = new Map();
  if (values === 'objects') {
    const packr = new Packr({ useRecords: false });
    return {
      set: (key, value) => void map.set(key, packr.pack(value)),
      get: (key) => packr.unpack(map.get(key)),
      close() {},
    };
  }
  const set = (key, data) => void map.set(key, Buffer.from(data));
  const get = (key) => {
    const data = map.get(key);
    return data === undefined ? undefined : Buffer.from(data);
  };
  const remove = (key) => void map.delete(key);
  if (keys === 'address') {
    let next = 0;
    const add = (data) => {
      map.set(next, Buffer.from(data));
      return next++;
    };
    return { add, update: set, read: get, remove, close() {} };
  }
  return {
    set,
    get,
    delete: remove,
    getMany: (wanted) => wanted.map(get),
    setMany(pairs) {
      for (const [key, data] of pairs) map.set(key, Buffer.from(data));
    },
    iterate(visit) {
      for (const [key, data] of map) visit(key, Buffer.from(data));
    },
    close() {},
  };
}
