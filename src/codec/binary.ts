import { types } from 'node:util';
import { show } from '../internal/options.js';
import type { Codec } from './codec.js';

/** Bytes as they are. Values are given as Uint8Array and come back as Buffers of the caller's own. */
export function binary(): Codec<Uint8Array> {
  return {
    encode(value) {
      if (!types.isUint8Array(value)) throw new TypeError(`binary() takes Uint8Arrays, got ${show(value)}`);
      return value;
    },
    decode: (bytes) => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
  };
}
