/** mmcb stats: counters of a file, also of one that another process writes to. */
import type { BufferStats, RecoveryReport } from '../../buffer/reports.js';
import { MmcbError } from '../../errors.js';
import { type FileScan, FormatReader } from '../../inspect/format-reader.js';
import { totalsOf } from '../../inspect/totals.js';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { aligned, bytes, count, percent } from '../figures.js';
import { openToRead, using } from '../files.js';

export async function stats(path: string, command: Command): Promise<number> {
  try {
    return await using(openToRead(path, command), (buffer) => {
      const found = buffer.stats();
      const { recovery } = buffer;
      command.output.report({ path, exact: true, ...found, recovery }, () => describe(path, found, recovery));
      return ExitCode.OK;
    });
  } catch (error) {
    if (!(error instanceof MmcbError) || error.code !== 'MMCB_LOCKED') throw error;
    return statsBesideWriter(path, command);
  }
}

/** The engine's locks keep everybody out while somebody writes; the file itself can be read all the same. */
async function statsBesideWriter(path: string, { output, signal }: Command): Promise<number> {
  const reader = await FormatReader.open(path);
  try {
    const scan = await output.progress('reading', (onProgress) =>
      reader.scan(
        (done, total) => {
          signal.throwIfAborted();
          onProgress({ phase: 'segments', done, total });
        },
        { isLive: true },
      ),
    );
    const { sizes: _, slacks: __, ...totals } = totalsOf(scan.head, scan.segments);
    output.note('another process writes to it: this is what the file held while it was read');
    output.report({ path, exact: false, ...scan.head, ...totals }, () => describeScan(path, scan));
    return ExitCode.OK;
  } finally {
    await reader.close();
  }
}

function describe(path: string, s: BufferStats, recovery: RecoveryReport): string[] {
  return [
    `${path}: ${bytes(s.fileSize)}, ${recovery.status}${s.damaged ? ', DAMAGED (see mmcb verify)' : ''}`,
    ...aligned([
      ['entries', count(s.count)],
      ['  under int keys', count(s.intCount)],
      ['  under string keys', count(s.stringCount)],
      ['removed, not taken back yet', count(s.removedCount)],
      ['data', bytes(s.dataSize)],
      ...sizeRows(s),
      ['segments', `${count(s.segments)} of ${bytes(s.segmentSize)}`],
      ['durable epoch', count(s.durableEpoch)],
      ['memory for tables', bytes(s.tableMemory)],
    ]).map((line) => `  ${line}`),
  ];
}

function describeScan(path: string, { head, segments }: FileScan): string[] {
  const totals = totalsOf(head, segments);
  return [
    `${path}: ${bytes(head.fileSize)}, open in another process${head.damaged ? ', DAMAGED' : ''}`,
    ...aligned([
      ['entries', `about ${count(totals.liveEntries)}`],
      ['removed, not taken back yet', `about ${count(totals.deadEntries)}`],
      ...sizeRows({ ...totals, fileSize: head.fileSize }),
      ['segments', `${count(head.segmentCount)} of ${bytes(head.segmentSize)}`],
      ['durable epoch', count(head.durableEpoch)],
    ]).map((line) => `  ${line}`),
  ];
}

function sizeRows(
  s: Pick<BufferStats, 'liveBytes' | 'slackBytes' | 'garbageBytes' | 'freeBytes' | 'fileSize'>,
): string[][] {
  const row = (name: string, size: number): string[] => [name, `${bytes(size)} (${percent(size / s.fileSize)})`];
  return [
    row('live', s.liveBytes),
    row('slack', s.slackBytes),
    row('garbage', s.garbageBytes),
    row('free', s.freeBytes),
  ];
}
