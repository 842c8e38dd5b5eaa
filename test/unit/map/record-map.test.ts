import { describe, expect, it } from 'vitest';
import { json, RecordMap } from '../../../src/index.js';
import { backends } from '../../support/backends.js';

interface City {
  id: number | string;
  name: string;
  population?: number;
}

const cities: City[] = [
  { id: 1, name: 'Amsterdam' },
  { id: '1', name: 'Zürich' },
  { id: -7, name: 'Oslo' },
  { id: '', name: 'Nameless' },
  { id: Number.MAX_SAFE_INTEGER, name: 'Far away', population: 5 },
];
const byName = (a: City, b: City): number => (a.name < b.name ? -1 : 1);

describe.each(backends)('RecordMap in $name', (backend) => {
  const open = (path: string): Promise<RecordMap<City>> => RecordMap.open<City>(path, { ...backend.options, id: 'id' });

  it('keeps records by their ids', async () => {
    await using map = await open(backend.path());
    for (const city of cities) expect(map.put(city)).toBe(map);
    expect(map.size).toBe(5);
    for (const city of cities) {
      expect(map.get(city.id)).toEqual(city);
      expect(map.has(city.id)).toBe(true);
      expect(map.buffer.has(map.address(city.id) as number)).toBe(true);
    }
    expect(map.getAll().sort(byName)).toEqual(cities.toSorted(byName));
    expect([...map.values()].sort(byName)).toEqual(cities.toSorted(byName));
    expect(new Map(map)).toEqual(new Map(cities.map((city) => [city.id, city])));
    expect(new Map(map.entries())).toEqual(new Map(map));
    expect(new Set(map.keys())).toEqual(new Set(cities.map(({ id }) => id)));
    const seen: unknown[] = [];
    map.forEach((record, id, m) => {
      expect(m).toBe(map);
      expect(record.id).toBe(id);
      seen.push(id);
    });
    expect(seen).toHaveLength(5);
    map.put({ id: 1, name: 'Mokum' });
    expect(map.get(1)?.name).toBe('Mokum');
    expect(map.get('1')?.name).toBe('Zürich');
    expect([map.delete(1), map.delete(1), map.delete('1'), map.delete('2')]).toEqual([true, false, true, false]);
    expect([map.get(1), map.has(1), map.address(1), map.size]).toEqual([undefined, false, undefined, 3]);
    map.clear();
    expect([map.size, map.getAll()]).toEqual([0, []]);
  });

  it('takes many, and updates', async () => {
    await using map = await open(backend.path());
    map.putMany(cities);
    expect(map.size).toBe(5);
    expect(map.update(1, (city) => ({ ...(city as City), population: 900_000 })).population).toBe(900_000);
    expect(map.get(1)?.population).toBe(900_000);
    expect(() => map.update(1, () => ({ id: 2, name: 'Other' }))).toThrow(/must not change the id: from 1 to 2/);
    expect(await map.verify()).toMatchObject({ ok: true, entries: 5 });
    expect(map.stats()).toMatchObject({ intCount: 3, stringCount: 2 });
  });

  it.runIf(backend.persistent)('is all there when opened again', async () => {
    const path = backend.path();
    {
      await using map = await open(path);
      map.putMany(cities);
      await map.flush();
    }
    await using map = await open(path);
    expect(map.getAll().sort(byName)).toEqual(cities.toSorted(byName));
  });
});

describe('ids', () => {
  it('may come from a function', () => {
    using map = RecordMap.openSync<{ at: { x: number; y: number } }>(':memory:', {
      id: ({ at }) => `${at.x}/${at.y}`,
      codec: json(),
    });
    map.put({ at: { x: 1, y: 2 } });
    expect(map.get('1/2')).toEqual({ at: { x: 1, y: 2 } });
  });

  it('are safe integers or strings', () => {
    using map = RecordMap.openSync<City>(':memory:', { id: 'id' });
    for (const id of [undefined, null, {}, 1n, true]) {
      expect(() => map.put({ id, name: 'x' } as never)).toThrow(TypeError);
      expect(() => map.get(id as never)).toThrow(TypeError);
      expect(() => map.delete(id as never)).toThrow(TypeError);
    }
    for (const id of [1.5, Number.NaN, 2 ** 60]) {
      expect(() => map.put({ id, name: 'x' })).toThrow(/the id of record must be a safe integer or a string/);
      expect(() => map.get(id)).toThrow(RangeError);
    }
    expect(() => map.put(null as never)).toThrow(/record must be an object, got null/);
    expect(() => map.putMany([cities[0] as City, { name: 'x' } as never])).toThrow(/the id of records\[1]/);
    expect(map.size).toBe(0);
  });
});
