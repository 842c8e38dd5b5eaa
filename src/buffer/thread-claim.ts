/**
 * Who has a file: a queue's index belongs to one thread, since two over one file would each hand out every item. Whoever
 * opens it leaves a claim there; another one that finds it, and finds that it still holds, is told so.
 *
 * A claim names a ticket (native.ts): it holds until the ticket is returned or its thread ends, however it ends. No other
 * process has the file open, so that a ticket of another process is one of the past.
 *
 * Of several threads that find a claim that holds no more, one gets the file: its ticket has a key of its own, which stands
 * beside the claim and which to delete only one can, in the batch that puts the next claim there.
 */
import { statSync } from 'node:fs';
import { describe, MmcbError } from '../errors.js';
import { KeyedChange, NativeCode } from '../internal/native.js';
import { type CompactableBuffer, storeOf } from './compactable-buffer.js';
import { readEntry } from './entry-cursor.js';
import { KeyedBatch } from './keyed-batch.js';

const KEY = 'mmcb:thread';
const NOTHING = new Uint8Array();
const keyOf = (ticket: number): string => `${KEY}:${ticket}`;

interface Claim {
  /** The file itself: a copy of it is another one. */
  file: string;
  ticket: number;
}

/** What a file is told apart by, whatever its name: device and number. */
export function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

/** Claims the file for the holder of `ticket`. Returns the ticket of the one who has it, if that is another; else undefined. */
export function claim(buffer: CompactableBuffer, ticket: number): number | undefined {
  const store = storeOf(buffer);
  const { native, handle } = store;
  const file = identityOf(buffer.path);
  const mine = Buffer.from(JSON.stringify({ file, ticket } satisfies Claim));
  for (let before: Claim | undefined; ; ) {
    const found = read(buffer);
    if (found !== undefined && found.file === file && native.ticketIsValid(found.ticket)) return found.ticket;
    if (found !== undefined && before?.ticket === found.ticket && !native.stringHas(handle, keyOf(found.ticket))) {
      // A file that was salvaged has lost it. Where another thread is ahead of us, this does nothing but leave a key behind.
      new KeyedBatch().insert(keyOf(found.ticket), NOTHING).commit(store);
    }
    const batch = new KeyedBatch();
    if (found === undefined) batch.insert(KEY, mine);
    else batch.delete(keyOf(found.ticket)).set(KEY, mine);
    if (batch.insert(keyOf(ticket), NOTHING).commitIfCurrent(store)) return undefined;
    before = found; // somebody was faster
  }
}

/** The claim in a file; one that cannot be read is nobody's. */
function read(buffer: CompactableBuffer): Claim | undefined {
  const store = storeOf(buffer);
  const address = store.native.stringAddress(store.handle, KEY);
  if (address === -NativeCode.NOT_FOUND) return undefined;
  if (address < 0) throw store.failure(address);
  const bytes = readEntry(store, address);
  if (bytes === -NativeCode.NOT_FOUND) return undefined; // gone since
  if (typeof bytes === 'number') throw store.failure(bytes);
  try {
    const { file, ticket } = JSON.parse(bytes.toString()) as Partial<Claim>;
    return { file: String(file), ticket: Number(ticket) };
  } catch {
    return { file: '', ticket: 0 };
  }
}

/** Draws a ticket and claims the file for this thread; MMCB_LOCKED, and no ticket drawn, where another has it, or this one. */
export function claimForThread(buffer: CompactableBuffer): number {
  const { native } = storeOf(buffer);
  const ticket = native.drawTicket();
  if (buffer.path === ':memory:') return ticket;
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
  if (buffer.path === ':memory:') return;
  const { native, handle } = storeOf(buffer);
  const types = Uint8Array.of(KeyedChange.DELETE, KeyedChange.DELETE);
  // A file that cannot be written keeps it, for as long as the ticket is valid.
  native.keyedBatch(handle, types, [keyOf(ticket), KEY], [undefined, undefined]);
}

/** Takes the claim away, and returns the ticket. */
export function release(buffer: CompactableBuffer, ticket: number): void {
  unclaim(buffer, ticket);
  storeOf(buffer).native.returnTicket(ticket);
}
