/** mmcb load: lines of JSON, as dump writes them, into a file. */
import { createReadStream } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import type { CompactableBuffer } from '../../buffer/compactable-buffer.js';
import { binary } from '../../codec/binary.js';
import { IntMap } from '../../map/int-map.js';
import { StringMap } from '../../map/string-map.js';
import type { Command } from '../command.js';
import { ExitCode } from '../exit-codes.js';
import { counted } from '../figures.js';
import { openOrCreate, using } from '../files.js';
import { type CodecName, lineCodec, parseLine } from '../line-values.js';
import { linesOf } from '../lines.js';

export interface LoadArguments {
  codec: CodecName;
  /** Lines that are stored together, all or nothing. */
  batch: number;
}

/** Bytes after which a batch is stored, whatever its number of lines. */
const BATCH_BYTES = 16 * 2 ** 20;

export async function load(
  path: string,
  input: string | undefined,
  { codec: name, batch }: LoadArguments,
  command: Command,
): Promise<number> {
  const { output, signal } = command;
  const codec = lineCodec(name);
  const source = input === undefined || input === '-' ? process.stdin : createReadStream(input);
  addAbortSignal(signal, source); // also while it waits for input
  return using(openOrCreate(path, command), async (buffer) => {
    const pending = new PendingLines(buffer);
    let number = 0;
    try {
      await output.progress('loading', async (onProgress) => {
        for await (const text of linesOf(source)) {
          number++;
          if (text.trim() === '') continue;
          signal.throwIfAborted();
          pending.take(parseLine(text, number, codec));
          if (pending.count >= batch || pending.bytes >= BATCH_BYTES) {
            pending.store();
            onProgress({ phase: `line ${number}`, done: number, total: 0 });
          }
        }
      });
      pending.store();
    } catch (error) {
      // What was stored stays: `load` of the same lines again ends with the same maps.
      if (pending.stored > 0) output.note(`${counted(pending.stored, 'line')} stored before the failure`);
      throw error;
    }
    await buffer.flush({ signal });
    const { stored, ints, strings, plain } = pending;
    output.report({ path, lines: stored, ints, strings, plain, entries: buffer.stats().count }, () => [
      `${counted(stored, 'line')} loaded into ${path}, which has ${counted(buffer.stats().count, 'entry', 'entries')} now`,
    ]);
    return ExitCode.OK;
  });
}

/** Lines that were read and not stored yet. Of one key the last line counts, as in the input. */
class PendingLines {
  stored = 0;
  ints = 0;
  strings = 0;
  plain = 0;
  bytes = 0;
  readonly #buffer: CompactableBuffer;
  readonly #intMap: IntMap<Uint8Array>;
  readonly #stringMap: StringMap<Uint8Array>;
  #ints: [number, Uint8Array][] = [];
  #strings: [string, Uint8Array][] = [];
  #plain: Uint8Array[] = [];

  constructor(buffer: CompactableBuffer) {
    this.#buffer = buffer;
    this.#intMap = new IntMap(buffer, binary());
    this.#stringMap = new StringMap(buffer, binary());
  }

  get count(): number {
    return this.#ints.length + this.#strings.length + this.#plain.length;
  }

  take({ key, bytes }: { key?: number | string; bytes: Uint8Array }): void {
    this.bytes += bytes.length;
    if (typeof key === 'number') this.#ints.push([key, bytes]);
    else if (typeof key === 'string') this.#strings.push([key, bytes]);
    else this.#plain.push(bytes);
  }

  /** Stores what is pending: the entries of each kind all or none. */
  store(): void {
    this.#intMap.setMany(this.#ints);
    this.stored += this.#ints.length;
    this.ints += this.#ints.length;
    this.#ints = [];
    this.#stringMap.setMany(this.#strings);
    this.stored += this.#strings.length;
    this.strings += this.#strings.length;
    this.#strings = [];
    this.#buffer.batch(this.#plain.map((data) => ({ type: 'add', data })));
    this.stored += this.#plain.length;
    this.plain += this.#plain.length;
    this.#plain = [];
    this.bytes = 0;
  }
}
