/** mmcb get: the value of one key. */
import type { CompactableBuffer } from '../../buffer/compactable-buffer.js';
import { binary } from '../../codec/binary.js';
import { MmcbError } from '../../errors.js';
import { IntMap } from '../../map/int-map.js';
import { StringMap } from '../../map/string-map.js';
import type { Command } from '../command.js';
import { ExitCode, UsageError } from '../exit-codes.js';
import { openToRead, using } from '../files.js';
import { type CodecName, type Line, lineCodec, lineOf } from '../line-values.js';

export type KeyKind = 'int' | 'string' | 'address';
export const keyKinds: readonly KeyKind[] = ['int', 'string', 'address'];

export interface GetArguments {
  codec: CodecName;
  /** What the key is. Left out: an integer where the text is one and the file has no string keys; else a string. */
  as?: KeyKind | undefined;
  /** The stored bytes as they are. */
  raw?: boolean | undefined;
}

export async function get(path: string, text: string, options: GetArguments, command: Command): Promise<number> {
  const { output } = command;
  return using(openToRead(path, command), (buffer) => {
    const kind = options.as ?? guess(text, buffer);
    const key = kind === 'string' ? text : integer(text, kind);
    const found = read(buffer, kind, key);
    if (found === undefined) {
      if (output.json) output.report({ path, ...idOf(kind, key), found: false }, () => []);
      else
        output.note(`${path}: no entry under the ${kind === 'address' ? kind : `${kind} key`} ${JSON.stringify(key)}`);
      return ExitCode.NO;
    }
    if (options.raw) {
      process.stdout.write(found);
      return ExitCode.OK;
    }
    const line = lineOf(lineCodec(options.codec), idOf(kind, key), found);
    output.report({ path, ...line, found: true, size: found.length }, () => [plainText(line)]);
    return ExitCode.OK;
  });
}

function guess(text: string, buffer: CompactableBuffer): KeyKind {
  return /^-?\d+$/.test(text) && Number.isSafeInteger(Number(text)) && buffer.stats().stringCount === 0
    ? 'int'
    : 'string';
}

function integer(text: string, kind: KeyKind): number {
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new UsageError(`${JSON.stringify(text)} is no ${kind === 'int' ? 'int key' : 'address'}: not a safe integer`);
  }
  return number;
}

function idOf(kind: KeyKind, key: number | string): Pick<Line, 'key' | 'address'> {
  return kind === 'address' ? { address: Number(key) } : { key };
}

function read(buffer: CompactableBuffer, kind: KeyKind, key: number | string): Buffer | undefined {
  if (kind === 'int') return new IntMap(buffer, binary()).get(Number(key)) as Buffer | undefined;
  if (kind === 'string') return new StringMap(buffer, binary()).get(String(key)) as Buffer | undefined;
  try {
    return buffer.read(Number(key));
  } catch (error) {
    if ((error instanceof MmcbError && error.code === 'MMCB_NOT_FOUND') || error instanceof RangeError)
      return undefined;
    throw error;
  }
}

/** Strings as they are, everything else as JSON; bytes that are neither, as base64. */
function plainText({ value, base64 }: Line): string {
  if (base64 !== undefined) return base64;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
