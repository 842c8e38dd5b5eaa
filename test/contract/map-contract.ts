/**
 * What every keyed map does: what `Map` does, and some more. `mapContract(subject, backend)` declares the suite for one
 * kind of map and one backend; see test/unit/map/contract.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  AbstractIntMap,
  AbstractStringMap,
  type BufferOptions,
  type Codec,
  compressed,
  IntMap,
  json,
  OrderedMap,
  StringMap,
} from '../../src/index.js';
import type { Backend } from '../support/backends.js';
import { expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';

export interface Value {
  name: string;
  list: number[];
  extra?: string;
}

type Key = number | string;
type AnyMap = IntMap<Value> | StringMap<Value> | OrderedMap<Value> | AbstractIntMap<Value> | AbstractStringMap<Value>;

/** One kind of map, with keys to try. */
export interface Subject {
  readonly name: string;
  readonly keys: readonly Key[];
  /** A key of its own for each number. */
  key(n: number): Key;
  open(path: string, options?: BufferOptions): Promise<AnyMap>;
  openSync(path: string, options?: BufferOptions): AnyMap;
}

/** The keys of a subject fit its map: the compiler cannot know. */
type MapOf = IntMap<Value> & { get(key: Key): Value | undefined };

class JsonIntMap extends AbstractIntMap<Value> {
  protected encode(value: Value): Uint8Array {
    return Buffer.from(JSON.stringify(value));
  }
  protected decode(bytes: Uint8Array): Value {
    return JSON.parse(Buffer.from(bytes).toString()) as Value;
  }
}

class JsonStringMap extends AbstractStringMap<Value> {
  protected encode(value: Value): Uint8Array {
    return Buffer.from(JSON.stringify(value));
  }
  protected decode(bytes: Uint8Array): Value {
    return JSON.parse(Buffer.from(bytes).toString()) as Value;
  }
}

const intKeys = [
  0,
  1,
  -1,
  42,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 32,
  2 ** 40 + 3,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
];
const stringKeys = [
  '',
  '\0',
  '\0\0',
  'a',
  '1',
  '__proto__',
  'Zürich',
  '東京',
  '🚀',
  '\ud83d', // half a rocket, and the other half
  '\ude80',
  'a\ud83db\ude80c',
  '\ufffd',
  'ÿ',
  'x'.repeat(65_535),
  'é'.repeat(32_767),
];

const intSubject = (name: string, type: Pick<typeof IntMap, 'open' | 'openSync'>, codec?: Codec<Value>): Subject => ({
  name,
  keys: intKeys,
  key: (n) => n * 7 - 3,
  open: (path, options) => type.open<Value>(path, codec === undefined ? options : { ...options, codec }),
  openSync: (path, options) => type.openSync<Value>(path, codec === undefined ? options : { ...options, codec }),
});
const stringSubject = (name: string, codec?: Codec<Value>): Subject => ({
  name,
  keys: stringKeys,
  key: (n) => `key ${n}`,
  open: (path, options) => StringMap.open<Value>(path, codec === undefined ? options : { ...options, codec }),
  openSync: (path, options) => StringMap.openSync<Value>(path, codec === undefined ? options : { ...options, codec }),
});

/** A codec as a user may write it: without decodeSlice, so that it gets Buffers of its own. */
const plainCodec: Codec<Value> = { encode: json<Value>().encode, decode: json<Value>().decode };

export const subjects: readonly Subject[] = [
  intSubject('IntMap', IntMap),
  intSubject('IntMap with a codec of the user', IntMap, plainCodec),
  intSubject(
    'IntMap with compressed(json())',
    IntMap,
    compressed(json<Value>(), { algorithm: 'deflate', threshold: 32 }),
  ),
  {
    ...intSubject('a subclass of AbstractIntMap', IntMap),
    open: (p, o) => JsonIntMap.open(p, o),
    openSync: (p, o) => JsonIntMap.openSync(p, o),
  },
  stringSubject('StringMap'),
  stringSubject('StringMap with a codec of the user', plainCodec),
  {
    ...stringSubject('a subclass of AbstractStringMap'),
    open: (p, o) => JsonStringMap.open(p, o),
    openSync: (p, o) => JsonStringMap.openSync(p, o),
  },
  {
    ...stringSubject('OrderedMap'),
    open: (p, o) => OrderedMap.open<Value>(p, o),
    openSync: (p, o) => OrderedMap.openSync<Value>(p, o),
  },
  {
    ...stringSubject('OrderedMap with a codec of the user'),
    open: (p, o) => OrderedMap.open<Value>(p, { ...o, codec: plainCodec }),
    openSync: (p, o) => OrderedMap.openSync<Value>(p, { ...o, codec: plainCodec }),
  },
];

