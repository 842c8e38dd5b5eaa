/** Values: how they become bytes and back, by a codec or by functions that are told the key. */
import { type Codec, codecError } from '../codec/codec.js';
import { callbackError } from '../errors.js';
import { show } from '../internal/options.js';

/** Makes a string or bytes of a value. */
export type Encode<V> = (key: string, value: V) => string | Uint8Array;
/**
 * Makes a value of what `encode` made: of a string where that made a string, else of a Buffer. What another program wrote
 * to Redis comes as what `encode` made last, or as a string where it has made nothing yet.
 */
export type Decode<V> = (key: string, data: never) => V;

/** An encoded value, in memory of its own. */
export interface Encoded {
  readonly bytes: Buffer;
  /** Whether it was a string. */
  readonly text: boolean;
}

/** How the values of keys become bytes or text, and values again. */
export interface Coding<V> {
  encode(key: string, value: V): Encoded;
  /** `text`: undefined where it is not known. */
  decode(key: string, bytes: Buffer, text: boolean | undefined): V;
}

/** The coding of a codec. */
export function codecCoding<V>(codec: Codec<V>): Coding<V> {
  return {
    encode(_, value) {
      let bytes: Uint8Array;
      try {
        bytes = codec.encode(value);
      } catch (error) {
        throw codecError('encode', error);
      }
      // A copy: the codec may use its memory again before the bytes are sent.
      if (bytes instanceof Uint8Array) return { bytes: Buffer.from(bytes), text: false };
      throw codecError('encode', new TypeError(`encode() must return a Uint8Array, got ${show(bytes)}`));
    },
    decode(_, bytes) {
      try {
        return codec.decode(bytes);
      } catch (error) {
        throw codecError('decode', error);
      }
    },
  };
}

/** The coding of two functions. */
export function functionCoding<V>(encode: Encode<V>, decode: Decode<V>): Coding<V> {
  let lastText = true;
  return {
    encode(key, value) {
      let data: string | Uint8Array;
      try {
        data = encode(key, value);
      } catch (error) {
        throw callbackError('encode', error);
      }
      if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
        throw callbackError('encode', new TypeError(`encode must return a string or a Uint8Array, got ${show(data)}`));
      }
      lastText = typeof data === 'string';
      return { bytes: typeof data === 'string' ? Buffer.from(data) : Buffer.from(data), text: lastText };
    },
    decode(key, bytes, text) {
      try {
        return decode(key, ((text ?? lastText) ? bytes.toString() : bytes) as never);
      } catch (error) {
        throw callbackError('decode', error);
      }
    },
  };
}
