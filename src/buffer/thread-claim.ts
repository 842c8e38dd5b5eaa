/**
 * Who has a file: a queue's index belongs to one thread, since two over one file would each hand out every item. Whoever
 * opens it leaves a claim there; another one that finds it, and finds that it still holds, is told so.
 *
 * A claim names a ticket (native.ts): it holds until the ticket is returned or its thread ends, however it ends. No other
 * process has the file open, so that a ticket of another process is one of the past.
 *
 * Of several threads that find a claim that holds no more, one gets the file: who puts the next claim there requires that the
 * one it has found still stands there, in one batch.
 */
import { statSync } from 'node:fs';
import { describe, MmcbError } from '../errors.js';
import { NativeCode } from '../internal/native.js';
import { type CompactableBuffer, storeOf } from './compactable-buffer.js';
import { readEntry } from './entry-cursor.js';
import { KeyedBatch } from './keyed-batch.js';

const KEY = 'mmcb:thread';

interface Claim {
  /** The file itself: a copy of it is another one. */
  file: string;
  ticket: number;
}

/** One that was found, and its bytes. */
interface Found extends Claim {
  bytes: Uint8Array;
}

/** What a file is told apart by, whatever its name: device and number. */
export function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

/** Claims the file for the holder of `ticket`. Returns the ticket of the one who has it, if that is another; else undefined. */
export function claim(buffer: CompactableBuffer, ticket: number): number | undefined {
  const store = storeOf(buffer);
  const file = identityOf(buffer.path);
  const mine = Buffer.from(JSON.stringify({ file, ticket } satisfies Claim));
  for (;;) {
    const found = read(buffer);
    if (found !== undefined && found.file === file && store.native.ticketIsValid(found.ticket)) return found.ticket;
    const batch = new KeyedBatch();
    if (found === undefined) batch.insert(KEY, mine);
    else batch.require(KEY, found.bytes).set(KEY, mine);
    if (batch.commitIfCurrent(store)) return undefined; // else somebody was faster
  }
}

/** The claim in a file; one that cannot be read is nobody's. */
function read(buffer: CompactableBuffer): Found | undefined {
  const store = storeOf(buffer);
  const address = store.native.stringAddress(store.handle, KEY);
  if (address === -NativeCode.NOT_FOUND) return undefined;
  if (address < 0) throw store.failure(address);
  const bytes = readEntry(store, address);
  if (bytes === -NativeCode.NOT_FOUND) return undefined; // gone since
  if (typeof bytes === 'number') throw store.failure(bytes);
  try {
    const { file, ticket } = JSON.parse(bytes.toString()) as Partial<Claim>;
    return { file: String(file), ticket: Number(ticket), bytes };
  } catch {
    return { file: '', ticket: 0, bytes };
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
  try {
    const found = read(buffer);
    if (found?.ticket !== ticket) return;
    new KeyedBatch().require(KEY, found.bytes).delete(KEY).commitIfCurrent(storeOf(buffer));
  } catch {
    // A file that cannot be written keeps it, for as long as the ticket is valid.
  }
}

/** Takes the claim away, and returns the ticket. */
export function release(buffer: CompactableBuffer, ticket: number): void {
  unclaim(buffer, ticket);
  storeOf(buffer).native.returnTicket(ticket);
}
