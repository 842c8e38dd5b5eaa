/** The parts of the benchmark that figures pass through: random keys, statistics, targets. */
import { describe, expect, it } from 'vitest';
import { groupCommit } from '../../../bench/lib/group-commit.mjs';
import { generator, permutation } from '../../../bench/lib/random.mjs';
import { latencySummary, median, percentile, summary } from '../../../bench/lib/statistics.mjs';
import { SKEW, scrambledZipfian, zipfian } from '../../../bench/lib/zipfian.mjs';
import { planTrials } from '../../../bench/plan.mjs';
import { evaluateTargets, whereBehind } from '../../../bench/report/evaluate.mjs';
import { Figures } from '../../../bench/results.mjs';

describe('statistics', () => {
  it('median of odd and even counts, in any order, numerically', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('percentile is the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([0, 0.5, 0.99, 0.999, 1].map((share) => percentile(hundred, share))).toEqual([1, 50, 99, 100, 100]);
    expect(percentile([], 0.5)).toBeUndefined();
  });

  it('summaries keep their input as it is', () => {
    const rounds = [3, 1, 2];
    expect(summary(rounds)).toEqual({ median: 2, min: 1, max: 3, rounds: 3 });
    expect(latencySummary(rounds)).toEqual({ p50: 2, p99: 3, p999: 3, max: 3, samples: 3 });
    expect(rounds).toEqual([3, 1, 2]);
  });
});

describe('keys', () => {
  it('a permutation has every number once, and is the same for the same seed', () => {
    const order = permutation(1000, generator(1));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(permutation(1000, generator(1))).toEqual(order);
    expect(permutation(1000, generator(2))).not.toEqual(order);
  });

  it('Zipfian ranks come as often as the law says', () => {
    const [count, draws] = [1000, 400_000];
    const rank = zipfian(count, generator(7));
    const seen = new Float64Array(count);
    for (let i = 0; i < draws; i++) {
      const drawn = rank();
      seen[drawn] = (seen[drawn] as number) + 1;
    }
    let zeta = 0;
    for (let i = 1; i <= count; i++) zeta += i ** -SKEW;
    // The method is exact for the first two ranks and an approximation behind.
    for (const [at, tolerance] of [
      [0, 0.02],
      [1, 0.03],
      [9, 0.25],
      [99, 0.25],
    ] as const) {
      const share = (seen[at] as number) / draws;
      expect(Math.abs(share * zeta * (at + 1) ** SKEW - 1)).toBeLessThan(tolerance);
    }
    const firstTenth = seen.subarray(0, count / 10).reduce((sum, n) => sum + n, 0) / draws;
    expect(firstTenth).toBeGreaterThan(0.6);
  });

  it('Zipfian ranks stay in range, also of very small counts', () => {
    for (const count of [1, 2, 3]) {
      const rank = zipfian(count, generator(3));
      for (let i = 0; i < 1000; i++) expect(rank()).toBeLessThan(count);
    }
    expect(() => zipfian(0, generator(1))).toThrow(RangeError);
  });

  it('scrambling keeps the frequencies and moves the popular ones', () => {
    const order = permutation(100, generator(5));
    const key = scrambledZipfian(order, generator(9));
    const rank = zipfian(100, generator(9));
    for (let i = 0; i < 1000; i++) expect(key()).toBe(order[rank()]);
  });
});

describe('groupCommit', () => {
  it('puts together what is asked for meanwhile, and hands on errors', async () => {
    const groups: number[][] = [];
    const commit = groupCommit<number>(async (operations) => {
      groups.push(operations);
      await new Promise(setImmediate);
      if (operations.includes(13)) throw new Error('unlucky');
    });
    await Promise.all([commit(1), commit(2)]);
    const later = [commit(3)];
    await new Promise((resolve) => setImmediate(resolve));
    later.push(commit(4), commit(5));
    await Promise.all(later);
    await expect(commit(13)).rejects.toThrow('unlucky');
    await commit(14);
    expect(groups.flat()).toEqual([1, 2, 3, 4, 5, 13, 14]);
    expect(groups[0]).toEqual([1, 2]);
  });
});

