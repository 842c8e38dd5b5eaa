/** Values that say who they are: the first four bytes are their number, and number and size say every other byte. */

/** The least size of a value. */
export const LEAST = 4;

export function valueBytes(id, size) {
  const words = new Uint32Array((size + 3) >>> 2);
  words[0] = id;
  let word = Math.imul(id, 0x9e3779b1) ^ size;
  for (let i = 1; i < words.length; i++) {
    word = (Math.imul(word, 0x01000193) + i) | 0;
    words[i] = word;
  }
  return Buffer.from(words.buffer, 0, size);
}

/** The number of a value, or undefined when any byte is not what it should be. */
export function idOf(bytes) {
  if (bytes.length < LEAST) return undefined;
  const id = bytes.readUInt32LE(0);
  return valueBytes(id, bytes.length).equals(bytes) ? id : undefined;
}
