/** What every PartitionedMap does, in memory and on a file; see test/unit/partitioned/map-contract.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MapEntry, PartitionedMap, type PartitionedMapOptions } from '../../src/index.js';
import { errorOf, expectCode } from '../support/expect.js';
import { ManualClock } from '../support/manual-clock.js';
import type { Home } from './partitioned-queue/subject.js';

type Entry = MapEntry<string, unknown>;
const entry = (key: string, value: unknown, version: number | bigint = 0, updates = 0): Entry => ({
  ...{ key, value, version, updates },
});

export function partitionedMapContract(home: Home): void {
  const started: PartitionedMap<string, unknown>[] = [];
  let clock: ManualClock;
  let batches: Entry[][];
  let map: PartitionedMap<string, unknown>;

  const start = async (options: Partial<PartitionedMapOptions<string, unknown>> = {}): Promise<typeof map> => {
    const made = await PartitionedMap.start<string, unknown>({
      ...{ partitions: 1, clock, processingInterval: 500, processor: (batch) => void batches.push(batch) },
      ...home.options(),
      ...options,
    });
    started.push(made);
    return made;
  };

  beforeEach(async () => {
    clock = new ManualClock();
    batches = [];
    map = await start();
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((one) => one.stop({ timeout: 0 })));
  });

  describe('as in PartitionedBuffer and Tidefall', () => {
    it('processes what was put', async () => {
      expect(map.size).toBe(0);
      map.put('key1', 'value1');
      expect([map.size, map.get('key1'), map.has('key1')]).toEqual([1, 'value1', true]);
      await clock.advance(500);
      expect(batches).toEqual([[entry('key1', 'value1')]]);
      expect([map.size, map.get('key1')]).toEqual([0, undefined]);
    });

    it('takes pairs, maps and plain objects', async () => {
      map.putAll([
        ['a', 1],
        ['b', 2],
      ]);
      map.putAll({ c: 3 });
      map.putAll(new Map([['d', 4]]));
      await map.drain();
      expect(batches).toEqual([[entry('a', 1), entry('b', 2), entry('c', 3), entry('d', 4)]]);
    });

    it('lets the last write win, where its key was first put, and counts the others', async () => {
      map.put('dup', 'first');
      map.put('other', 1);
      map.put('dup', 'second');
      expect([map.get('dup'), map.size]).toEqual(['second', 2]);
      await map.drain();
      expect(batches).toEqual([[entry('dup', 'second', 0, 1), entry('other', 1)]]);
    });

    it('processes in batches', async () => {
      map.updateOptions({ processingBatchSize: 5 });
      map.putAll(Array.from({ length: 12 }, (_, i) => [`key${i}`, i] as const));
      await map.drain();
      expect(batches.map(({ length }) => length)).toEqual([5, 5, 2]);
      expect(batches.flat().map(({ value }) => value)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    });

    it('gives what was asked for where there is nothing', () => {
      expect([map.get('missing'), map.get('missing', 'else')]).toEqual([undefined, 'else']);
    });

    it('deletes before it is processed', async () => {
      map.put('gone', 1);
      map.put('kept', 2);
      expect([map.delete('gone'), map.delete('gone'), map.size, map.get('gone')]).toEqual([true, false, 1, undefined]);
      await map.drain();
      expect(batches).toEqual([[entry('kept', 2)]]);
    });

    it('lets a newer version win, and ignores equal and older ones', async () => {
      expect(map.putNewer('key', 'v1', 100)).toBe(true);
      expect(map.putNewer('key', 'old', 99)).toBe(false);
      expect(map.putNewer('key', 'same', 100)).toBe(false);
      expect(map.get('key')).toBe('v1');
      expect(map.putNewer('key', 'v2', 200n)).toBe(true);
      const results = map.putAllNewer([
        ['a', 'a1', 100],
        ['key', 'v3', 150],
        ['a', 'a2', 200],
      ]);
      expect(results).toEqual([true, false, true]);
      await map.drain();
      expect(batches).toEqual([[entry('key', 'v2', 200n, 1), entry('a', 'a2', 200, 1)]]);
    });

    it('makes a version of its own where there is none, newer than the one before', async () => {
      expect([map.putNewer('key', 1), map.putNewer('key', 2)]).toEqual([true, true]);
      expect(map.putNewer('key', 3, 1)).toBe(false);
      await map.drain();
      expect(batches[0]).toMatchObject([{ value: 2, updates: 1 }]);
      expect(batches[0]?.[0]?.version).toBeGreaterThan(0);
    });

    it('sorts, and routes a key always alike', async () => {
      const where = new Map<string, Set<number>>();
      map = await start({
        partitions: 4,
        sortKey: ({ value }) => -(value as number),
        processor: (batch, { partition }) => {
          batches.push(batch);
          for (const { key } of batch) where.set(key, (where.get(key) ?? new Set()).add(partition));
        },
      });
      for (let round = 0; round < 3; round++) {
        map.putAll(Array.from({ length: 50 }, (_, i) => [`key${i}`, i] as const));
        await map.drain();
      }
      expect(where.size).toBe(50);
      expect([...where.values()].every(({ size }) => size === 1)).toBe(true);
      for (const batch of batches) {
        const values = batch.map(({ value }) => value as number);
        expect(values).toEqual([...values].sort((a, b) => b - a));
      }
    });

    it('takes a new write of a key while the one before is processed', async () => {
      let release = (): void => {};
      map = await start({
        processor: (batch) => {
          batches.push(batch);
          return new Promise<void>((resolve) => {
            release = resolve;
          });
        },
      });
      map.put('a', 1);
      const first = map.drain();
      await clock.advance(0);
      map.put('a', 2);
      release();
      await first;
      await clock.advance(500);
      release();
      await map.drain();
      expect(batches).toEqual([[entry('a', 1)], [entry('a', 2)]]);
    });

    it('processes what it holds before it stops', async () => {
      map.put('a', 1);
      await map.stop();
      expect(batches).toEqual([[entry('a', 1)]]);
      for (const call of [
        () => map.put('a', 1),
        () => map.putNewer('a', 1),
        () => map.putAll({}),
        () => map.delete('a'),
      ]) {
        await expectCode(call, 'MMCB_CLOSED');
      }
    });
  });

  it('keeps to its bounds', async () => {
    map = await start({ maxItems: 2 });
    map.putAll({ a: 1, b: 2 });
    map.put('a', 3); // needs no room
    await expectCode(() => map.put('c', 1), 'MMCB_OVERFLOW');
    await map.drain();
    map = await start({ maxItems: 2, overflow: 'drop-oldest' });
    map.putAll({ a: 1, b: 2, c: 3 });
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([undefined, 2, 3, 2]);
    map = await start({ maxItems: 2, overflow: 'drop-newest' });
    map.putAll({ a: 1, b: 2, c: 3 });
    expect([map.get('a'), map.get('c'), map.stats().dropped['drop-newest']]).toEqual([1, undefined, 1]);
  });

  it('refuses bad input, and loses nothing', async () => {
    map.put('a', 1);
    expect(() => map.putNewer('a', 2, Number.NaN)).toThrow(RangeError);
    expect(() => map.putNewer('a', 2, '3' as never)).toThrow(TypeError);
    expect(() => map.putAll(5 as never)).toThrow(TypeError);
    expect(() => map.putAll([5] as never)).toThrow(TypeError);
    expect(await errorOf(() => start({ overflow: 'wait' as never }))).toBeInstanceOf(RangeError);
    await map.drain();
    expect(batches).toEqual([[entry('a', 1)]]);
  });
}
