/** A Map of Buffers in the JavaScript heap, copied in and out as a store must: the price of having no file at all. */
export const groups = ['entries', 'int', 'string'];

export async function open() {
  const map = new Map();
  let next = 0;
  const set = (key, data) => void map.set(key, Buffer.from(data));
  const get = (key) => Buffer.from(map.get(key));
  const remove = (key) => map.delete(key);
  return {
    add(data) {
      map.set(next, Buffer.from(data));
      return next++;
    },
    update: set,
    read: get,
    remove,
    set,
    get,
    delete: remove,
    close() {},
  };
}
