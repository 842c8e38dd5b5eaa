/** Random calls on each kind of map and on a plain Map; see buffer.test.ts. */
import { inspect, isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  AbstractIntMap,
  type BufferOptions,
  binary,
  IntMap,
  json,
  OrderedMap,
  RecordMap,
  StringMap,
} from '../../src/index.js';
import { type Backend, backends } from '../support/backends.js';
import { type Random, withSeeds } from '../support/random.js';
import { removeTempFile } from '../support/temp.js';

type Key = number | string;

/** What all kinds of maps have in common, for the test. */
interface Target<V> {
  get(key: Key): V | undefined;
  set(key: Key, value: V): unknown;
  has(key: Key): boolean;
  delete(key: Key): boolean;
  update(key: Key, fn: (value: V | undefined) => V): V;
  clear(): void;
  readonly size: number;
  keys(): IterableIterator<Key>;
  entries(): IterableIterator<[Key, V]>;
  getMany?(keys: Key[]): (V | undefined)[];
  setMany(entries: [Key, V][]): void;
  flush(): Promise<void>;
  compact(): Promise<unknown>;
  verify(): Promise<{ ok: boolean; entries: number }>;
  close(): Promise<void>;
}

interface Kind<V> {
  readonly name: string;
  key(random: Random): Key;
  value(random: Random, key: Key): V;
  open(path: string, options: BufferOptions): Promise<Target<V>>;
}

interface Document {
  id: Key;
  text: string;
  list: unknown[];
}

const document = (random: Random, id: Key): Document => ({
  id,
  text: 'x'.repeat(random.size()),
  list: Array.from({ length: random.int(0, 5) }, (_, i) => random.pick([i, null, 'é', { nested: i }, [i]])),
});
// Few keys, so that they meet again, and some that are unlike others.
const intKey = (random: Random): number =>
  random.chance(0.9)
    ? random.int(-40, 40)
    : random.pick([2 ** 31, -(2 ** 31), 2 ** 32 + 1, 2 ** 53 - 1, -(2 ** 53) + 1]);
const stringKey = (random: Random): string =>
  random.chance(0.9)
    ? `key ${random.int(0, 60)}`
    : random.pick(['', '\0', '1', '\ud800', '\udc00', '🚀', 'é'.repeat(30_000), 'x'.repeat(65_535)]);

class BytesMap extends AbstractIntMap<Buffer> {
  protected encode(value: Buffer): Uint8Array {
    return value;
  }
  protected decode(bytes: Buffer): Buffer {
    return bytes;
  }
}

const kinds: readonly Kind<never>[] = [
  {
    name: 'an IntMap',
    key: intKey,
    value: document,
    open: (path, options) => IntMap.open<Document>(path, options),
  } as Kind<Document> as unknown as Kind<never>,
  {
    name: 'a StringMap with json()',
    key: stringKey,
    value: document,
    open: (path, options) => StringMap.open<Document>(path, { ...options, codec: json<Document>() }),
  } as Kind<Document> as unknown as Kind<never>,
  {
    name: 'a StringMap with binary()',
    key: stringKey,
    value: (random) => random.bytes(),
    open: (path, options) => StringMap.open(path, { ...options, codec: binary() }),
  } as Kind<Uint8Array> as unknown as Kind<never>,
  {
    name: 'an OrderedMap',
    key: stringKey,
    value: (random) => random.bytes(),
    open: (path, options) => OrderedMap.open(path, { ...options, codec: binary() }),
  } as Kind<Uint8Array> as unknown as Kind<never>,
  {
    name: 'a subclass of AbstractIntMap',
    key: intKey,
    value: (random) => random.bytes(),
    open: (path, options) => BytesMap.open(path, options),
  } as Kind<Buffer> as unknown as Kind<never>,
  {
    name: 'a RecordMap',
    key: (random) => (random.chance(0.5) ? intKey(random) : stringKey(random)),
    value: document,
    async open(path, options) {
      const map = await RecordMap.open<Document>(path, { ...options, id: 'id', codec: json<Document>() });
      return Object.assign(map, {
        set: (_: Key, record: Document) => map.put(record),
        setMany: (entries: [Key, Document][]) => map.putMany(entries.map(([, record]) => record)),
      });
    },
  } as Kind<Document> as unknown as Kind<never>,
];

