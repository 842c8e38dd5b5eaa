/** msgpack({ namesFirst: true }): the same values as without, in another form. */
import { execFileSync } from 'node:child_process';
import { Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { type Codec, EventStore, IntMap, msgpack } from '../../../src/index.js';
import { hashOfBytes } from '../../../src/internal/text.js';
import { type Random, withSeeds } from '../../support/random.js';
import { tempFile } from '../../support/temp.js';

/** More than it takes until names are known. */
const OFTEN = 10;
const MARK = 0xc1;

function encoded(codec: Codec<unknown>, value: unknown): Buffer {
  for (let i = 0; i < OFTEN; i++) codec.encode(value);
  return Buffer.from(codec.encode(value));
}

function isNamesFirst(bytes: Buffer): boolean {
  return bytes[0] === MARK && (bytes[1] as number) <= 8;
}

const person = (i: number): unknown => ({
  id: i,
  name: `Zoë ${i}`,
  address: { street: 'Rämistrasse', no: i },
  tags: [{ t: 'a' }, { t: 'b' }],
});

describe('msgpack({ namesFirst: true })', () => {
  it('puts the names of an object, and of those in it, in front', () => {
    const bytes = encoded(msgpack({ namesFirst: true }), person(7));
    expect(isNamesFirst(bytes)).toBe(true);
    const size = bytes.readUInt16LE(2);
    const structures = new Unpackr().unpack(bytes.subarray(4, 4 + size));
    expect(structures).toEqual([['id', 'name', 'address', 'tags'], ['street', 'no'], ['t']]);
    expect(bytes[1]).toBe(3);
    expect(new Unpackr({ structures }).unpack(bytes.subarray(4 + size))).toEqual(person(7));
  });

  it('reads what was stored at any time', () => {
    const stored =
      'c10325009394a26964a46e616d65a761646472657373a47461677392a6737472656574a26e6f91a1744007a65a6fc3ab203741ac52c3a4' +
      '6d6973747261737365079242a16142a162';
    expect(msgpack().decode(Buffer.from(stored, 'hex'))).toEqual(person(7));
  });

  it('is read by every msgpack(), and reads what they wrote', () => {
    for (const [a, b] of [
      [msgpack({ namesFirst: true }), msgpack()],
      [msgpack(), msgpack({ namesFirst: true })],
    ] as const) {
      const bytes = encoded(a, person(1));
      expect(b.decode(bytes)).toEqual(person(1));
      const memory = Buffer.concat([Buffer.alloc(100, 1), bytes, bytes]);
      expect(b.decodeSlice?.(memory, 100, 100 + bytes.length)).toEqual(person(1));
    }
  });

  it('says the same as without, whatever the objects are', () =>
    withSeeds(100, (random) => {
      const plain = msgpack<unknown>();
      const codec = msgpack<unknown>({ namesFirst: true });
      const shapes = Array.from({ length: random.int(1, 5) }, () => randomNames(random));
      for (let i = 0; i < 60; i++) {
        const value = randomObject(random, random.pick(shapes), shapes, 3);
        const bytes = Buffer.from(codec.encode(value));
        expect(codec.decode(bytes)).toEqual(plain.decode(plain.encode(value)));
        expect(plain.decode(bytes)).toEqual(codec.decode(bytes));
      }
    }));

  it('keeps what objects hold: Maps, bytes, dates, undefined', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    const held = [
      undefined,
      new Date(5),
      Buffer.from('bytes'),
      Uint16Array.of(1, 500),
      new Set([1]),
      2n ** 70n,
      /x/g,
      64,
    ];
    for (const value of held) expect(codec.decode(encoded(codec, { value, n: 100 }))).toEqual({ value, n: 100 });
    for (const value of [new Map([['a', { n: 1 }]]), [new Map()], { deep: new Map([[1, 2]]) }]) {
      expect(codec.decode(encoded(codec, { value, n: 1 }))).toEqual({ value, n: 1 });
      expect(codec.decode(encoded(codec, { value: 5, n: 1 }))).toEqual({ value: 5, n: 1 });
    }
  });

  it('gives bytes inside values memory of their own', () => {
    const codec = msgpack<{ bytes: Buffer }>({ namesFirst: true });
    const memory = encoded(codec as Codec<unknown>, { bytes: Buffer.from('kept') });
    const value = codec.decodeSlice?.(memory, 0, memory.length);
    memory.fill(0);
    expect(value?.bytes.toString()).toBe('kept');
  });

  it('leaves alone what gains nothing by it', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    const long = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`a rather long name, ${i}`, i]));
    const odd = { constructor: 1, toJSON: () => 5 }; // to msgpackr an object of a class
    class Point {
      constructor(readonly x: number) {}
    }
    for (const value of [
      {},
      [],
      [{ a: 1 }],
      'text',
      5,
      null,
      undefined,
      long,
      new Point(1),
      Object.create(null),
      odd,
    ]) {
      const bytes = encoded(codec, value);
      expect(isNamesFirst(bytes)).toBe(false);
      expect(bytes).toEqual(Buffer.from(msgpack<unknown>().encode(value)));
    }
  });

  it('has only the names of the object itself in front where those of all would be too long', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    const inner = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`name of inner ${i}`, i]));
    const bytes = encoded(codec, { a: 1, inner });
    expect(bytes[1]).toBe(1);
    expect(codec.decode(bytes)).toEqual({ a: 1, inner });
  });

  it('stores objects within as they are where they are of other names than those first met', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    encoded(codec, { kind: 'a', body: { x: 1 } });
    for (const body of [{ y: 1 }, { x: 1, y: 2 }, {}, [{ x: 1 }, { z: 1 }], { x: { x: { x: 64 } } }, null, 5]) {
      const bytes = Buffer.from(codec.encode({ kind: 'b', body }));
      expect(isNamesFirst(bytes)).toBe(true);
      expect(codec.decode(bytes)).toEqual({ kind: 'b', body });
    }
  });

  it('knows the names of a few kinds of objects within', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    const value = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${i}`, { [`n${i}`]: i }]));
    const bytes = encoded(codec, value);
    expect(bytes[1]).toBe(8);
    expect(codec.decode(bytes)).toEqual(value);
  });

  it('forgets names where each object has other ones, and learns on', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    encoded(codec, { known: 1 });
    for (let i = 0; i < 20_000; i++) {
      const value = { [`user-${i}`]: i, [`other-${i}`]: { [`inner-${i}`]: 1 } };
      const bytes = Buffer.from(codec.encode(value));
      expect(isNamesFirst(bytes)).toBe(false);
      if (i % 1000 === 0) expect(codec.decode(bytes)).toEqual(value);
    }
    encoded(codec, { last: 1 });
    expect(isNamesFirst(Buffer.from(codec.encode({ known: 1 })))).toBe(false);
    expect(isNamesFirst(encoded(codec, { known: 1 }))).toBe(true);
  });

  it('can be used inside itself', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    class Inner {
      toJSON(): unknown {
        return { nested: codec.decode(codec.encode({ a: 1, inner: 2, b: { n: 3 } })) };
      }
    }
    const outer = { a: 'x'.repeat(100), inner: new Inner(), b: { n: 4 } };
    for (let i = 0; i < 3 * OFTEN; i++) {
      const nested = { a: 1, inner: 2, b: { n: 3 } };
      expect(codec.decode(codec.encode(outer))).toEqual({ ...outer, inner: { nested } });
    }
  });

  it('is not misled by objects that change while they are stored', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    const make = (inner: object): object => ({ inner });
    encoded(codec, make({ x: 1 }));
    // To a loop over its names it is one that is known; of its own it has none of them.
    const inherits = Object.create({ x: 1 });
    expect(codec.decode(codec.encode(make(inherits)))).toEqual({ inner: {} });
    expect(codec.decode(codec.encode(make({ x: 2 })))).toEqual({ inner: { x: 2 } });
    // Names that msgpackr has uses of its own for.
    const odd = { a: 1, __keys__: 2, length: 3, join: { __keys__: 4, join: 5 } };
    for (const value of [{ a: 1 }, odd]) expect(codec.decode(encoded(codec, value))).toEqual(value);
  });

  it('refuses damaged bytes, and reads on', () =>
    withSeeds(200, (random) => {
      const codec = msgpack<unknown>({ namesFirst: true });
      const bytes = encoded(codec, person(random.int(0, 1e6)));
      const damaged = Buffer.from(bytes);
      for (let i = random.int(1, 4); i > 0; i--) damaged[random.int(0, damaged.length - 1)] = random.int(0, 255);
      const end = random.chance(0.3) ? random.int(1, damaged.length) : damaged.length;
      try {
        codec.decode(damaged.subarray(0, end));
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      expect(codec.decode(bytes)).toEqual(msgpack().decode(bytes));
      expect((codec.decode(encoded(codec, person(5))) as { id: number }).id).toBe(5);
    }));

  it.each([
    ['no list of lists', [MARK, 1, 1, 0, 5, 0x40]],
    ['names that are numbers', [MARK, 1, 3, 0, 0x91, 0x91, 7, 0x40, 1]],
    ['another number of structures', [MARK, 2, 4, 0, 0x91, 0x91, 0xa1, 0x61, 0x40, 1]],
    ['names that end behind the value', [MARK, 1, 200, 0, 0x91, 0x91, 0xa1, 0x61]],
    ['no value', [MARK, 1, 4, 0, 0x91, 0x91, 0xa1, 0x61]],
  ])('refuses %s', (_, bytes) => {
    for (let i = 0; i < 2; i++) expect(() => msgpack().decode(Uint8Array.from(bytes))).toThrow();
  });

  it('tells names apart whose bytes have the same hash', () => {
    const value = (name: string): Buffer =>
      Buffer.from([MARK, 1, 11, 0, 0x91, 0x91, 0xa8, ...Buffer.from(name), 0x40, 5]);
    const names = new Map<number, string>();
    for (let i = 0; ; i++) {
      const name = i.toString(36).padStart(8, '_');
      const hash = hashOfBytes(value(name), 0, 15, false);
      const other = names.get(hash);
      names.set(hash, name);
      if (other === undefined) continue;
      for (const one of [name, other, name]) expect(msgpack().decode(value(one))).toEqual({ [one]: 5 });
      return;
    }
  });

  it('reads nothing behind a value', () => {
    const codec = msgpack<unknown>({ namesFirst: true });
    const bytes = encoded(codec, { name: 'Zoë', age: 5 });
    const memory = Buffer.concat([bytes, bytes]);
    for (let end = 5; end < bytes.length; end++) expect(() => codec.decodeSlice?.(memory, 0, end)).toThrow();
    expect(() => codec.decodeSlice?.(memory, 0, 4 + bytes.readUInt16LE(2))).toThrow('no value behind the names');
  });

  it('works where a program must not make code of strings', () => {
    const program = `
      const { msgpack } = require('./dist/cjs/index.js');
      const codec = msgpack({ namesFirst: true });
      let sum = 0;
      for (let i = 0; i < 100; i++) sum += codec.decode(codec.encode({ a: i, b: { c: i } })).b.c;
      process.stdout.write(String(sum));`;
    const flags = ['--disallow-code-generation-from-strings', '-e', program];
    expect(execFileSync(process.execPath, flags, { encoding: 'utf8' })).toBe('4950');
  });

  it('serves maps', async () => {
    const path = tempFile();
    let map = await IntMap.open<unknown>(path, { codec: msgpack({ namesFirst: true }) });
    for (let i = 0; i < 100; i++) map.set(i, person(i));
    await map.close();
    map = await IntMap.open(path);
    expect([...map.values()]).toEqual(Array.from({ length: 100 }, (_, i) => person(i)));
    await map.close();
  });

  it('is how event stores store, which read what msgpack() wrote, and are read by it', async () => {
    const path = tempFile();
    const expected: unknown[] = [];
    for (const codec of [undefined, msgpack<unknown>(), undefined]) {
      const store = await EventStore.open(path, { codec });
      for (let i = 0; i < 20; i++) {
        const event = { id: `${expected.length}`, type: 'Met', aggregateId: 'a', data: person(i), metadata: { by: i } };
        expected.push(event);
        await store.store(event);
      }
      expect((await store.load().toArray()).map(({ event }) => event)).toEqual(expected);
      await store.close();
    }
  });
});

function randomNames(random: Random): string[] {
  const some = ['id', 'name', 'x', '1', '0', 'join', 'length', 'constructor', 'ünï', '', 'with space', 'a.b', 'get'];
  return [...new Set(Array.from({ length: random.int(1, 6) }, () => random.pick(some)))];
}

function randomObject(random: Random, names: readonly string[], shapes: readonly string[][], depth: number): object {
  return Object.fromEntries(names.map((name) => [name, randomValue(random, shapes, depth)]));
}

function randomValue(random: Random, shapes: readonly string[][], depth: number): unknown {
  if (depth > 0 && random.chance(0.3)) return randomObject(random, random.pick(shapes), shapes, depth - 1);
  if (depth > 0 && random.chance(0.2)) {
    return Array.from({ length: random.int(0, 3) }, () => randomValue(random, shapes, depth - 1));
  }
  if (depth > 0 && random.chance(0.02)) return new Map([[1, randomValue(random, shapes, depth - 1)]]);
  return random.pick([
    0,
    63,
    64,
    71,
    127,
    128,
    -1,
    1.5,
    2 ** 40,
    'text',
    'a much longer text than that',
    '',
    true,
    null,
    undefined,
  ]);
}
