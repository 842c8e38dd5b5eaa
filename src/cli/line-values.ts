/**
 * The lines of `dump` and `load`: one entry each, as JSON.
 *
 *   { "key": 7, "value": ... }            an entry of an int map
 *   { "key": "seven", "value": ... }      an entry of a string map
 *   { "address": 12, "value": ... }       an entry without a key, as `CompactableBuffer.add` makes them
 *
 * `value` is what the codec makes of the stored bytes. Where that cannot be said in JSON (bytes, dates, bigints, ...), or the
 * bytes are none of the codec's, `base64` stands in its place, with the bytes as they are: a dump never loses anything.
 */
import { json } from '../codec/json.js';
import { msgpack } from '../codec/msgpack.js';
import { UsageError } from './exit-codes.js';

export const codecNames = ['msgpack', 'json', 'utf8', 'binary'] as const;
export type CodecName = (typeof codecNames)[number];

/** An entry as it stands in a line. */
export interface Line {
  key?: number | string;
  address?: number;
  value?: unknown;
  base64?: string;
}

/** Bytes as a line says them, and back. */
export interface LineCodec {
  readonly name: CodecName;
  /** The value of stored bytes, or undefined where only base64 can say it. */
  valueOf(bytes: Buffer): { value: unknown } | undefined;
  /** The bytes of a value. Throws what the codec throws. */
  bytesOf(value: unknown): Uint8Array;
}

export function lineCodec(name: CodecName): LineCodec {
  const { decode, encode } = codecs[name]();
  return {
    name,
    valueOf(bytes) {
      try {
        const value = decode(bytes);
        return saysJson(value) ? { value } : undefined;
      } catch {
        return undefined;
      }
    },
    bytesOf: encode,
  };
}

interface Conversion {
  decode(bytes: Buffer): unknown;
  encode(value: unknown): Uint8Array;
}

const codecs: Record<CodecName, () => Conversion> = {
  msgpack: () => msgpack(),
  json: () => ({ decode: (bytes) => JSON.parse(strictText(bytes)), encode: (value) => json().encode(value) }),
  utf8: () => ({
    decode: strictText,
    encode(value) {
      if (typeof value !== 'string') throw new TypeError('--codec utf8 takes strings');
      return Buffer.from(value, 'utf8');
    },
  }),
  binary: () => ({
    decode() {
      throw new TypeError('bytes have no form in JSON');
    },
    encode() {
      throw new TypeError('--codec binary takes "base64", not "value"');
    },
  }),
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text that becomes the same bytes again. */
function strictText(bytes: Buffer): string {
  return utf8.decode(bytes);
}

/** Whether JSON says a value without losing anything. */
export function saysJson(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object': {
      if (value === null) return true;
      if (Array.isArray(value)) return value.every(saysJson);
      const prototype: unknown = Object.getPrototypeOf(value);
      return (prototype === Object.prototype || prototype === null) && Object.values(value).every(saysJson);
    }
    default:
      return false;
  }
}

/** A line for stored bytes. */
export function lineOf(codec: LineCodec, name: Pick<Line, 'key' | 'address'>, bytes: Buffer): Line {
  const found = codec.valueOf(bytes);
  return found === undefined ? { ...name, base64: bytes.toString('base64') } : { ...name, value: found.value };
}

/** What a line says; a UsageError that names the line where it says nothing that can be loaded. */
export function parseLine(
  text: string,
  number: number,
  codec: LineCodec,
): { key?: number | string; bytes: Uint8Array } {
  const wrong = (reason: string): UsageError => new UsageError(`line ${number}: ${reason}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw wrong(`no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw wrong('must be an object');
  const line = parsed as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(line)) {
    if (!['key', 'address', 'value', 'base64'].includes(name)) throw wrong(`unknown field ${JSON.stringify(name)}`);
  }
  const { key } = line;
  if (key !== undefined && typeof key !== 'string' && !Number.isSafeInteger(key)) {
    throw wrong('"key" must be a string or a safe integer');
  }
  if ('value' in line === 'base64' in line) throw wrong('needs either "value" or "base64"');
  return { ...(key === undefined ? {} : { key: key as number | string }), bytes: lineBytes(line, codec, wrong) };
}

function lineBytes(
  line: Readonly<Record<string, unknown>>,
  codec: LineCodec,
  wrong: (reason: string) => UsageError,
): Uint8Array {
  if ('value' in line) {
    try {
      return codec.bytesOf(line['value']);
    } catch (error) {
      throw wrong(error instanceof Error ? error.message : String(error));
    }
  }
  const text = line['base64'];
  if (typeof text !== 'string') throw wrong('"base64" must be a string');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw wrong('"base64" is no base64');
  return bytes;
}
