import type { Codec } from './codec.js';

/** JSON, as UTF-8. What JSON cannot say (undefined, functions, bigints) is refused where JSON.stringify refuses it. */
export function json<V = unknown>(): Codec<V> {
  return {
    encode(value) {
      const text: unknown = JSON.stringify(value);
      if (typeof text !== 'string') throw new TypeError(`JSON has no form for a value of type ${typeof value}`);
      return Buffer.from(text, 'utf8');
    },
    decode(bytes) {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return JSON.parse(buffer.toString('utf8')) as V;
    },
    decodeSlice: (memory, start, end) => JSON.parse(memory.toString('utf8', start, end)) as V,
  };
}
