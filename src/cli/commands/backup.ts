/** mmcb backup: a copy of what is live, with the same addresses. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { bytes, counted } from '../figures.js';
import { openToRead, refuseSameFile, using } from '../files.js';

export interface BackupArguments {
  overwrite?: boolean | undefined;
}

export async function backup(
  path: string,
  target: string,
  { overwrite = false }: BackupArguments,
  command: Command,
): Promise<number> {
  const { output, signal } = command;
  refuseSameFile(path, target);
  return using(openToRead(path, command), async (buffer) => {
    await output.progress('backing up', (onProgress) =>
      buffer.backup(resolve(target), { overwrite, signal, onProgress }),
    );
    const { count } = buffer.stats();
    const { size } = statSync(target);
    output.report({ path, target, entries: count, sizeBefore: buffer.stats().fileSize, sizeAfter: size }, () => [
      `${counted(count, 'entry', 'entries')} copied to ${target} (${bytes(size)})`,
    ]);
    return ExitCode.OK;
  });
}
