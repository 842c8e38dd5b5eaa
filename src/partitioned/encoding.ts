/** Bytes of items. */
import { type Codec, codecError } from '../codec/codec.js';
import { show } from '../internal/options.js';

/** What a codec makes of an item; MMCB_CODEC if it makes nothing of it. The codec may use its memory again. */
export function encodedBy(codec: Codec<unknown>, item: unknown): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = codec.encode(item);
  } catch (error) {
    throw codecError('encode', error);
  }
  if (bytes instanceof Uint8Array) return bytes;
  throw codecError('encode', new TypeError(`encode() must return a Uint8Array, got ${show(bytes)}`));
}

/** The same, in memory of its own. */
export function encodeWith(codec: Codec<unknown>, item: unknown): Uint8Array {
  return Uint8Array.prototype.slice.call(encodedBy(codec, item));
}
