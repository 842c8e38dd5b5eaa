/** mmcb repair: what is whole of a damaged file, in a new file. The damaged one stays as it is. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RecoveryReport } from '../../buffer/reports.js';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { bytes, counted } from '../figures.js';
import { openToRead, refuseSameFile, using } from '../files.js';
import { describeLoss } from './verify.js';

export interface RepairArguments {
  overwrite?: boolean | undefined;
}

export async function repair(
  path: string,
  target: string,
  { overwrite = false }: RepairArguments,
  command: Command,
): Promise<number> {
  const { output, signal } = command;
  refuseSameFile(path, target);
  const recovery = await using(openToRead(path, command, { recovery: 'salvage' }), async (buffer) => {
    await output.progress('salvaging', (onProgress) =>
      buffer.backup(resolve(target), { overwrite, signal, onProgress }),
    );
    return buffer.recovery;
  });
  // The new file is to be whole: it is checked before anybody relies on it.
  const checked = await using(openToRead(target, command), (buffer) =>
    output.progress('verifying', (onProgress) => buffer.verify({ signal, onProgress })),
  );
  const complete = checked.ok && !isLossy(recovery);
  const size = statSync(target).size;
  output.report({ path, target, complete, entries: checked.entries, size, recovery, verify: checked }, () => [
    `${counted(checked.entries, 'entry', 'entries')} of ${path} in ${target} (${bytes(size)}); ${path} is as it was`,
    ...(complete ? ['  nothing was lost'] : []),
    ...describeLoss(recovery),
    ...checked.errors.map(({ message, offset }) => `  new file, at ${offset}: ${message}`),
  ]);
  return complete ? ExitCode.OK : ExitCode.NO;
}

function isLossy({ lost, quarantined, damage }: RecoveryReport): boolean {
  return lost > 0 || quarantined > 0 || damage.length > 0;
}
