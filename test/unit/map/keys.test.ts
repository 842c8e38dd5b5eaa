import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CompactableBuffer, IntMap, json, StringMap } from '../../../src/index.js';
import { decodeStringKey } from '../../../src/map/keys.js';
import { expectCode } from '../../support/expect.js';

const calls = (map: IntMap<number> | StringMap<number>, key: unknown): (() => unknown)[] => {
  const k = key as never;
  return [
    () => map.get(k),
    () => map.set(k, 1),
    () => map.has(k),
    () => map.delete(k),
    () => map.address(k),
    () => map.update(k, () => 1),
    () => map.getMany([k]),
    () => map.getMany(new Array<never>(10).fill(k)),
    () => map.setMany([[k, 1]]),
  ];
};

describe('keys of an int map', () => {
  let map: IntMap<number>;
  beforeAll(() => {
    map = IntMap.openSync(':memory:');
  });
  afterAll(() => {
    expect(map.size).toBe(0);
    map.closeSync();
  });

  it.each([['1'], [1n], [null], [undefined], [{}], [true], [Symbol('s')]])('are not %o', (key) => {
    for (const call of calls(map, key)) {
      expect(call).toThrow(TypeError);
      expect(call).toThrow(/^key must be a number, got /);
    }
  });

  it.each([[1.5], [Number.NaN], [Number.POSITIVE_INFINITY], [2 ** 53], [-(2 ** 53)], [1e300]])('are not %d', (key) => {
    for (const call of calls(map, key)) {
      expect(call).toThrow(RangeError);
      expect(call).toThrow(`got ${key}`);
    }
  });

  it('take -0 for 0, as Map does', () => {
    map.set(-0, 5);
    expect(map.get(0)).toBe(5);
    expect(Object.is([...map.keys()][0], 0)).toBe(true);
    map.delete(0);
  });
});

describe('keys of a string map', () => {
  it.each([[1], [null], [undefined], [{}], [Symbol('s')], [Buffer.from('a')]])('are not %o', (key) => {
    using map = StringMap.openSync<number>(':memory:');
    for (const call of calls(map as unknown as IntMap<number>, key)) {
      expect(call).toThrow(TypeError);
      expect(call).toThrow(/^key must be a string, got /);
    }
  });

  it('are at most 65,535 bytes long', async () => {
    using map = StringMap.openSync<number>(':memory:');
    for (const key of ['x'.repeat(65_536), 'é'.repeat(32_768), '東'.repeat(21_846), '\ud800'.repeat(21_846)]) {
      await expectCode(() => map.set(key, 1), 'MMCB_TOO_LARGE');
      await expectCode(
        () =>
          map.setMany([
            ['fine', 1],
            [key, 2],
          ]),
        'MMCB_TOO_LARGE',
      );
    }
    expect(map.size).toBe(0);
    map.set('東'.repeat(21_845), 1);
    expect(map.get('東'.repeat(21_845))).toBe(1);
  });

  it('are decoded from WTF-8', () => {
    const lone = Buffer.from([0x61, 0xed, 0xa0, 0xbd, 0x62, 0xed, 0xbf, 0xbf]);
    expect(decodeStringKey(lone, 0, 8)).toBe('a\ud83db\udfff');
    const text = Buffer.from('\ufffd 한 🚀'); // U+FFFD itself, and a character that starts with ED
    expect(decodeStringKey(text, 0, text.length)).toBe('\ufffd 한 🚀');
  });
});

describe('entries that are no pairs', () => {
  it('are refused', () => {
    using map = IntMap.openSync<number>(':memory:');
    expect(() => map.setMany([5] as never)).toThrow(/pairs of key and value, got 5/);
    expect(() => map.setMany(5 as never)).toThrow(TypeError);
    expect(() => map.forEach(5 as never)).toThrow(/fn must be a function/);
    expect(() => map.update(1, 5 as never)).toThrow(/fn must be a function/);
    expect(() => new IntMap(map.buffer, { codec: json() } as never)).toThrow(
      /^codec must be an object with 'encode' and/,
    );
    expect(() => new IntMap({} as CompactableBuffer)).toThrow(
      /buffer must be a CompactableBuffer of this copy of mmcb, got an object/,
    );
  });
});