const value = (n: number): Value => ({ name: `value ${n}`, list: Array.from({ length: n % 20 }, (_, i) => i * n) });
const large = (n: number): Value => ({ ...value(n), extra: `${n}:${'x'.repeat(n)}` });

export function mapContract(subject: Subject, backend: Backend): void {
  let map: MapOf;
  let path: string;
  const key = (n: number): number => subject.key(n) as number;
  const open = async (options?: BufferOptions): Promise<MapOf> =>
    (await subject.open(path, { ...backend.options, ...options })) as unknown as MapOf;
  const fill = (count: number): Map<number, Value> => {
    const model = new Map(Array.from({ length: count }, (_, n) => [key(n), value(n)]));
    map.setMany(model);
    return model;
  };
  const sorted = <T>(items: Iterable<T>): T[] => [...items].sort((a, b) => (String(a) < String(b) ? -1 : 1));

  beforeEach(async () => {
    path = backend.path();
    map = await open();
  });
  afterEach(() => map.close());

  describe('as a Map', () => {
    it.each(subject.keys.map((k) => [String(k).slice(0, 20), k] as const))('takes the key %j', (_, given) => {
      const k = given as number;
      expect(map.get(k)).toBeUndefined();
      expect(map.has(k)).toBe(false);
      expect(map.set(k, value(1))).toBe(map);
      expect(map.get(k)).toEqual(value(1));
      expect(map.has(k)).toBe(true);
      expect(map.size).toBe(1);
      map.set(k, value(2));
      expect(map.get(k)).toEqual(value(2));
      expect([...map.keys()]).toEqual([k]);
      expect(map.delete(k)).toBe(true);
      expect(map.delete(k)).toBe(false);
      expect(map.get(k)).toBeUndefined();
      expect(map.size).toBe(0);
    });

    it('keeps all keys apart', () => {
      for (const [n, k] of subject.keys.entries()) map.set(k as number, value(n));
      expect(map.size).toBe(subject.keys.length);
      for (const [n, k] of subject.keys.entries()) expect(map.get(k as number)).toEqual(value(n));
      expect(sorted(map.keys())).toEqual(sorted(subject.keys));
      expect(map.getMany(subject.keys as number[])).toEqual(subject.keys.map((_, n) => value(n)));
    });

    it.each([10, 8_000, 9_000, 65_000, 66_000, 300_000])('keeps values of %i characters', (n) => {
      map.set(key(1), large(n));
      map.set(key(2), value(2));
      expect(map.get(key(1))).toEqual(large(n));
      expect(map.getMany([key(2), key(1), key(3), key(2), key(1)])).toEqual([
        value(2),
        large(n),
        undefined,
        value(2),
        large(n),
      ]);
      expect(new Map(map.entries()).get(key(1))).toEqual(large(n));
    });

    it('iterates over all of it', () => {
      const model = fill(2_500);
      for (const k of sorted(model.keys()).slice(0, 500)) {
        map.delete(k);
        model.delete(k);
      }
      expect(map.size).toBe(2_000);
      expect(sorted(map.keys())).toEqual(sorted(model.keys()));
      expect(new Map(map)).toEqual(model);
      expect(new Map(map.entries())).toEqual(model);
      expect([...map.values()]).toHaveLength(2_000);
      const seen = new Map<number, Value>();
      const context = {};
      map.forEach(function (this: unknown, v, k, m) {
        expect(this).toBe(context);
        expect(m).toBe(map);
        seen.set(k, v);
      }, context);
      expect(seen).toEqual(model);
      expect(Object.prototype.toString.call(map)).toMatch(/\[object (Int|String|Ordered)Map]/);
    });

    it('may be changed while it is iterated', () => {
      fill(500);
      const seen = new Set<number>();
      for (const [k] of map) {
        expect(map.has(k)).toBe(true);
        expect(seen.has(k)).toBe(false);
        seen.add(k);
        map.set(k, value(1_000));
        if (seen.size === 10) for (let n = 0; n < 250; n++) map.delete(key(n));
      }
      expect(map.size).toBe(sorted(map.keys()).length);
      for (const k of map.keys()) map.delete(k);
      expect(map.size).toBe(0);
    });

    it('shows the present value of what has changed since the iterator came', () => {
      fill(50);
      const iterator = map.entries();
      const [first] = iterator.next().value as [number, Value];
      for (const k of map.keys()) map.set(k, value(99));
      for (const [k, v] of iterator) {
        expect(k).not.toBe(first);
        expect(v).toEqual(value(99));
      }
    });

    it('iterates twice at once, and while it is read', () => {
      fill(1_200);
      let pairs = 0;
      const others = map.entries();
      for (const [k, v] of map) {
        expect(map.get(k)).toEqual(v);
        const other = others.next().value as [number, Value];
        expect(other).toEqual([k, v]);
        pairs++;
      }
      expect(pairs).toBe(1_200);
    });

    it('clears', () => {
      fill(300);
      const address = map.buffer.add('plain');
      map.clear();
      expect(map.size).toBe(0);
      expect([...map]).toEqual([]);
      expect(map.buffer.read(address).toString()).toBe('plain');
      map.set(key(1), value(1));
      expect(map.size).toBe(1);
    });
  });

  describe('more than a Map', () => {
    it('gets many', () => {
      fill(1_000);
      const wanted = Array.from({ length: 1_500 }, (_, i) => (i * 37) % 1_500);
      expect(map.getMany(wanted.map(key))).toEqual(wanted.map((n) => (n < 1_000 ? value(n) : undefined)));
      expect(map.getMany([])).toEqual([]);
      expect(map.getMany([key(5)])).toEqual([value(5)]);
      expect(map.getMany(new Set([key(5), key(6)]))).toEqual([value(5), value(6)]);
    });

    it('sets many, of equal keys the last', () => {
      map.setMany([]);
      map.setMany([
        [key(1), value(1)],
        [key(2), large(70_000)],
        [key(1), value(3)],
      ]);
      expect(map.size).toBe(2);
      expect(map.getMany([key(1), key(2)])).toEqual([value(3), large(70_000)]);
    });

    it('updates by a function', () => {
      expect(map.update(key(1), (v, k) => ({ ...value(1), name: `${v === undefined} ${k}` }))).toEqual({
        ...value(1),
        name: `true ${key(1)}`,
      });
      map.update(key(1), (v) => ({ ...(v as Value), extra: 'more' }));
      expect(map.get(key(1))?.extra).toBe('more');
      const update = (): unknown =>
        map.update(key(1), () => {
          throw new Error('no');
        });
      expect(update).toThrow('no');
      expect(map.get(key(1))?.extra).toBe('more');
    });

    it('tells the address of an entry, which stays', () => {
      expect(map.address(key(1))).toBeUndefined();
      map.set(key(1), value(1));
      const address = map.address(key(1)) as number;
      map.set(key(1), large(10_000));
      expect(map.address(key(1))).toBe(address);
      expect(map.buffer.has(address)).toBe(true);
      expect(map.buffer.readHeader(address).kind).toMatch(/int|string/);
      map.delete(key(1));
      expect(map.buffer.has(address)).toBe(false);
    });

    it('flushes, compacts, verifies, backs up and counts', async () => {
      const model = fill(400);
      await map.flush();
      await map.compact();
      expect(await map.verify()).toMatchObject({ ok: true, entries: 400 });
      expect(map.stats()).toMatchObject({ count: 400 });
      const target = tempFile('backup');
      await map.backup(target);
      const copy = (await subject.open(target)) as unknown as MapOf;
      expect(new Map(copy)).toEqual(model);
      await copy.close();
    });
  });

  it.runIf(backend.persistent)('is all there when opened again', async () => {
    const model = fill(700);
    map.set(key(10_000), large(100_000));
    model.set(key(10_000), large(100_000));
    map.delete(key(3));
    model.delete(key(3));
    await map.close();
    map = await open();
    expect(map.buffer.recovery).toMatchObject({ status: 'clean', entries: model.size });
    expect(map.size).toBe(model.size);
    expect(new Map(map)).toEqual(model);
    map.closeSync();
    map = subject.openSync(path, backend.options) as unknown as MapOf;
    expect(new Map(map)).toEqual(model);
  });

  it('closes and disposes with its buffer', async () => {
    map[Symbol.dispose]();
    await expectCode(() => map.get(key(1)), 'MMCB_CLOSED');
    await map[Symbol.asyncDispose]();
  });
}
