/** mmcb, as it comes: durability 'interval', a sync point every second, compaction by 'space'. */
import { join } from 'node:path';
import { binary, CompactableBuffer, IntMap, StringMap } from '../../dist/esm/index.js';

export const groups = ['entries', 'int', 'string'];

export async function open(folder, group) {
  const buffer = await CompactableBuffer.open(join(folder, 'bench.mmcb'));
  const close = () => buffer.close();
  if (group === 'entries') {
    return {
      add: (data) => buffer.add(data),
      update: (address, data) => buffer.update(address, data),
      read: (address) => buffer.read(address),
      remove: (address) => buffer.remove(address),
      note: () => {
        const { updatesInPlace, relocations, syncs, compactions } = buffer.stats();
        return { updatesInPlace, relocations, syncs, compactions };
      },
      close,
    };
  }
  const map = group === 'int' ? new IntMap(buffer, binary()) : new StringMap(buffer, binary());
  return {
    set: (key, data) => map.set(key, data),
    get: (key) => map.get(key),
    delete: (key) => map.delete(key),
    close,
  };
}
