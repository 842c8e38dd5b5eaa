/**
 * What a command says. Reports go to stdout, as text or (--json) as one JSON document; notes, progress and errors go to
 * stderr. Where stdout carries data (dump), the report goes to stderr as well.
 */
import type { Progress } from '../buffer/options.js';
import { MmcbError } from '../errors.js';
import { ExitCode, exitCodeOf } from './exit-codes.js';
import { startProgress } from './progress.js';

export interface OutputOptions {
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;

  constructor({ json = false, quiet = false }: OutputOptions) {
    this.json = json;
    this.quiet = quiet;
  }

  /** The result of a command. `stream`: where it goes. */
  report(value: object, lines: () => readonly string[], stream: NodeJS.WriteStream = process.stdout): void {
    stream.write(
      this.json
        ? `${JSON.stringify(value)}\n`
        : lines()
            .map((line) => `${line}\n`)
            .join(''),
    );
  }

  /** Something worth knowing beside the result. */
  note(text: string): void {
    if (!this.quiet && !this.json) process.stderr.write(`mmcb: ${text}\n`);
  }

  /** Shows how `work` gets on while it lasts. */
  async progress<T>(label: string, work: (onProgress: (progress: Progress) => void) => Promise<T>): Promise<T> {
    if (this.quiet || (this.json && !process.stderr.isTTY)) return work(() => {});
    const shown = startProgress(label, process.stderr);
    try {
      return await work((progress) => shown.update(progress));
    } finally {
      shown.stop();
    }
  }
}

/** Says why a command has failed, and returns its exit code. */
export function reportFailure(error: unknown, json: boolean): ExitCode {
  const exitCode = exitCodeOf(error);
  const message = oneLine(error instanceof Error ? error.message : String(error));
  const codes = error instanceof MmcbError ? [error.code, ...systemCode(error.cause)] : systemCode(error);
  if (json) {
    const [code] = codes;
    const named = {
      message,
      ...(code === undefined ? {} : { code }),
      ...(codes[1] ? { cause: codes[1] } : {}),
      exitCode,
    };
    process.stderr.write(`${JSON.stringify({ error: named })}\n`);
  } else if (exitCode === ExitCode.INTERNAL) {
    process.stderr.write(`mmcb: internal error: ${(error instanceof Error && error.stack) || message}\n`);
  } else {
    process.stderr.write(`mmcb: ${message}${codes.length === 0 ? '' : ` (${codes.join(', ')})`}\n`);
    if (exitCode === ExitCode.LOCKED) process.stderr.write(besideAWriter);
    if (exitCode === ExitCode.DAMAGED) process.stderr.write(whatToDo);
  }
  return exitCode;
}

/** 'ENOENT' and the like. */
function systemCode(error: unknown): string[] {
  return error instanceof Error && 'code' in error && 'errno' in error ? [String(error.code)] : [];
}

const whatToDo = "mmcb: 'mmcb verify' tells what is damaged, 'mmcb repair' takes what is whole into a new file\n";

const besideAWriter =
  "mmcb: 'mmcb stats' and 'mmcb inspect' work beside a writer; for a copy, call backup() in the program that writes\n";

/** Commander's messages begin with 'error: ', and some have a second line. */
function oneLine(message: string): string {
  return message
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
    .trim();
}
