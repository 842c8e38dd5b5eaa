/** mmcb dump: every entry of a file as a line of JSON. */

import { once } from 'node:events';
import { createWriteStream, rmSync } from 'node:fs';
import { type CompactableBuffer, storeOf } from '../../buffer/compactable-buffer.js';
import { EntryCursor, EntryIterator } from '../../buffer/entry-cursor.js';
import { binary } from '../../codec/binary.js';
import { EntryKind } from '../../internal/native.js';
import { IntMap } from '../../map/int-map.js';
import { StringMap } from '../../map/string-map.js';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { counted } from '../figures.js';
import { openToRead, using } from '../files.js';
import { type CodecName, type Line, lineCodec, lineOf } from '../line-values.js';
import { LineWriter } from '../lines.js';

export type EntryKindName = 'int' | 'string' | 'plain';
export const entryKinds: readonly EntryKindName[] = ['int', 'string', 'plain'];

export interface DumpArguments {
  codec: CodecName;
  /** Only entries of this kind. */
  only?: EntryKindName | undefined;
  /** No values. */
  keys?: boolean | undefined;
  /** No more than that many lines. */
  limit?: number | undefined;
  /** Where the lines go, instead of stdout. An existing file is refused. */
  output?: string | undefined;
}

/** Entries between two looks at the signal and at the progress. */
const STRIDE = 4096;

export async function dump(path: string, options: DumpArguments, command: Command): Promise<number> {
  const { output } = command;
  return using(openToRead(path, command), async (buffer) => {
    const result = await output.progress('dumping', (onProgress) =>
      intoTarget(options.output, (writer) => write(buffer, options, command.signal, writer, onProgress)),
    );
    const { entries, undecoded } = result;
    if (options.codec !== 'binary' && undecoded > 0) {
      output.note(
        `${counted(undecoded, 'value')} had no form in JSON under --codec ${options.codec}: written as base64`,
      );
    }
    const said = [`${counted(entries, 'entry', 'entries')} dumped from ${path}`];
    if (!output.quiet || output.json) {
      output.report({ path, ...result }, () => said, options.output === undefined ? process.stderr : process.stdout);
    }
    return ExitCode.OK;
  });
}

/** Lets `work` write to stdout, or to a new file, which goes again if it does not become whole. */
async function intoTarget<T>(path: string | undefined, work: (writer: LineWriter) => Promise<T>): Promise<T> {
  if (path === undefined) return work(new LineWriter(process.stdout));
  const target = createWriteStream(path, { flags: 'wx' });
  await once(target, 'open');
  try {
    const result = await work(new LineWriter(target));
    target.end();
    await once(target, 'close');
    return result;
  } catch (error) {
    target.destroy();
    rmSync(path, { force: true });
    throw error;
  }
}

async function write(
  buffer: CompactableBuffer,
  { codec: name, only, keys = false, limit = Number.POSITIVE_INFINITY }: DumpArguments,
  signal: AbortSignal,
  writer: LineWriter,
  onProgress: (progress: { phase: string; done: number; total: number }) => void,
): Promise<{ entries: number; undecoded: number }> {
  const codec = lineCodec(name);
  const total = Math.min(limit, buffer.stats().count);
  let entries = 0;
  let undecoded = 0;
  for (const kind of only === undefined ? entryKinds : [only]) {
    if (entries >= limit) break;
    for (const [id, bytes] of entriesOf(buffer, kind)) {
      const line: Line = keys ? id : lineOf(codec, id, bytes);
      if (line.base64 !== undefined) undecoded++;
      await writer.write(JSON.stringify(line));
      entries++;
      if (entries % STRIDE === 0) {
        signal.throwIfAborted();
        onProgress({ phase: kind, done: entries, total });
      }
      if (entries >= limit) break;
    }
  }
  await writer.flush();
  return { entries, undecoded };
}

/** The entries of a kind: what names each, and its bytes. */
export function* entriesOf(
  buffer: CompactableBuffer,
  kind: EntryKindName,
): Generator<[Pick<Line, 'key' | 'address'>, Buffer]> {
  if (kind === 'plain') {
    const cursor = new EntryCursor(storeOf(buffer), EntryKind.PLAIN, true);
    yield* new EntryIterator<[{ address: number }, Buffer]>([cursor], ({ address }) => [{ address }, cursor.take()]);
    return;
  }
  const map = kind === 'int' ? new IntMap(buffer, binary()) : new StringMap(buffer, binary());
  for (const [key, bytes] of map.entries()) yield [{ key }, bytes as Buffer];
}
