/** How commands open files. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { CompactableBuffer } from '../buffer/compactable-buffer.js';
import type { BufferOptions } from '../buffer/options.js';
import { MmcbError } from '../errors.js';
import type { Command } from './command.js';
import { UsageError } from './exit-codes.js';

/** Opens a file for reading. It stays as it is, byte by byte. */
export function openToRead(path: string, command: Command, options: BufferOptions = {}): Promise<CompactableBuffer> {
  return open(path, command, { ...options, readOnly: true });
}

/** Opens a file that is there for writing; one that is not there is not made. */
export function openToWrite(path: string, command: Command): Promise<CompactableBuffer> {
  if (statSync(path).size === 0) throw new MmcbError('MMCB_NOT_MMCB', `${path}: the file is empty`);
  return open(path, command, { compaction: { policy: 'disabled' } });
}

/** Opens a file for writing, or makes it. */
export function openOrCreate(path: string, command: Command): Promise<CompactableBuffer> {
  return open(path, command, {});
}

function open(path: string, { output, signal }: Command, options: BufferOptions): Promise<CompactableBuffer> {
  // Resolved, so that no name is taken for ':memory:'.
  return output.progress('opening', (onProgress) =>
    CompactableBuffer.open(resolve(path), { ...options, signal, onProgress }),
  );
}

/** A target must not be the file itself, by whatever name. */
export function refuseSameFile(path: string, target: string): void {
  const [one, other] = [path, target].map((name) => statSync(name, { throwIfNoEntry: false }));
  if (one !== undefined && other !== undefined && one.dev === other.dev && one.ino === other.ino) {
    throw new UsageError(`${target} is ${path} itself; choose another target`);
  }
}

/** Opens, works, and closes whatever comes. */
export async function using<T>(
  opened: Promise<CompactableBuffer>,
  work: (buffer: CompactableBuffer) => Promise<T> | T,
): Promise<T> {
  const buffer = await opened;
  try {
    return await work(buffer);
  } finally {
    await buffer.close();
  }
}
