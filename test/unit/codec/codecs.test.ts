import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { binary, type Codec, compressed, IntMap, json, msgpack, utf8 } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';

/** There and back, by both ways of decoding, from the middle of a memory that is then used for something else. */
function roundTrip<V>(codec: Codec<V>, value: V): V {
  const encoded = Buffer.from(codec.encode(value));
  const memory = Buffer.concat([Buffer.alloc(13, 7), encoded, Buffer.alloc(9, 7)]);
  const result = codec.decode(memory.subarray(13, 13 + encoded.length));
  if (codec.decodeSlice !== undefined) {
    const slice = codec.decodeSlice(memory, 13, 13 + encoded.length);
    memory.fill(0xee);
    expect(slice).toEqual(value);
  }
  return result;
}

describe('json()', () => {
  it('keeps what JSON can say', () => {
    for (const value of [null, true, 0, -1.5, '', 'Zürich 🚀', [], [1, [2]], {}, { a: { b: ['c'] } }]) {
      expect(roundTrip(json(), value)).toEqual(value);
    }
  });
  it('refuses what it cannot', () => {
    for (const value of [undefined, () => 1, Symbol('s'), 1n]) expect(() => json().encode(value)).toThrow(TypeError);
    expect(() => json().decode(Buffer.from('{'))).toThrow(SyntaxError);
  });
});

describe('utf8()', () => {
  it('keeps strings', () => {
    for (const value of ['', '\0', 'Zürich 🚀', 'x'.repeat(100_000)]) expect(roundTrip(utf8(), value)).toBe(value);
    expect(() => utf8().encode(5 as never)).toThrow(TypeError);
  });
});

describe('binary()', () => {
  it('keeps bytes, and gives Buffers', () => {
    const result = binary().decode(binary().encode(Uint8Array.of(1, 2, 3)));
    expect(Buffer.isBuffer(result)).toBe(true);
    expect([...result]).toEqual([1, 2, 3]);
    expect(() => binary().encode('text' as never)).toThrow(TypeError);
    expect(() => binary().encode(new Uint16Array(1) as never)).toThrow(TypeError);
  });
});

describe('msgpack()', () => {
  it('keeps many types', () => {
    const values: unknown[] = [
      undefined,
      null,
      true,
      0,
      -1,
      1.5,
      Number.MAX_SAFE_INTEGER,
      Number.NaN,
      '',
      'Zürich 🚀',
      'x'.repeat(70_000),
      [],
      {},
      { a: { b: [1, 'c', undefined] } },
      10n,
      2n ** 63n,
      -(2n ** 100n),
      new Date(1_700_000_000_123),
      new Set([1, 'a']),
      /x+/gi,
      Uint16Array.of(1, 2, 60_000),
      Array.from({ length: 1_000 }, (_, i) => ({ id: i, name: `n${i}` })),
    ];
    for (const value of values) expect(roundTrip(msgpack(), value)).toEqual(value);
    const error = roundTrip<Error>(msgpack<Error>(), new RangeError('kept'));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toBe('kept');
  });

  it('keeps a Map a Map, and an object an object, however deep', () => {
    const values = [
      new Map<unknown, unknown>([
        [1, { a: 1 }],
        ['b', new Map([['c', 2]])],
      ]),
      { a: new Map([[1, 2]]), b: { c: 3 } },
      [
        { id: 1, at: new Map() },
        { id: 2, at: new Map() },
      ],
      new Map(),
    ];
    for (const value of values) {
      expect(roundTrip(msgpack(), value)).toEqual(value);
      expect(roundTrip(msgpack(), { plain: 1 })).toEqual({ plain: 1 });
    }
  });

  it('gives bytes inside values memory of their own', () => {
    const codec = msgpack<{ bytes: Buffer }>();
    const memory = Buffer.from(codec.encode({ bytes: Buffer.from('kept') }));
    const value = codec.decodeSlice?.(memory, 0, memory.length);
    memory.fill(0);
    expect(value?.bytes.toString()).toBe('kept');
  });

  it('refuses damaged bytes', () => {
    const codec = msgpack();
    const bytes = Buffer.from(codec.encode({ a: [1, 2, 3], b: 'text' }));
    expect(() => codec.decode(bytes.subarray(0, 5))).toThrow();
    expect(() => codec.decode(Buffer.concat([bytes, bytes]))).toThrow();
    expect(() => codec.decode(Buffer.alloc(0))).toThrow(/0 bytes/);
    expect(codec.decode(bytes)).toEqual({ a: [1, 2, 3], b: 'text' });
  });

  it('can be used inside itself', () => {
    const codec = msgpack<unknown>();
    class Inner {
      toJSON(): unknown {
        return { nested: codec.encode({ deep: [1, 2] }).length };
      }
    }
    const outer = { before: 'x'.repeat(100), inner: new Inner(), after: [1, 2, 3] };
    const nested = codec.encode({ deep: [1, 2] }).length;
    expect(codec.decode(codec.encode(outer))).toEqual({ ...outer, inner: { nested } });
  });
});

