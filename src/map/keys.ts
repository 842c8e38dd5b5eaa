/** Keys: their checks, and the stored form of string keys. */
import { show } from '../internal/options.js';

/** The error for a value that cannot be a key of an int map. */
export function badIntKey(key: unknown): Error {
  if (typeof key !== 'number') return new TypeError(`key must be a number, got ${show(key)}`);
  return new RangeError(`key must be a safe integer (whole, at most 2^53 - 1 in size), got ${key}`);
}

/** The error for a value that cannot be a key of a string map. */
export function badStringKey(key: unknown): Error {
  return new TypeError(`key must be a string, got ${show(key)}`);
}

/**
 * The key that bytes [start, end) stand for. Keys are stored as UTF-8, and lone surrogates, which UTF-8 has no form for, in
 * the three bytes that they would have (WTF-8), so that every string is a key of its own.
 */
export function decodeStringKey(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  return text.includes('\ufffd') ? decodeWtf8(bytes, start, end) : text;
}

function decodeWtf8(bytes: Buffer, start: number, end: number): string {
  let text = '';
  let from = start;
  for (let i = start; i + 2 < end; i++) {
    // A surrogate is ED, A0 to BF, 80 to BF; no character of well-formed UTF-8 contains ED followed by A0 or more.
    if (bytes[i] === 0xed && (bytes[i + 1] as number) >= 0xa0) {
      const unit = 0xd000 | (((bytes[i + 1] as number) & 0x3f) << 6) | ((bytes[i + 2] as number) & 0x3f);
      text += bytes.toString('utf8', from, i) + String.fromCharCode(unit);
      from = i + 3;
      i += 2;
    }
  }
  return text + bytes.toString('utf8', from, end);
}
