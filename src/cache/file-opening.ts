/** Opening the file of a cache: it is a copy of what can be had again, so damage costs entries, never the start. */
import { renameSync } from 'node:fs';
import { CompactableBuffer } from '../buffer/compactable-buffer.js';
import { claimKind } from '../buffer/file-kind.js';
import type { BufferOptions } from '../buffer/options.js';
import type { RecoveryReport } from '../buffer/reports.js';
import { MmcbError } from '../errors.js';

const KIND = 'LayeredCache 1';

/** What opening the file found. */
export interface CacheRecovery extends RecoveryReport {
  /** Why the file was put aside and begun again, where it was; and where it is now. */
  rebuilt: { error: MmcbError; keptAs: string } | undefined;
}

/**
 * Opens a file of a cache. Damage is salvaged; a file that cannot be opened even so is put aside as `path.damaged`, and a
 * new one is begun. Rejects with MMCB_NOT_MMCB, MMCB_LOCKED and MMCB_VERSION, for files that are not ours to touch, and with
 * the errors of the system.
 */
export async function openCacheFile(
  path: string,
  options: BufferOptions,
): Promise<{ buffer: CompactableBuffer; recovery: CacheRecovery }> {
  try {
    const buffer = await openAs(path, options);
    return { buffer, recovery: { ...buffer.recovery, rebuilt: undefined } };
  } catch (error) {
    if (!(error instanceof MmcbError) || error.code !== 'MMCB_CORRUPT' || path === ':memory:') throw error;
    const keptAs = `${path}.damaged`;
    renameSync(path, keptAs);
    const buffer = await openAs(path, options);
    return { buffer, recovery: { ...buffer.recovery, rebuilt: { error, keptAs } } };
  }
}

async function openAs(path: string, options: BufferOptions): Promise<CompactableBuffer> {
  const buffer = await CompactableBuffer.open(path, { recovery: 'salvage', ...options });
  try {
    claimKind(buffer, KIND);
    return buffer;
  } catch (error) {
    await buffer.close();
    throw error;
  }
}
