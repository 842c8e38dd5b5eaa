/** Bytes of items. */
import { type Codec, codecError } from '../codec/codec.js';
import { show } from '../internal/options.js';

/** What a codec makes of an item, in memory of its own; MMCB_CODEC if it makes nothing of it. */
export function encodeWith(codec: Codec<unknown>, item: unknown): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = codec.encode(item);
  } catch (error) {
    throw codecError('encode', error);
  }
  // A copy: the codec may use its memory again before these are stored.
  if (bytes instanceof Uint8Array) return Uint8Array.prototype.slice.call(bytes);
  throw codecError('encode', new TypeError(`encode() must return a Uint8Array, got ${show(bytes)}`));
}
