/**
 * Strings as records store them: Latin-1 where that can hold them, else UTF-16, so that every string, lone surrogates
 * included, comes back as it was.
 */

export function isLatin1(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0xff) return false;
  return true;
}

/** Up to this length a loop is faster than a call of native code. */
const SHORT = 40;

/**
 * Writes a string at `at`, as Latin-1 where that can hold it, else as UTF-16; where it ends, which tells which one it was.
 * Precondition: there is room for it as UTF-16.
 */
export function putText(target: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length > SHORT) return at + target.write(text, at, isLatin1(text) ? 'latin1' : 'utf16le');
  let units = 0;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    units |= unit;
    target[at + i] = unit;
  }
  return units > 0xff ? at + target.write(text, at, 'utf16le') : at + length;
}

export function readText(bytes: Buffer, start: number, size: number, utf16: boolean): string {
  return bytes.toString(utf16 ? 'utf16le' : 'latin1', start, start + size);
}

/** A hash of a string: 32 bits, the same in every thread (FNV-1a over UTF-16 units, with the finish of MurmurHash3). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return finish(hash);
}

/** The same of a string's stored form. */
export function hashOfBytes(bytes: Uint8Array, start: number, size: number, utf16: boolean): number {
  const end = start + size;
  let hash = 0x811c9dc5;
  if (utf16) {
    for (let i = start; i < end; i += 2) {
      hash = Math.imul(hash ^ ((bytes[i] as number) | ((bytes[i + 1] as number) << 8)), 0x01000193);
    }
  } else for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return finish(hash);
}

function finish(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
