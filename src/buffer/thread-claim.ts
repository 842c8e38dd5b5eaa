/**
 * A queue's index belongs to one thread: two over one file would each hand out every item. So a thread that opens a file
 * leaves its name there, and another one that finds it, and finds that thread alive, is refused.
 *
 * The name is that of the thread and of its process (number and start, so that a number used again is no match). A thread
 * that ended without closing leaves it behind; whether it is alive is known where there is /proc, elsewhere only of this
 * process. Between looking and leaving its own name a thread could be overtaken by another that opens the same new file in
 * the same microseconds.
 */
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { describe, MmcbError } from '../errors.js';
import { NativeCode } from '../internal/native.js';
import { type CompactableBuffer, storeOf } from './compactable-buffer.js';
import { readEntry } from './entry-cursor.js';

const KEY = 'mmcb:thread';

interface Claim {
  /** The file itself: a copy of it is another one. */
  file: string;
  process: string;
  thread: number;
  /** The thread's folder in /proc. */
  task: string | undefined;
}

let current: Omit<Claim, 'file'> | undefined;

function thisThread(): Omit<Claim, 'file'> {
  current ??= {
    process: `${process.pid} ${startOfProcess()}`,
    thread: threadId,
    task: attempt(() => `/proc/${readlinkSync('/proc/thread-self')}`),
  };
  return current;
}

/** When this process started, in whatever unit: the 22nd field of /proc/self/stat, the 20th behind the name. */
function startOfProcess(): string {
  const stat = attempt(() => readFileSync('/proc/self/stat', 'utf8'));
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function fileOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev} ${ino}`;
}

function attempt<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch {
    return undefined;
  }
}

/** Leaves this thread's name in a file; MMCB_LOCKED where another thread, or this one, has the queue open. */
export function claimForThread(buffer: CompactableBuffer): void {
  if (buffer.path === ':memory:') return;
  const store = storeOf(buffer);
  const mine = { ...thisThread(), file: fileOf(buffer.path) };
  const address = store.native.stringAddress(store.handle, KEY);
  if (address >= 0) {
    const bytes = readEntry(store, address);
    if (typeof bytes === 'number') throw store.failure(bytes);
    const found = attempt(() => JSON.parse(bytes.toString()) as Claim);
    const alive =
      found?.process === mine.process &&
      found.file === mine.file &&
      (found.thread === mine.thread || found.task === undefined || existsSync(found.task));
    if (alive) throw new MmcbError('MMCB_LOCKED', describe('MMCB_LOCKED', `${buffer.path} in another thread`));
  } else if (address !== -NativeCode.NOT_FOUND) throw store.failure(address);
  const result = store.native.stringSet(store.handle, KEY, Buffer.from(JSON.stringify(mine)));
  if (result < 0) throw store.failure(result);
}

/** Takes it away again. */
export function releaseThread(buffer: CompactableBuffer): void {
  if (buffer.path === ':memory:') return;
  const store = storeOf(buffer);
  store.native.stringDelete(store.handle, KEY); // a file that cannot be written keeps it until the process ends
}
