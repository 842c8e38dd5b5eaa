import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/inspect/crc32c.js';
import { Word64 } from '../../../src/inspect/word64.js';
import { Random } from '../../support/random.js';

describe('crc32c', () => {
  // RFC 3720, B.4, and the check value of the catalogue of parametrised CRC algorithms.
  it.each([
    ['32 zeros', Buffer.alloc(32), 0x8a91_36aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8_ab43],
    ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd_794e],
    ['the digits', Buffer.from('123456789'), 0xe306_9283],
    ['nothing', Buffer.alloc(0), 0],
  ])('of %s is the published value', (_, bytes, expected) => {
    expect(crc32c(0, bytes)).toBe(expected);
  });

  it('can be continued at any byte', () => {
    const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 37) & 0xff));
    for (let at = 0; at <= 100; at++) expect(crc32c(crc32c(0, bytes, 0, at), bytes, at)).toBe(crc32c(0, bytes));
  });
});

describe('Word64', () => {
  it('calculates as bigints modulo 2^64 do', () => {
    const random = new Random(1);
    const half = (): number =>
      random.chance(0.2) ? random.pick([0, 1, 0xffff, 0x1_0000, 0xffff_ffff]) : random.int(0, 0xffff_ffff);
    const mask = (1n << 64n) - 1n;
    for (let i = 0; i < 3000; i++) {
      const [high, low, otherHigh, otherLow] = [half(), half(), half(), half()];
      const shift = random.int(1, 63);
      const x = (BigInt(high) << 32n) | BigInt(low);
      const y = (BigInt(otherHigh) << 32n) | BigInt(otherLow);
      const text = (value: bigint): string => (value & mask).toString(16).padStart(16, '0');
      const word = (): Word64 => new Word64().set(high, low);
      expect(word().multiply(otherHigh, otherLow).toString()).toBe(text(x * y));
      expect(word().add(otherHigh, otherLow).toString()).toBe(text(x + y));
      expect(word().xor(otherHigh, otherLow).toString()).toBe(text(x ^ y));
      expect(word().xorShift(shift).toString()).toBe(text(x ^ (x >> BigInt(shift))));
    }
  });
});
