import * as zlib from 'node:zlib';
import { checkNumber, integer, oneOf, readOptions } from '../internal/options.js';
import type { Codec } from './codec.js';

/** Options of `compressed`. */
export interface CompressionOptions {
  /** 'zstd' needs a Node that has it (22.15 or later). @default 'brotli' */
  algorithm?: 'brotli' | 'gzip' | 'deflate' | 'zstd' | undefined;
  /** How hard to try: brotli 0 to 11, gzip and deflate -1 to 9, zstd 1 to 22. @default 4, 6, 6, 3 */
  level?: number | undefined;
  /** Values of fewer bytes are stored as they are. @default 256 */
  threshold?: number | undefined;
}

/** zstd of newer Nodes, whose types ours may not know. */
interface Zstd {
  zstdCompressSync?(bytes: Uint8Array, options: { params: Record<number, number> }): Buffer;
  zstdDecompressSync?(bytes: Uint8Array): Buffer;
  constants: { ZSTD_c_compressionLevel?: number };
}
const zstd = zlib as unknown as Zstd;

interface Algorithm {
  /** The first byte of a compressed value. Stored: do not change. */
  tag: number;
  level: { min: number; max: number; normal: number };
  pack(bytes: Uint8Array, level: number): Uint8Array;
  unpack(bytes: Uint8Array): Uint8Array;
}

/** The first byte of a value that is stored as it is. Stored: do not change. */
const AS_IS = 0;

const algorithms: Record<NonNullable<CompressionOptions['algorithm']>, Algorithm> = {
  brotli: {
    tag: 1,
    level: { min: 0, max: 11, normal: 4 },
    pack: (bytes, level) =>
      zlib.brotliCompressSync(bytes, {
        params: {
          [zlib.constants.BROTLI_PARAM_QUALITY]: level,
          [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      }),
    unpack: (bytes) => zlib.brotliDecompressSync(bytes),
  },
  gzip: {
    tag: 2,
    level: { min: -1, max: 9, normal: 6 },
    pack: (bytes, level) => zlib.gzipSync(bytes, { level }),
    unpack: (bytes) => zlib.gunzipSync(bytes),
  },
  deflate: {
    tag: 3,
    level: { min: -1, max: 9, normal: 6 },
    pack: (bytes, level) => zlib.deflateSync(bytes, { level }),
    unpack: (bytes) => zlib.inflateSync(bytes),
  },
  zstd: {
    tag: 4,
    level: { min: 1, max: 22, normal: 3 },
    pack(bytes, level) {
      const parameter = zstd.constants.ZSTD_c_compressionLevel;
      if (zstd.zstdCompressSync === undefined || parameter === undefined) throw new Error(noZstd);
      return zstd.zstdCompressSync(bytes, { params: { [parameter]: level } });
    },
    unpack(bytes) {
      if (zstd.zstdDecompressSync === undefined) throw new Error(noZstd);
      return zstd.zstdDecompressSync(bytes);
    },
  },
};
const noZstd = `this Node (${process.version}) has no zstd; Node 22.15 or later has`;

const table = {
  algorithm: oneOf('brotli', ['brotli', 'gzip', 'deflate', 'zstd']),
  level: integer<number | undefined>(undefined, -1, 22),
  threshold: integer(256, 0, Number.MAX_SAFE_INTEGER, 'bytes'),
};

/**
 * Compresses what another codec makes. Values that do not get smaller are stored as they are. Each value says how it was
 * compressed, so the options may change over the life of a file.
 */
export function compressed<V>(codec: Codec<V>, options?: CompressionOptions): Codec<V> {
  if (typeof codec?.encode !== 'function' || typeof codec.decode !== 'function') {
    throw new TypeError('codec of compressed() must be a codec, e.g. compressed(json())');
  }
  const { algorithm: name, level: given, threshold } = readOptions(table, options, 'compressed');
  const algorithm = algorithms[name];
  const { min, max, normal } = algorithm.level;
  const level = given === undefined ? normal : checkNumber(given, `option 'level' of compressed for ${name}`, min, max);
  if (name === 'zstd' && zstd.zstdCompressSync === undefined) throw new RangeError(noZstd);
  return {
    encode(value) {
      const bytes = codec.encode(value);
      if (bytes.length >= threshold) {
        const packed = algorithm.pack(bytes, level);
        if (packed.length < bytes.length) return tagged(algorithm.tag, packed);
      }
      return tagged(AS_IS, bytes);
    },
    decode(bytes) {
      const tag = bytes[0];
      const rest = bytes.subarray(1);
      if (tag === AS_IS) return codec.decode(rest);
      const found = Object.values(algorithms).find((candidate) => candidate.tag === tag);
      if (found === undefined) throw new RangeError('the value was not stored by compressed()');
      return codec.decode(found.unpack(rest));
    },
  };
}

function tagged(tag: number, bytes: Uint8Array): Buffer {
  const result = Buffer.allocUnsafe(bytes.length + 1);
  result[0] = tag;
  result.set(bytes, 1);
  return result;
}
