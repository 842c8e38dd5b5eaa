/** What becomes of the native benchmarks' results. */
import { describe, expect, it } from 'vitest';
import { besideTkrzw, trialsOf } from '../../../bench/native/results.mjs';
import { parsePasses } from '../../../bench/native/tkrzw.mjs';
import { nativeTables } from '../../../bench/report/native.mjs';
import { Figures } from '../../../bench/results.mjs';

const results = {
  settings: { entries: 1_000_000, size: 100, rounds: 2, preset: 'standard' },
  benchmarks: {
    'as Tkrzw: set': { ns: [110, 90], processor: [100, 80] },
    'as Tkrzw: keys alone': { ns: [50, 50], processor: [50, 50] },
    add: { ns: [20, 20], processor: [15, 15] },
    'open, per entry': { ns: [10, 10], processor: [1, 1] },
  },
  tkrzw: { set: { one: [500, 700], other: [400, 400] } },
};

describe('native benchmarks', () => {
  it('take the times of the three passes from what Tkrzw prints', () => {
    const output = [
      'Setting: impl=hash num_iterations=1000000 value_size=100 num_threads=1',
      '.................................................. (00050000)',
      'Setting done: elapsed_time=0.694106 num_records=632009 qps=1440702 mem=78824000',
      'Getting done: elapsed_time=0.500000 num_records=632009 qps=2016373 mem=78824000',
      'Iterating done: elapsed_time=9.000000 num_records=632009 qps=1176900 mem=78824000',
      'Removing done: elapsed_time=0.400000 num_records=0 qps=2490746 mem=78948000',
    ].join('\n');
    const { set, get, remove } = parsePasses(output, 1_000_000);
    expect(set).toBeCloseTo(694.106);
    expect(get).toBeCloseTo(500);
    expect(remove).toBeCloseTo(400);
    expect(() => parsePasses('Setting done: elapsed_time=0.5', 10)).toThrow('says nothing of getting');
  });

  it('hold the better one of two ways to map a file against mmcb', () => {
    expect(besideTkrzw(results)).toMatchObject([{ call: 'set', mmcb: { median: 100 }, tkrzw: { median: 400 } }]);
    // 400 / 100, and (400 - 50) / (100 - 50).
    expect(nativeTables(results)).toMatch(/\| set +\| 100 ns ± 10 % \| +400 ns \| +4\.00 × \| +7\.00 × \|/);
    expect(nativeTables(results)).toMatch(/\| add +\| +20\.0 ns \| +15\.0 ns \| +50\.0 \|/);
    expect(nativeTables(results)).toMatch(/\| open, per entry +\| +10\.0 ns \| +- \| +100\.0 \|/);
  });

  it('can be held against targets, like the other trials', () => {
    const figures = new Figures({ trials: trialsOf(results), settings: {} });
    const cell = { durability: 'none', group: 'native', size: 100, entries: 1_000_000, workload: 'set' };
    expect(figures.ns({ ...cell, engine: 'mmcb' })).toMatchObject({ median: 100, rounds: 2 });
    expect(figures.ns({ ...cell, engine: 'tkrzw' })).toMatchObject({ median: 400, rounds: 2 });
    expect(trialsOf(undefined)).toEqual([]);
  });
});
