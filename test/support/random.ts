/**
 * Seeded randomness. MMCB_SEED sets the first seed (a failing test prints the one that it failed with), MMCB_RUNS the
 * number of runs.
 */

import { setImmediate } from 'node:timers/promises';
import { generator } from '../../bench/lib/random.mjs';

export class Random {
  /** From 0, inclusive, to 1, exclusive. */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = generator(seed);
  }

  /** A whole number from `min` to `max`, both inclusive. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    return items[this.int(0, items.length - 1)] as T;
  }

  /** One of the names, as often as their weights say. */
  weighted<N extends string>(weights: Readonly<Record<N, number>>): N {
    const entries = Object.entries(weights) as [N, number][];
    let rest = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      rest -= weight;
      if (rest < 0) return name;
    }
    return (entries.at(-1) as [N, number])[0];
  }

  /** Mostly small, sometimes empty, sometimes larger than a slab. */
  size(): number {
    const kind = this.next();
    if (kind < 0.05) return 0;
    if (kind < 0.8) return this.int(1, 200);
    if (kind < 0.97) return this.int(200, 10_000);
    return this.int(10_000, 100_000);
  }

  bytes(size = this.size()): Buffer {
    const bytes = Buffer.allocUnsafe(size);
    // Words are random enough, and four times as fast.
    let i = 0;
    for (; i + 4 <= size; i += 4) bytes.writeUInt32LE(Math.floor(this.next() * 4294967296), i);
    for (; i < size; i++) bytes[i] = this.int(0, 255);
    return bytes;
  }
}

const environment = (name: string): number | undefined => {
  const value = process.env[name];
  return value === undefined || value === '' ? undefined : Number(value);
};

/**
 * Runs `body` with as many seeds as `runs`, or MMCB_RUNS, says. An error names the seed, and how to run it again.
 */
export async function withSeeds(
  runs: number,
  body: (random: Random, seed: number) => Promise<void> | void,
): Promise<void> {
  const first = environment('MMCB_SEED') ?? 1;
  const count = environment('MMCB_RUNS') ?? (environment('MMCB_SEED') === undefined ? runs : 1);
  for (let seed = first; seed < first + count; seed++) {
    await setImmediate(); // let the test runner breathe
    try {
      await body(new Random(seed), seed);
    } catch (cause) {
      const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      throw new Error(`failed with seed ${seed}; again with MMCB_SEED=${seed}\n${reason}`, { cause });
    }
  }
}
