/** Random calls on an OrderedMap, iterators among them that are open all the while, and on a sorted array of keys. */
import { describe, expect, it } from 'vitest';
import { type KeyRange, OrderedMap, utf8 } from '../../src/index.js';
import { backends } from '../support/backends.js';
import { type Random, withSeeds } from '../support/random.js';
import { removeTempFile } from '../support/temp.js';

const alphabet = ['\0', 'a', 'b', 'é', '\ud800', '東', '🚀', 'prefix of eight and more '];
const randomKey = (random: Random): string =>
  Array.from({ length: random.int(0, 4) }, () => random.pick(alphabet)).join('');

/** By code points, as the map does. */
function compare(a: string, b: string): number {
  const [left, right] = [[...a], [...b]].map((characters) => characters.map((c) => c.codePointAt(0) as number)) as [
    number[],
    number[],
  ];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i] !== right[i]) return (left[i] as number) - (right[i] as number);
  }
  return left.length - right.length;
}

class Model {
  readonly values = new Map<string, string>();

  range({ gt, gte, lt, lte, reverse, limit }: KeyRange): [string, string][] {
    const inside = [...this.values].filter(
      ([key]) =>
        (gt === undefined || compare(key, gt) > 0) &&
        (gte === undefined || compare(key, gte) >= 0) &&
        (lt === undefined || compare(key, lt) < 0) &&
        (lte === undefined || compare(key, lte) <= 0),
    );
    inside.sort(([a], [b]) => (reverse === true ? compare(b, a) : compare(a, b)));
    return inside.slice(0, limit);
  }
}

function randomRange(random: Random): KeyRange {
  const range: KeyRange = {};
  if (random.chance(0.6)) range[random.pick(['gt', 'gte'] as const)] = randomKey(random);
  if (random.chance(0.6)) range[random.pick(['lt', 'lte'] as const)] = randomKey(random);
  if (random.chance(0.5)) range.reverse = random.chance(0.5);
  if (random.chance(0.4)) range.limit = random.int(0, 12);
  return range;
}

/** An iterator that is open while the map changes: what it gives next must be the next of its range at that moment. */
class Walk {
  readonly #range: KeyRange;
  readonly #iterator: IterableIterator<[string, string]>;
  #left: number;
  #last: string | undefined;

  constructor(map: OrderedMap<string>, random: Random) {
    this.#range = randomRange(random);
    this.#left = this.#range.limit ?? Number.POSITIVE_INFINITY;
    this.#iterator = map.range(this.#range);
  }

  /** False at the end. */
  step(model: Model): boolean {
    const rest: KeyRange = { ...this.#range, limit: Math.min(1, this.#left) };
    let ahead = model.range({ ...rest, limit: undefined });
    if (this.#last !== undefined) {
      const direction = this.#range.reverse === true ? -1 : 1;
      ahead = ahead.filter(([key]) => compare(key, this.#last as string) * direction > 0);
    }
    const expected = this.#left === 0 ? undefined : ahead[0];
    const { done, value } = this.#iterator.next();
    expect(done === true ? undefined : value).toEqual(expected);
    if (expected === undefined) return false;
    this.#last = expected[0];
    this.#left--;
    return true;
  }
}

describe.each(backends)('an OrderedMap in $name', ({ path, options, persistent }) => {
  it('does what a sorted Map would', () =>
    withSeeds(6, async (random) => {
      const at = path();
      const open = () => OrderedMap.open<string>(at, { ...options, codec: utf8() });
      let map = await open();
      const model = new Model();
      let walks: Walk[] = [];
      for (let step = 0; step < 600; step++) {
        const key = randomKey(random);
        const value = `${step} ${'x'.repeat(random.chance(0.02) ? 70_000 : random.int(0, 300))}`;
        const action = random.weighted({
          set: 30,
          delete: 15,
          setMany: 2,
          range: 15,
          ends: 5,
          walk: 3,
          step: 25,
          deleteRange: 0.7,
          clear: 0.2,
          compact: 0.5,
          reopen: 0.5,
        });
        if (action === 'set') {
          map.set(key, value);
          model.values.set(key, value);
        } else if (action === 'delete') {
          expect(map.delete(key)).toBe(model.values.delete(key));
        } else if (action === 'setMany') {
          const many = Array.from({ length: random.int(1, 40) }, () => [randomKey(random), value] as [string, string]);
          map.setMany(many);
          for (const [k, v] of many) model.values.set(k, v);
        } else if (action === 'range') {
          const range = randomRange(random);
          expect([...map.range(range)]).toEqual(model.range(range));
        } else if (action === 'ends') {
          const { reverse: _, limit: __, ...bounds } = randomRange(random);
          expect(map.first(bounds)).toEqual(model.range(bounds)[0]);
          expect(map.last(bounds)).toEqual(model.range(bounds).at(-1));
        } else if (action === 'walk') {
          walks.push(new Walk(map, random));
        } else if (action === 'step') {
          walks = walks.filter((walk) => walk.step(model));
        } else if (action === 'deleteRange') {
          const range = randomRange(random);
          const gone = model.range(range);
          expect(map.deleteRange(range)).toBe(gone.length);
          for (const [k] of gone) model.values.delete(k);
        } else if (action === 'clear') {
          map.clear();
          model.values.clear();
        } else if (action === 'compact') {
          await map.compact();
        } else if (persistent) {
          walks = [];
          await map.close();
          map = await open();
        }
        expect(map.size).toBe(model.values.size);
      }
      expect([...map]).toEqual(model.range({}));
      expect(await map.verify()).toMatchObject({ ok: true, entries: model.values.size });
      await map.close();
      removeTempFile(at);
    }));
});
