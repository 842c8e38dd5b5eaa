/**
 * What a file is for, where that is more than a buffer: one entry under a string key, written before anything else. So a
 * file is never taken for something that it is not.
 */
import { MmcbError } from '../errors.js';
import { EntryKind, NativeCode } from '../internal/native.js';
import { type CompactableBuffer, storeOf } from './compactable-buffer.js';
import { readEntry } from './entry-cursor.js';

const KEY = 'mmcb:kind';

/**
 * Marks an empty file as one of `kind`, or checks that it is one; MMCB_NOT_MMCB, and nothing changed, if it is not. A file
 * that was salvaged may have lost its mark, and gets it again.
 */
export function claimKind(buffer: CompactableBuffer, kind: string): void {
  const store = storeOf(buffer);
  const { native, handle } = store;
  store.assertOpen();
  const address = native.stringAddress(handle, KEY);
  if (address >= 0) {
    const found = readEntry(store, address);
    if (typeof found === 'number') throw store.failure(found);
    if (found.toString() !== kind) throw wrongKind(`${buffer.path} is a file of ${found.toString()}, not of ${kind}`);
    return;
  }
  if (address !== -NativeCode.NOT_FOUND) throw store.failure(address);
  if (native.count(handle, EntryKind.ALL) > 0 && buffer.recovery.status !== 'salvaged') {
    throw wrongKind(`${buffer.path} has entries of a buffer or map, and is no file of ${kind}`);
  }
  const result = native.stringSet(handle, KEY, Buffer.from(kind));
  if (result < 0) throw store.failure(result);
  store.changes++;
}

function wrongKind(message: string): MmcbError {
  return new MmcbError('MMCB_NOT_MMCB', `${message}; it was left untouched, choose another path`);
}
