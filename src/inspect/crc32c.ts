/**
 * CRC32C (Castagnoli), by eight tables ("slicing-by-8", Kounavis and Berry 2005). The engine has its own, by instructions of
 * the processor; this one shares nothing with it, so that what reads a file here also checks docs/format.md.
 */

/** The polynomial 0x1edc6f41, reflected. */
const POLYNOMIAL = 0x82f63b78;

const tables: readonly Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const made = Array.from({ length: 8 }, () => new Int32Array(256));
  const first = made[0] as Int32Array;
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[n] = crc;
  }
  for (let t = 1; t < 8; t++) {
    const table = made[t] as Int32Array;
    const before = made[t - 1] as Int32Array;
    for (let n = 0; n < 256; n++) {
      const crc = before[n] as number;
      table[n] = (crc >>> 8) ^ (first[crc & 0xff] as number);
    }
  }
  return made;
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** Continues a CRC whose value so far is `seed` over bytes [start, end). An unsigned 32-bit number. */
export function crc32c(seed: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = ~seed;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const a =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (t7[a & 0xff] as number) ^
      (t6[(a >>> 8) & 0xff] as number) ^
      (t5[(a >>> 16) & 0xff] as number) ^
      (t4[a >>> 24] as number) ^
      (t3[bytes[at + 4] as number] as number) ^
      (t2[bytes[at + 5] as number] as number) ^
      (t1[bytes[at + 6] as number] as number) ^
      (t0[bytes[at + 7] as number] as number);
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