describe('plan', () => {
  const settings = {
    sizes: [100, 65_536],
    entries: [1000, 10_000_000],
    tables: ['none', 'commit'],
    groups: ['int', 'objects', 'commit'],
    engines: ['a', 'b', 'c'],
    rounds: 2,
  };
  const trials = planTrials(settings, (engine) => ({
    none: engine === 'c' ? ['int'] : ['int', 'objects'],
    commit: ['commit'],
  }));

  it('rotates the engines from round to round', () => {
    const order = (round: number): string[] =>
      trials
        .filter((t) => t.round === round && t.group === 'int' && t.entries === 1000 && t.size === 100)
        .map((t) => t.engine);
    expect([order(0), order(1)]).toEqual([
      ['a', 'b', 'c'],
      ['b', 'c', 'a'],
    ]);
  });

  it('measures more entries of some engines and groups, each in every round', () => {
    const large = { entries: 5000, engines: ['c'], groups: ['int', 'objects'] };
    const more = planTrials({ ...settings, large }, () => ({ none: ['int'], commit: [] }));
    expect(more.filter(({ entries }) => entries === 5000)).toEqual(
      [0, 1].map((round) => ({ round, engine: 'c', group: 'int', durability: 'none', size: 100, entries: 5000 })),
    );
  });

  it('cuts what does not fit, and measures objects once', () => {
    expect(Math.max(...trials.map(({ size, entries }) => size * entries))).toBeLessThanOrEqual(2 ** 31);
    expect(new Set(trials.filter(({ group }) => group === 'objects').map(({ size }) => size))).toEqual(new Set([100]));
    expect(trials.some(({ durability, entries }) => durability === 'commit' && entries > 1_000_000)).toBe(false);
  });
});

describe('targets', () => {
  const place = { durability: 'none', size: 100, entries: 1_000_000 };
  const trial = (engine: string, ns: number, group = 'int') => ({
    ...place,
    engine,
    group,
    workloads: { 'set new': { ns }, 'get, uniform': { ns: ns * 2 } },
  });
  const figures = new Figures({
    settings: { engines: ['mmcb', 'lmdb', 'other', 'js-map'], tables: ['none'], groups: ['int'] },
    trials: [
      ...[90, 100, 400].map((ns) => trial('mmcb', ns)),
      trial('lmdb', 850),
      trial('other', 600),
      trial('js-map', 50),
      { ...place, engine: 'mmcb', group: 'engine', workloads: { open: { value: 130, unit: 'ms' } } },
    ],
  });
  const volatile = (engine: string): boolean => engine === 'js-map';
  const verdictOf = (bound: object): [string, string] => {
    const [first] = evaluateTargets([{ workload: 'x', bounds: [bound] }], figures, volatile);
    return [first?.verdict ?? '', first?.figure ?? ''];
  };

  it('compares medians', () => {
    const mmcb = ['int', 'set new'];
    expect(verdictOf({ faster: 8, than: ['lmdb', ...mmcb], mmcb })).toEqual(['reached', '8.50 ×']);
    expect(verdictOf({ faster: 9, than: ['lmdb', ...mmcb], mmcb })).toEqual(['MISSED', '8.50 ×']);
    expect(verdictOf({ faster: 4, than: ['best peer', ...mmcb], mmcb })).toEqual(['reached', '6.00 ×']);
    expect(verdictOf({ faster: 4, than: ['absent', ...mmcb], mmcb })).toEqual(['not measured', '-']);
  });

  it('holds absolute figures against bounds', () => {
    expect(verdictOf({ atMost: 120, unit: 'ms', of: ['open'] })).toEqual(['MISSED', '130 ms']);
    expect(verdictOf({ atLeast: 120, unit: 'ms', of: ['open'] })).toEqual(['reached', '130 ms']);
    expect(verdictOf({ atMost: 120, unit: 'ms', of: ['open', 10_000_000] })[0]).toBe('not measured');
    expect(verdictOf({ grows: 1.6, mmcb: ['int', 'set new'], to: 10_000_000 })[0]).toBe('not measured');
  });

  it('finds where another is ahead', () => {
    expect(whereBehind(figures, ['lmdb', 'other'])).toEqual([]);
    expect(whereBehind(figures, ['js-map'])).toMatchObject([
      { engine: 'js-map', workload: 'set new', times: 2 },
      { engine: 'js-map', workload: 'get, uniform', times: 2 },
    ]);
  });
});
