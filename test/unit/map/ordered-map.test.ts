/** What an OrderedMap has beyond a StringMap: order, ranges, and iteration that goes by keys. */
import { describe, expect, it } from 'vitest';
import { CompactableBuffer, type KeyRange, OrderedMap, StringMap, utf8 } from '../../../src/index.js';
import { backends } from '../../support/backends.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

const open = (path = ':memory:'): OrderedMap<string> =>
  OrderedMap.openSync<string>(path, { codec: utf8(), initialSize: 0, segmentSize: 65_536 });

/** A map of the letters, each with itself as value. */
const letters = (text = 'abcdefghij'): OrderedMap<string> => {
  const map = open();
  map.setMany([...text].reverse().map((letter) => [letter, letter] as const));
  return map;
};
const keys = (map: OrderedMap<string>, range?: KeyRange): string => [...map.keys(range)].join('');

describe('an OrderedMap', () => {
  it.each(backends)('keeps its keys in order in $name', async ({ path, options, persistent }) => {
    const at = path();
    let map = await OrderedMap.open<number>(at, options);
    const model = Array.from({ length: 3_000 }, (_, i) => [`${(i * 7_919) % 3_000}`, i] as const);
    map.setMany(model);
    const inOrder = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
    expect([...map]).toEqual(inOrder);
    expect([...map.keys()]).toEqual(inOrder.map(([key]) => key));
    expect([...map.values()]).toEqual(inOrder.map(([, value]) => value));
    expect([...map.entries({ reverse: true })]).toEqual([...inOrder].reverse());
    if (persistent) {
      await map.close();
      map = await OrderedMap.open<number>(at, options);
      expect([...map]).toEqual(inOrder);
    }
    await map.close();
  });

  it('compares keys by code points', () => {
    using map = open();
    const given = [
      '',
      '\0',
      '\0\0',
      'A',
      'a',
      'a\0',
      'aa',
      'z',
      'é',
      '\u07ff',
      '東',
      '\ud83d',
      '\ude80',
      '\uffff',
      '🚀',
      '\u{10ffff}',
    ];
    for (const key of [...given].reverse()) map.set(key, key);
    expect([...map.keys()]).toEqual(given);
    expect([...map.values()]).toEqual(given.map((key) => utf8().decode(utf8().encode(key))));
    expect([...map.keys({ gte: '\ud83d', lt: '🚀' })]).toEqual(['\ud83d', '\ude80', '\uffff']);
  });

  it.each<[KeyRange, string]>([
    [{}, 'abcdefghij'],
    [{ gt: 'c' }, 'defghij'],
    [{ gte: 'c' }, 'cdefghij'],
    [{ lt: 'c' }, 'ab'],
    [{ lte: 'c' }, 'abc'],
    [{ gte: 'c', lt: 'f' }, 'cde'],
    [{ gt: 'c', lte: 'f' }, 'def'],
    [{ gt: 'cc', lt: 'ff' }, 'def'],
    [{ gte: '', lte: '' }, ''],
    [{ gt: 'j' }, ''],
    [{ lt: 'a' }, ''],
    [{ gte: 'f', lt: 'c' }, ''],
    [{ gt: 'c', lt: 'c' }, ''],
    [{ gte: 'c', lte: 'c' }, 'c'],
    [{ reverse: true }, 'jihgfedcba'],
    [{ reverse: true, gte: 'c', lt: 'f' }, 'edc'],
    [{ reverse: true, gt: 'c', lte: 'f' }, 'fed'],
    [{ limit: 3 }, 'abc'],
    [{ limit: 3, reverse: true }, 'jih'],
    [{ limit: 0 }, ''],
    [{ limit: Number.POSITIVE_INFINITY, gt: 'h' }, 'ij'],
    [{ gt: 'a', limit: 2, lt: 'c' }, 'b'],
  ])('has the range %j', (range, expected) => {
    using map = letters();
    expect(keys(map, range)).toBe(expected);
    expect([...map.values(range)].join('')).toBe(expected);
    expect([...map.range(range)]).toEqual([...expected].map((letter) => [letter, letter]));
    expect(map.deleteRange(range)).toBe(expected.length);
    expect(keys(map)).toBe([...'abcdefghij'].filter((letter) => !expected.includes(letter)).join(''));
  });

  it('has a first and a last entry, of everything and between bounds', () => {
    using map = letters();
    expect(map.first()).toEqual(['a', 'a']);
    expect(map.last()).toEqual(['j', 'j']);
    expect(map.first({ gt: 'c' })).toEqual(['d', 'd']);
    expect(map.last({ lt: 'c' })).toEqual(['b', 'b']);
    expect(map.last({ lte: 'cc' })).toEqual(['c', 'c']);
    expect(map.first({ gt: 'j' })).toBeUndefined();
    map.clear();
    expect(map.first()).toBeUndefined();
    expect(map.last()).toBeUndefined();
  });

  it.each<[string, unknown, RegExp]>([
    ['an unknown option', { from: 'a' }, /unknown option 'from' of range/],
    ['a bound that is no string', { gt: 1 }, /option 'gt' of range must be a string/],
    ['two lower bounds', { gt: 'a', gte: 'b' }, /'gt' or 'gte', not both/],
    ['two upper bounds', { lt: 'a', lte: 'b' }, /'lt' or 'lte', not both/],
    ['a limit that is no number', { limit: '1' }, /option 'limit' of range must be a number/],
    ['a limit below 0', { limit: -1 }, /option 'limit' of range must be a whole number/],
    ['a limit that is not whole', { limit: 1.5 }, /option 'limit' of range must be a whole number/],
    ['a reverse that is no flag', { reverse: 1 }, /option 'reverse' of range must be true or false/],
    ['no object', 'a', /options of range must be an object/],
  ])('refuses %s', (_, range, message) => {
    using map = letters();
    expect(() => map.range(range as KeyRange)).toThrow(message);
    expect(() => map.deleteRange(range as KeyRange)).toThrow(/deleteRange/);
  });

  it('takes bounds, not a whole range, for first and last', () => {
    using map = letters();
    expect(() => map.first({ limit: 1 } as KeyRange)).toThrow(/unknown option 'limit' of first/);
    expect(() => map.last({ reverse: true } as KeyRange)).toThrow(/unknown option 'reverse' of last/);
  });

  it('iterates on behind the last key, whatever is added and removed meanwhile', () => {
    using map = letters('bdfhjlnprtvxz');
    const seen: string[] = [];
    for (const key of map.keys()) {
      seen.push(key);
      if (key === 'd') map.set('a', 'behind').set('e', 'ahead').delete('f');
      if (key === 'e') map.deleteRange({ gte: 'h', lt: 'p' });
      if (key === 'z') map.set('zz', 'at the end');
    }
    expect(seen.join(' ')).toBe('b d e p r t v x z zz');
    expect(keys(map, { reverse: true })).toBe([...'abdeprtvxz', 'zz'].reverse().join(''));
  });

  it('sees what another map over the same buffer does', () => {
    using map = letters('ac');
    const other = new StringMap<string>(map.buffer, utf8());
    const iterator = map.entries();
    expect(iterator.next().value).toEqual(['a', 'a']);
    other.set('b', 'new');
    other.set('c', 'changed');
    expect([...iterator]).toEqual([
      ['b', 'new'],
      ['c', 'changed'],
    ]);
    expect(other.size).toBe(3);
  });

  it('pages through long keys and large values', () => {
    using map = open();
    const model = Array.from({ length: 60 }, (_, i) => [
      `${String(i).padStart(3, '0')}${'k'.repeat((i % 7) * 10_000)}`,
      'v'.repeat((i % 5) * 30_000),
    ]) as [string, string][];
    map.setMany(model);
    expect([...map]).toEqual(model);
    expect([...map.keys({ reverse: true })]).toEqual(model.map(([key]) => key).reverse());
    expect([...map.range({ gte: '030', limit: 7 })]).toEqual(model.slice(30, 37));
    const longest = 'x'.repeat(65_535);
    map.set(longest, 'longest');
    expect(map.last()).toEqual([longest, 'longest']);
    expect([...map.range({ gt: '059', lte: longest })].at(-1)).toEqual([longest, 'longest']);
  });

  it('is built over an open buffer, and beside the other kinds of entries', async () => {
    const buffer = CompactableBuffer.openSync(tempFile(), { initialSize: 0 });
    const plain = buffer.add('plain');
    const strings = new StringMap<string>(buffer, utf8());
    strings.set('b', '2').set('a', '1');
    const map = new OrderedMap<string>(buffer, utf8());
    expect([...map]).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
    expect(await map.verify()).toMatchObject({ ok: true, entries: 3 });
    expect(buffer.read(plain).toString()).toBe('plain');
    map.deleteRange({});
    expect(buffer.read(plain).toString()).toBe('plain');
    await map.close();
  });

  it('is read-only where its file is', async () => {
    const path = tempFile();
    const writable = open(path);
    writable.set('b', 'B').set('a', 'A');
    await writable.close();
    const map = await OrderedMap.open<string>(path, { codec: utf8(), readOnly: true });
    expect([...map.keys()]).toEqual(['a', 'b']);
    await expectCode(() => map.deleteRange({}), 'MMCB_READ_ONLY');
    await map.close();
  });

  it('ends its iterators when it is closed', async () => {
    const map = letters();
    const iterator = map.entries();
    iterator.next();
    map.closeSync();
    await expectCode(() => iterator.next(), 'MMCB_CLOSED');
    await expectCode(() => map.range({}), 'MMCB_CLOSED');
    await expectCode(() => map.first(), 'MMCB_CLOSED');
    await expectCode(() => map.deleteRange({}), 'MMCB_CLOSED');
  });
});
