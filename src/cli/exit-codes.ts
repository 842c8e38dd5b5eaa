/** What the exit code of the command line says. docs/cli.md has the table; scripts branch on it. */
import { CommanderError } from 'commander';
import { MmcbError, type MmcbErrorCode } from '../errors.js';

export const ExitCode = {
  /** Done. */
  OK: 0,
  /** Done, and the answer is no: there is damage, no such key, something was lost. */
  NO: 1,
  /** The command line, or a line of the input, is wrong. */
  USAGE: 2,
  /** The file is not there, not ours, of a newer format, or may not be opened. */
  FILE: 3,
  /** The file is damaged. */
  DAMAGED: 4,
  /** Another process has the file open. */
  LOCKED: 5,
  /** The disk is full, a system call failed, or the addon could not be loaded. */
  SYSTEM: 6,
  /** A defect of mmcb. */
  INTERNAL: 70,
  /** Ended by Ctrl-C (SIGINT), SIGTERM, or because nobody reads the output any more; 128 and the signal, as shells say. */
  INTERRUPTED: 130,
  TERMINATED: 143,
  PIPE: 141,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A mistake on the command line or in the input; the message is for whoever made it. */
export class UsageError extends Error {}

/** Why a command was interrupted: the reason of its signal. */
export class Interrupted extends Error {
  constructor(readonly exitCode: ExitCode) {
    super('interrupted');
  }
}

const codes: Partial<Record<MmcbErrorCode, ExitCode>> = {
  MMCB_NOT_MMCB: ExitCode.FILE,
  MMCB_VERSION: ExitCode.FILE,
  MMCB_CORRUPT: ExitCode.DAMAGED,
  MMCB_LOCKED: ExitCode.LOCKED,
  MMCB_CODEC: ExitCode.USAGE,
  MMCB_TOO_LARGE: ExitCode.USAGE,
};

/** System errors that are about the path that was given, and not about the machine. */
const aboutPath = new Set([
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'EACCES',
  'EPERM',
  'EROFS',
  'EEXIST',
  'ENAMETOOLONG',
  'ELOOP',
]);

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof UsageError || error instanceof CommanderError) return ExitCode.USAGE;
  if (error instanceof MmcbError) return codes[error.code] ?? systemCode(error.cause) ?? ExitCode.SYSTEM;
  return systemCode(error) ?? ExitCode.INTERNAL;
}

function systemCode(error: unknown): ExitCode | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('errno' in error)) return undefined;
  return aboutPath.has(String(error.code)) ? ExitCode.FILE : ExitCode.SYSTEM;
}
