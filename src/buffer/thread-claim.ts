/**
 * Who has a file: a queue's index belongs to one thread, since two over one file would each hand out every item. Whoever
 * opens it claims it; another one that finds it claimed is told by whom.
 *
 * A claim is in the memory of the process, since no other has the file open. It is that of a ticket (native.ts), and holds until
 * that is returned, or its thread ends, however it ends. Of several threads that claim at the same moment one gets the file.
 */
import { describe, MmcbError } from '../errors.js';
import { type CompactableBuffer, storeOf } from './compactable-buffer.js';

/** Claims the file for the holder of `ticket`. Returns the ticket of the one who has it, if that is another; else undefined. */
export function claim(buffer: CompactableBuffer, ticket: number): number | undefined {
  const store = storeOf(buffer);
  const holder = store.native.claim(store.handle, ticket);
  if (holder < 0) throw store.failure(holder);
  return holder === 0 ? undefined : holder;
}

/** Draws a ticket and claims the file for this thread; MMCB_LOCKED, and no ticket drawn, where another has it, or this one. */
export function claimForThread(buffer: CompactableBuffer): number {
  const { native } = storeOf(buffer);
  const ticket = native.drawTicket();
  try {
    if (claim(buffer, ticket) !== undefined) throw lockedByThread(buffer.path);
    return ticket;
  } catch (error) {
    native.returnTicket(ticket);
    throw error;
  }
}

export function lockedByThread(path: string): MmcbError {
  return new MmcbError('MMCB_LOCKED', describe('MMCB_LOCKED', `${path} in a thread of this process`));
}

/** Takes the claim away. */
export function unclaim(buffer: CompactableBuffer, ticket: number): void {
  const { native, handle } = storeOf(buffer);
  native.unclaim(handle, ticket);
}

/** Takes the claim away, and returns the ticket. */
export function release(buffer: CompactableBuffer, ticket: number): void {
  unclaim(buffer, ticket);
  storeOf(buffer).native.returnTicket(ticket);
}
