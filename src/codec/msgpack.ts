import { Packr } from 'msgpackr';
import { flag, readOptions } from '../internal/options.js';
import type { Codec } from './codec.js';
import { NamesFirstDecoder, NamesFirstEncoder } from './names-first.js';
import { metMap, packerOptions, plain, UNUSED } from './packers.js';

/** Values with a Map somewhere in them, in msgpackr's record form, behind a byte that says so. */
const withMaps = new Packr({ useRecords: true, mapsAsObjects: false, ...packerOptions });
const namesFirstDecoder = new NamesFirstDecoder();

/** Options of `msgpack`. */
export interface MsgpackOptions {
  /**
   * Stores the names of an object's properties in front of its values, once they have been met a few times. Reading takes
   * half the time; writing takes as long or, for objects within objects, up to a third longer. Values are as large as
   * without. The same value is not always the same bytes, and other programs need msgpackr to read them. @default false
   */
  namesFirst?: boolean | undefined;
}

const table = { namesFirst: flag(false) };

/**
 * MessagePack, by msgpackr: compact, fast, and for more types than JSON: undefined, Date, Map, Set, bigint, RegExp, Error,
 * Buffer and typed arrays. Values without a Map in them are plain MessagePack. Functions become undefined. What was
 * written with other options is read as well.
 */
export function msgpack<V = unknown>(given?: MsgpackOptions): Codec<V> {
  const { namesFirst } = readOptions(table, given, 'msgpack');
  const encoder = namesFirst ? new NamesFirstEncoder() : undefined;
  return {
    encode(value) {
      try {
        return encoder?.encode(value) ?? plain.pack(value);
      } catch (error) {
        if (error !== metMap) throw error;
      }
      const packed = withMaps.pack(value);
      const bytes = Buffer.allocUnsafe(packed.length + 1);
      bytes[0] = UNUSED;
      bytes.set(packed, 1);
      return bytes;
    },
    decode: (bytes) => unpack(bytes, 0, bytes.length) as V,
    decodeSlice: (memory, start, end) => unpack(memory, start, end) as V,
  };
}

const range = { start: 0, end: 0 };

function unpack(memory: Uint8Array, start: number, end: number): unknown {
  if (start === end) throw new RangeError('no MessagePack value has 0 bytes');
  if (namesFirstDecoder.isOne(memory, start, end)) return namesFirstDecoder.decode(memory, start, end);
  const maps = memory[start] === UNUSED;
  // msgpackr reads these at once and keeps nothing of the object, so that one serves nested calls too.
  range.start = maps ? start + 1 : start;
  range.end = end;
  return (maps ? withMaps : plain).unpack(memory, range);
}
