/**
 * mmcb, as it comes: durability 'interval', a sync point every second, compaction by 'space'. It is the same in the table
 * without sync, where its peers promise less.
 */
import { join } from 'node:path';
import { binary, CompactableBuffer, IntMap, msgpack, StringMap } from '../../dist/esm/index.js';

export const label = 'mmcb';
export const syncsItself = true;
export const packages = [];
export const groups = {
  none: ['entries', 'int', 'string', 'objects', 'ycsb', 'engine'],
  periodic: ['int', 'ycsb'],
  commit: ['commit'],
};

export async function open({ folder, keys, values }) {
  const buffer = await CompactableBuffer.open(join(folder, 'bench.mmcb'));
  const common = {
    notes: () => {
      const { updatesInPlace, relocations, syncs, compactions } = buffer.stats();
      return { updatesInPlace, relocations, syncs, compactions };
    },
    close: () => buffer.close(),
  };
  if (keys === 'address') {
    return {
      add: (data) => buffer.add(data),
      update: (address, data) => buffer.update(address, data),
      read: (address) => buffer.read(address),
      remove: (address) => buffer.remove(address),
      ...common,
    };
  }
  const codec = values === 'objects' ? msgpack() : binary();
  const map = keys === 'int' ? new IntMap(buffer, codec) : new StringMap(buffer, codec);
  return {
    set: (key, value) => void map.set(key, value),
    get: (key) => map.get(key),
    delete: (key) => void map.delete(key),
    getMany: (wanted) => map.getMany(wanted),
    setMany: (pairs) => map.setMany(pairs),
    iterate(visit) {
      for (const [key, value] of map) visit(key, value);
    },
    setDurably(key, value) {
      map.set(key, value);
      return map.flush();
    },
    ...common,
  };
}
