/** Lines of a stream of bytes. */

/**
 * The lines of UTF-8 text, ended by LF or CR LF, without their ends. Not `node:readline`, which also splits at U+2028 and
 * U+2029: JSON may have them inside strings.
 */
export async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      yield text([...pending, chunk.subarray(start, end)]);
      pending = [];
      start = end + 1;
    }
    if (start < chunk.length) pending.push(chunk.subarray(start));
  }
  if (pending.length > 0) yield text(pending);
}

function text(parts: Buffer[]): string {
  const line = (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).toString('utf8');
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

/** Writes to a stream no faster than it takes it. */
export class LineWriter {
  readonly #stream: NodeJS.WritableStream;
  #pending: string[] = [];
  #size = 0;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  /** A promise where the stream has to be waited for. */
  write(line: string): Promise<void> | undefined {
    this.#pending.push(line, '\n');
    this.#size += line.length;
    return this.#size > 65_536 ? this.flush() : undefined;
  }

  async flush(): Promise<void> {
    const chunk = this.#pending.join('');
    this.#pending = [];
    this.#size = 0;
    if (chunk === '') return;
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }
}
