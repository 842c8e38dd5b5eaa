/**
 * What the killed child leaves behind besides the store: a file with one line before each operation, which describes it,
 * and one after it, with what it returned. A pwrite that has returned survives SIGKILL; a line that has no end was never
 * acknowledged to anybody.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** The bytes of value `id`: every one of them is checked. */
export function valueBytes(id, size) {
  const words = new Uint32Array((size + 3) >>> 2);
  let word = Math.imul(id, 0x9e3779b1) ^ size;
  for (let i = 0; i < words.length; i++) {
    word = (Math.imul(word, 0x01000193) + i) | 0;
    words[i] = word;
  }
  return Buffer.from(words.buffer, 0, size);
}

/** Writes the log, in the child. */
export class LogWriter {
  #file;
  /** Operations so far. */
  returned = 0;

  constructor(path) {
    this.#file = openSync(path, 'w');
  }

  write(kind, content) {
    writeSync(this.#file, `${kind}${JSON.stringify(content ?? null)}\n`);
    if (kind === 'a') this.returned += 1;
  }

  close() {
    closeSync(this.#file);
  }
}

/**
 * Reads the log, in the parent: how the child opened (undefined if it had not), the operations that returned, the one
 * that did not, how many of them it knew to be on the disk, and how it found the file when it had closed it itself.
 */
export function readLog(path) {
  const result = { opened: undefined, done: [], open: undefined, durable: 0, reopened: [] };
  let lines;
  try {
    lines = readFileSync(path, 'utf8').split('\n');
  } catch (error) {
    if (error.code === 'ENOENT') return result;
    throw error;
  }
  lines.pop(); // empty, or cut short
  for (const line of lines) {
    const content = JSON.parse(line.slice(1));
    if (line[0] === 'o') result.opened = content;
    else if (line[0] === 'b') result.open = content;
    else if (line[0] === 'f') result.durable = Math.max(result.durable, content);
    else if (line[0] === 'r') result.reopened.push({ ...content, after: result.done.length });
    else {
      result.done.push({ operation: result.open, result: content });
      result.open = undefined;
    }
  }
  return result;
}
