/**
 * The floor: bytes copied into and out of a mapped file by JavaScript, at offsets that the caller keeps. No checksums, no
 * lengths, no deletes, no recovery, no growth: the file is as large as it will be from the start.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import mmap from 'mmap-io';

export const label = 'mmap-io';
export const volatile = true;
export const packages = ['mmap-io'];
export const leavesOut = ['update, relocating'];
export const groups = { none: ['entries'], periodic: [], commit: [] };

export async function open({ folder, entries, size }) {
  const length = Math.ceil((entries * size) / mmap.PAGESIZE) * mmap.PAGESIZE;
  const file = openSync(join(folder, 'bench.map'), 'w+');
  ftruncateSync(file, length);
  const bytes = mmap.map(length, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file);
  let end = 0;
  return {
    add(data) {
      const offset = end;
      bytes.set(data, offset);
      end += size;
      return offset;
    },
    update: (offset, data) => bytes.set(data, offset),
    read: (offset) => Buffer.from(bytes.subarray(offset, offset + size)),
    close: () => closeSync(file),
  };
}
