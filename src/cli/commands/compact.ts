/** mmcb compact: gives the space of what was removed and superseded back to the file system. */
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { bytes, counted, milliseconds } from '../figures.js';
import { openToWrite, using } from '../files.js';

export async function compact(path: string, command: Command): Promise<number> {
  const { output, signal } = command;
  return using(openToWrite(path, command), async (buffer) => {
    const report = await output.progress('compacting', (onProgress) => buffer.compact({ signal, onProgress }));
    output.report({ path, ...report }, () => [
      `${path}: ${bytes(report.sizeBefore)} before, ${bytes(report.sizeAfter)} after ` +
        `(${counted(report.movedEntries, 'entry', 'entries')} moved, ${milliseconds(report.ms)})`,
    ]);
    return ExitCode.OK;
  });
}
