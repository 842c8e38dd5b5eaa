/**
 * Keys of a level database: bytes, compared byte by byte. They are stored as the string whose characters are these bytes
 * (U+0000 to U+00FF), which keeps their order, so that the file needs no other kind of keys than a StringMap has. Keys of
 * ASCII characters are the same in both.
 */
import type { OrderedCursor } from '../map/ordered-cursor.js';

/** How abstract-level hands keys and values over: its own encodings are made of these. */
export type Format = 'utf8' | 'buffer' | 'view';

/** A key as abstract-level hands it over. */
export type LevelKey = string | Uint8Array;

/** The stored form of a key. */
export function storedKey(key: LevelKey): string {
  if (typeof key !== 'string') return bufferOver(key).toString('latin1');
  // One byte for each unit: all ASCII, which is its own stored form.
  return Buffer.byteLength(key, 'utf8') === key.length ? key : Buffer.from(key, 'utf8').toString('latin1');
}

/** The key of a cursor's entry. */
export function keyAt(cursor: OrderedCursor, format: Format): LevelKey {
  if (format !== 'utf8') return cursor.asciiKey ?? Buffer.from(cursor.key, 'latin1');
  const key = cursor.key;
  return cursor.isAscii ? key : Buffer.from(key, 'latin1').toString('utf8');
}

function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