const weights = {
  set: 30,
  delete: 15,
  get: 20,
  update: 5,
  getMany: 4,
  setMany: 4,
  iterate: 3,
  clear: 0.4,
  flush: 1,
  compact: 2,
  verify: 1,
  reopen: 2,
};

class Run<V> {
  readonly #model = new Map<Key, V>();

  constructor(
    readonly random: Random,
    readonly backend: Backend,
    readonly kind: Kind<V>,
    readonly path: string,
    public map: Target<V>,
  ) {}

  async step(): Promise<void> {
    await this[this.random.weighted(weights)]();
  }

  set(): void {
    const [key, value] = this.#entry();
    this.map.set(key, value);
    this.#model.set(key, value);
  }

  delete(): void {
    const key = this.#key();
    expect(this.map.delete(key)).toBe(this.#model.delete(key));
  }

  get(): void {
    const key = this.#key();
    expect(this.map.has(key)).toBe(this.#model.has(key));
    same(this.map.get(key), this.#model.get(key), 'get');
    expect(this.map.size).toBe(this.#model.size);
  }

  update(): void {
    const [key, value] = this.#entry();
    this.map.update(key, (before) => {
      same(before, this.#model.get(key), 'the value that update() shows');
      return value;
    });
    this.#model.set(key, value);
  }

  getMany(): void {
    const keys = Array.from({ length: this.random.int(0, 60) }, () => this.#key());
    const values = this.map.getMany?.(keys);
    if (values === undefined) return;
    const expected = keys.map((key) => this.#model.get(key));
    same(values, expected, 'getMany');
  }

  setMany(): void {
    const entries = Array.from({ length: this.random.int(0, 30) }, () => this.#entry());
    this.map.setMany(entries);
    for (const [key, value] of entries) this.#model.set(key, value);
  }

  /** Over all, with some changes on the way. */
  iterate(): void {
    const seen = new Set<Key>();
    for (const [key, value] of this.map.entries()) {
      if (seen.has(key)) throw new Error(`iteration has shown ${JSON.stringify(key)} twice`);
      seen.add(key);
      same(value, this.#model.get(key), 'a value, iterated');
      if (this.random.chance(0.05)) {
        this.map.delete(key);
        this.#model.delete(key);
      }
      if (this.random.chance(0.05)) {
        const other = this.random.pick([...this.#model.keys(), key]);
        this.map.delete(other);
        this.#model.delete(other);
      }
    }
    for (const key of this.#model.keys()) expect(seen.has(key)).toBe(true);
  }

  clear(): void {
    this.map.clear();
    this.#model.clear();
  }

  async flush(): Promise<void> {
    await this.map.flush();
  }

  async compact(): Promise<void> {
    const work = this.map.compact();
    const calls = ['set', 'delete', 'get', 'setMany'] as const;
    for (let i = this.random.int(0, 5); i > 0; i--) this[this.random.pick(calls)]();
    await work;
  }

  async verify(): Promise<void> {
    expect(await this.map.verify()).toMatchObject({ ok: true, entries: this.#model.size });
  }

  async reopen(): Promise<void> {
    if (!this.backend.persistent) return;
    await this.map.close();
    this.map = await this.kind.open(this.path, this.backend.options);
    this.checkAll();
  }

  checkAll(): void {
    expect(this.map.size).toBe(this.#model.size);
    same(new Map(this.map.entries()), this.#model, 'all entries');
    expect(new Set(this.map.keys())).toEqual(new Set(this.#model.keys()));
    for (const [key, value] of this.#model) same(this.map.get(key), value, 'get');
  }

  #entry(): [Key, V] {
    const key = this.kind.key(this.random);
    return [key, this.kind.value(this.random, key)];
  }

  #key(): Key {
    return this.kind.key(this.random);
  }
}

/** Like toEqual, and a hundred times as fast for bytes. */
function same(actual: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(actual, expected))
    throw new Error(`wrong: ${what}: ${inspect(actual)} not ${inspect(expected)}`);
}

describe.each(kinds)('random calls on $name', (kind) => {
  it.each(backends)('in $name do what they do to a Map', { timeout: 600_000 }, async (backend) => {
    await withSeeds(45, async (random) => {
      const path = backend.path();
      const run = new Run(random, backend, kind, path, await kind.open(path, backend.options));
      for (let i = random.int(20, 100); i > 0; i--) await run.step();
      run.checkAll();
      await run.reopen();
      await run.verify();
      await run.map.close();
      removeTempFile(path);
    });
  });
});