describe('compressed()', () => {
  const text = 'a text that is repeated '.repeat(500);
  const algorithms = ['brotli', 'gzip', 'deflate', ...('zstdCompressSync' in zlib ? (['zstd'] as const) : [])] as const;

  it.each(algorithms)('makes values smaller by %s', (algorithm) => {
    const codec = compressed(utf8(), { algorithm });
    expect(codec.encode(text).length).toBeLessThan(text.length / 10);
    expect(roundTrip(codec, text)).toBe(text);
    expect(roundTrip(compressed(json(), { algorithm, level: 1, threshold: 0 }), { text })).toEqual({ text });
  });

  it('leaves alone what is small, or gets no smaller', () => {
    const codec = compressed(binary());
    expect(codec.encode(Buffer.alloc(255)).length).toBe(256);
    expect(codec.encode(Buffer.alloc(256)).length).toBeLessThan(100);
    const random = Buffer.from(Array.from({ length: 1_000 }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 24) & 255));
    expect(codec.encode(random).length).toBeLessThanOrEqual(1_001);
    expect(roundTrip(codec, random)).toEqual(random);
  });

  it('reads what was written with other options', () => {
    for (const algorithm of algorithms) {
      expect(compressed(utf8()).decode(compressed(utf8(), { algorithm }).encode(text))).toBe(text);
    }
    expect(() => compressed(utf8()).decode(Buffer.from([9, 1, 2]))).toThrow(/was not stored by compressed/);
    expect(() => compressed(utf8()).decode(Buffer.alloc(0))).toThrow(/was not stored by compressed/);
  });

  it.skipIf('zstdCompressSync' in zlib)('says when there is no zstd', () => {
    expect(() => compressed(json(), { algorithm: 'zstd' })).toThrow(/no zstd/);
  });
});

describe('a codec that throws', () => {
  const broken: Codec<{ n: number }> = {
    encode(value) {
      if (value.n < 0) throw new RangeError('negative');
      if (value.n === 0) return 'no bytes' as never;
      return Buffer.from(String(value.n));
    },
    decode(bytes) {
      const n = Number(bytes.toString());
      if (n >= 1_000) throw new TypeError('too much');
      return { n };
    },
  };

  it('in encode leaves the map as it was', async () => {
    using map = IntMap.openSync<{ n: number }>(':memory:', { codec: broken });
    map.set(1, { n: 1 });
    const error = await expectCode(() => map.set(1, { n: -1 }), 'MMCB_CODEC');
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.message).toContain('negative');
    await expectCode(() => map.set(2, { n: 0 }), 'MMCB_CODEC');
    await expectCode(() => map.update(1, () => ({ n: -5 })), 'MMCB_CODEC');
    await expectCode(
      () =>
        map.setMany([
          [1, { n: 7 }],
          [3, { n: -1 }],
        ]),
      'MMCB_CODEC',
    );
    expect([...map]).toEqual([[1, { n: 1 }]]);
  });

  it('in decode says so for each way of reading', async () => {
    using map = IntMap.openSync<{ n: number }>(':memory:', { codec: broken });
    for (let n = 0; n < 10; n++) map.set(n, { n: n === 5 ? 1_000 : n + 1 });
    const error = await expectCode(() => map.get(5), 'MMCB_CODEC');
    expect(error.cause).toBeInstanceOf(TypeError);
    await expectCode(() => map.getMany([1, 2, 3, 4, 5, 6]), 'MMCB_CODEC');
    await expectCode(() => [...map.values()], 'MMCB_CODEC');
    expect([...map.keys()]).toHaveLength(10);
    expect(map.get(4)).toEqual({ n: 5 });
    expect(map.delete(5)).toBe(true);
    expect([...map.values()]).toHaveLength(9);
  });

  it('is what a map opened with the wrong codec meets', async () => {
    using map = IntMap.openSync<string>(':memory:', { codec: utf8() });
    map.set(1, '{');
    const other = new IntMap(map.buffer, json());
    await expectCode(() => other.get(1), 'MMCB_CODEC');
  });
});
