/**
 * What a file is for, where that is more than a buffer: one entry under a string key, written before anything else. So a
 * file is never taken for something that it is not.
 */
import { MmcbError } from '../errors.js';
import { EntryKind, NativeCode } from '../internal/native.js';
import { type CompactableBuffer, storeOf } from './compactable-buffer.js';
import { readEntry } from './entry-cursor.js';
import { KeyedBatch } from './keyed-batch.js';

const KEY = 'mmcb:kind';

/**
 * Marks an empty file as one of `kind`, or checks that it is one; MMCB_NOT_MMCB, and nothing changed, if it is not. A file
 * that was salvaged may have lost its mark, and gets it again. Of several threads at it one sets the mark.
 */
export function claimKind(buffer: CompactableBuffer, kind: string): void {
  const store = storeOf(buffer);
  const { native, handle } = store;
  store.assertOpen();
  if (isMarked(buffer, kind)) return;
  if (native.count(handle, EntryKind.ALL) > 0 && buffer.recovery.status !== 'salvaged') {
    if (isMarked(buffer, kind)) return; // by another thread, since we looked
    throw wrongKind(`${buffer.path} has entries of a buffer or map, and is no file of ${kind}`);
  }
  if (!new KeyedBatch().insert(KEY, Buffer.from(kind)).commit(store)) isMarked(buffer, kind);
}

/** Whether the file is marked; throws where it is marked as something else. */
function isMarked(buffer: CompactableBuffer, kind: string): boolean {
  const store = storeOf(buffer);
  const address = store.native.stringAddress(store.handle, KEY);
  if (address === -NativeCode.NOT_FOUND) return false;
  if (address < 0) throw store.failure(address);
  const found = readEntry(store, address);
  if (typeof found === 'number') throw store.failure(found);
  if (found.toString() !== kind) throw wrongKind(`${buffer.path} is a file of ${found.toString()}, not of ${kind}`);
  return true;
}

function wrongKind(message: string): MmcbError {
  return new MmcbError('MMCB_NOT_MMCB', `${message}; it was left untouched, choose another path`);
}
