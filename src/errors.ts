/**
 * The errors of mmcb. Everything that can go wrong while a program is correct is an {@link MmcbError} with a stable `code`;
 * a wrong argument is a plain `TypeError` or `RangeError` that names it. Branch on `code`, never on the message.
 */
import { getSystemErrorMap } from 'node:util';
import { NativeCode } from './internal/native.js';

/** Every code, with what it means and what to do about it. Codes are stable; texts are not. */
export const errorCodes = {
  MMCB_NOT_FOUND: ['no entry has this address: it was removed, or never given out', 'check with has() first'],
  MMCB_CLOSED: ['it is closed, or closing', 'open it again to go on'],
  MMCB_LOCKED: [
    'another process has the file open',
    'one writer, or any number of read-only openers, can have it at a time',
  ],
  MMCB_READ_ONLY: ['it was opened with readOnly: true', 'open it without readOnly to write'],
  MMCB_NOT_MMCB: ['the file is not an mmcb file, and was left untouched', 'choose another path'],
  MMCB_VERSION: ['the file has a newer format, and was left untouched', 'upgrade mmcb to open it'],
  MMCB_CORRUPT: ['the data is damaged', "open with recovery: 'salvage' to keep what is whole, or restore a backup"],
  MMCB_NO_SPACE: ['the disk is full, or a quota or file-size limit is reached', 'free some space and try again'],
  MMCB_FULL: ['the file has reached maxSize', 'remove entries and compact, or open with a larger maxSize'],
  MMCB_TOO_LARGE: ['a key or value is too large', 'keys take up to 65,535 bytes as UTF-8, values up to 2 GiB - 1'],
  MMCB_IO: ['a system call failed', 'the system error is in cause'],
  MMCB_FAILED: [
    'writing is refused, because an earlier sync failed',
    'open it again: it returns to its last sync point',
  ],
  MMCB_QUEUE_FULL: ['the queue holds maxKeys keys', 'retrieve some first'],
  MMCB_OVERFLOW: [
    'the buffer has reached maxItems or maxBytes',
    'let it drain first, or choose another overflow policy',
  ],
  MMCB_VERSION_CONFLICT: ['the expected version is not the current one', 'load the newer events and decide again'],
  MMCB_EVENT_NOT_FOUND: ['there is no event with this id', 'check the id'],
  MMCB_EVENT_EXISTS: ['an event with this id and other content is stored already', 'give each event an id of its own'],
  MMCB_CODEC: ['a codec, or another function that was given, threw', 'its error is in cause; nothing was changed'],
  MMCB_LAYER: ['Redis failed or timed out', 'its error is in cause'],
  MMCB_NATIVE: ['the native addon could not be loaded', 'build it, or set MMCB_NATIVE_BINDING to its path'],
} as const satisfies Record<string, readonly [meaning: string, advice: string]>;

/** The stable codes of errors; docs/errors.md has a row for each. */
export type MmcbErrorCode = keyof typeof errorCodes;

const brand = Symbol.for('mmcb.error');

/** The error class of mmcb. `code` says what happened; `cause`, where there is one, is the error behind it. */
export class MmcbError extends Error {
  readonly code: MmcbErrorCode;

  constructor(code: MmcbErrorCode, message?: string, options?: { cause?: unknown }) {
    super(message ?? describe(code), options);
    this.code = code;
  }
}
Object.defineProperty(MmcbError.prototype, 'name', { value: 'MmcbError', configurable: true, writable: true });
Object.defineProperty(MmcbError.prototype, brand, { value: true });
// A program may load both the ESM and the CommonJS build: errors of either are instances of both classes.
Object.defineProperty(MmcbError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    if (this !== MmcbError) return Function.prototype[Symbol.hasInstance].call(this as typeof MmcbError, value);
    return typeof value === 'object' && value !== null && brand in value;
  },
});

/** The message of a code: `subject` (say, a path or an address), what happened, what to do. */
export function describe(code: MmcbErrorCode, subject = ''): string {
  const [meaning, advice] = errorCodes[code];
  return `${subject === '' ? '' : `${subject}: `}${meaning}; ${advice}`;
}

/** The error for a function of the program that threw something, `null` perhaps. `name` says which. */
export function callbackError(name: string, cause: unknown): MmcbError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MmcbError('MMCB_CODEC', `${name} threw: ${reason}; nothing was changed`, { cause });
}

const codes: Readonly<Record<number, MmcbErrorCode>> = {
  [NativeCode.NOT_FOUND]: 'MMCB_NOT_FOUND',
  [NativeCode.CLOSED]: 'MMCB_CLOSED',
  [NativeCode.LOCKED]: 'MMCB_LOCKED',
  [NativeCode.READ_ONLY]: 'MMCB_READ_ONLY',
  [NativeCode.NOT_MMCB]: 'MMCB_NOT_MMCB',
  [NativeCode.VERSION]: 'MMCB_VERSION',
  [NativeCode.CORRUPT]: 'MMCB_CORRUPT',
  [NativeCode.NO_SPACE]: 'MMCB_NO_SPACE',
  [NativeCode.FULL]: 'MMCB_FULL',
  [NativeCode.TOO_LARGE]: 'MMCB_TOO_LARGE',
  [NativeCode.IO]: 'MMCB_IO',
  [NativeCode.FAILED]: 'MMCB_FAILED',
  [NativeCode.NO_MEMORY]: 'MMCB_IO',
};

const enomem = 12;

/** Makes the error for a code of the addon. `errno` is the positive errno of the system call that failed, or 0. */
export function errorFromNative(code: number, message: string, errno: number): Error {
  if (code === NativeCode.ABORTED) return new NativeAbort();
  if (code === NativeCode.INVALID_ARGUMENT) return new RangeError(message || 'an argument is out of range');
  const name = codes[code] ?? 'MMCB_IO';
  const number = errno === 0 && code === NativeCode.NO_MEMORY ? enomem : errno;
  const text = message === '' ? describe(name) : `${message}; ${errorCodes[name][1]}`;
  return number === 0 ? new MmcbError(name, text) : new MmcbError(name, text, { cause: systemError(number, message) });
}

/** What a cancelled operation ends with inside; callers see their signal's reason instead. */
export class NativeAbort extends Error {}

/** A system error as Node makes them: `code` ('ENOENT', ...), negative `errno`, and `syscall` where it is known. */
export interface SystemError extends Error {
  code: string;
  errno: number;
  syscall?: string;
}

const syscallName =
  /(?:^|[\s:(])(open|openat|fstat|stat|read|pread|write|pwrite|fallocate|posix_fallocate|ftruncate|mmap|munmap|madvise|msync|fsync|fdatasync|flock|fcntl|rename|unlink|link|ioctl)(?=$|[\s:(,])/;

function systemError(errno: number, message: string): SystemError {
  const [code, text] = getSystemErrorMap().get(-errno) ?? ['UNKNOWN', `system error ${errno}`];
  const syscall = syscallName.exec(message)?.[1];
  const error = new Error(syscall === undefined ? `${code}: ${text}` : `${code}: ${text}, ${syscall}`);
  return Object.assign(error, { code, errno: -errno }, syscall === undefined ? {} : { syscall });
}
