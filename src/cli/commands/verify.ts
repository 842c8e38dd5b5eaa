/** mmcb verify: is everything in a file as it should be? */
import type { CompactableBuffer } from '../../buffer/compactable-buffer.js';
import type { DamageMarker, RecoveryReport, VerifyReport } from '../../buffer/reports.js';
import { MmcbError } from '../../errors.js';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { bytes, counted, milliseconds } from '../figures.js';
import { openToRead, openToWrite, using } from '../files.js';

export interface VerifyArguments {
  /** Clear the damage marker if nothing is wrong any more; needs to write. */
  acknowledge?: boolean | undefined;
}

export async function verify(
  path: string,
  { acknowledge = false }: VerifyArguments,
  command: Command,
): Promise<number> {
  const { output } = command;
  return using(acknowledge ? openToWrite(path, command) : openDamagedToo(path, command), async (buffer) => {
    const report = await output.progress('verifying', (onProgress) =>
      buffer.verify({ acknowledge, signal: command.signal, onProgress }),
    );
    const { recovery } = buffer;
    const damaged = recovery.damage.length > 0 || recovery.quarantined > 0 || recovery.lost > 0;
    const ok = report.ok && !damaged;
    output.report({ path, ...report, ok, recovery }, () => describe(path, report, recovery, ok));
    return ok ? ExitCode.OK : ExitCode.NO;
  });
}

/** A file that cannot be opened because of damage is opened for what is whole of it: the report then says what is not. */
async function openDamagedToo(path: string, command: Command): Promise<CompactableBuffer> {
  try {
    return await openToRead(path, command);
  } catch (error) {
    if (!(error instanceof MmcbError) || error.code !== 'MMCB_CORRUPT') throw error;
    command.output.note(`${path} is damaged; looking at what is whole`);
    return openToRead(path, command, { recovery: 'salvage' });
  }
}

function describe(path: string, report: VerifyReport, recovery: RecoveryReport, ok: boolean): string[] {
  const checked = `${counted(report.entries, 'entry', 'entries')}, ${bytes(report.bytes)}, ${milliseconds(report.ms)}`;
  if (ok) return [`${path}: ok (${checked})`, ...describeMarker(report.marker)];
  return [
    `${path}: DAMAGED (${checked})`,
    ...describeLoss(recovery),
    ...report.errors.map(({ message, offset, key }) => `  at ${offset}: ${message}${describeKey(key)}`),
    ...describeMarker(recovery.damage.length > 0 ? null : report.marker), // else it tells of just this
  ];
}

/** What opening had to leave out, line by line. */
export function describeLoss({ lost, quarantined, damage }: RecoveryReport): string[] {
  const lines = damage.map(({ kind, offset, key }) => `  at ${offset}: damaged ${kind}${describeKey(key)}`);
  if (lost > 0 || quarantined > 0) {
    const places = counted(quarantined, 'damaged place');
    lines.unshift(`  ${counted(lost, 'entry', 'entries')} not found whole, ${places}`);
  }
  return lines;
}

function describeKey(key: number | string | undefined): string {
  return key === undefined ? '' : `, key ${JSON.stringify(key)}`;
}

function describeMarker(marker: DamageMarker | null): string[] {
  if (marker === null) return [];
  const last = new Date(marker.last).toISOString();
  return [`  damage was met before, last on ${last}; once dealt with, clear this with --acknowledge`];
}
