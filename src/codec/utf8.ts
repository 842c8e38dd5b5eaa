import { show } from '../internal/options.js';
import type { Codec } from './codec.js';

/** Strings, as UTF-8. Lone surrogates become U+FFFD. */
export function utf8(): Codec<string> {
  return {
    encode(value) {
      if (typeof value !== 'string') throw new TypeError(`utf8() takes strings, got ${show(value)}`);
      return Buffer.from(value, 'utf8');
    },
    decode: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
    decodeSlice: (memory, start, end) => memory.toString('utf8', start, end),
  };
}
