/** The items of a push are one entry of the file, and are done one by one all the same. */
import { describe, expect, it } from 'vitest';
import { CompactableBuffer, PartitionedQueue, type PartitionedQueueOptions } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { ManualClock } from '../../support/manual-clock.js';
import { Random } from '../../support/random.js';
import { tempFile } from '../../support/temp.js';

const buffer = { initialSize: 65_536, segmentSize: 65_536 };
const never = (): Promise<void> => new Promise(() => {});
const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
type Options = Partial<PartitionedQueueOptions<number>>;

/** Starts a queue on a file that processes so many batches, and then no more. */
async function processing(path: string, batches: number, options: Options = {}) {
  const seen: number[] = [];
  let left = batches;
  const queue = await PartitionedQueue.start<number>({
    ...{ path, buffer, partitions: 1, clock: new ManualClock(), processingTimeout: Number.POSITIVE_INFINITY },
    processor(batch) {
      if (left === 0) return never();
      left -= 1;
      seen.push(...batch);
      return undefined;
    },
    ...options,
  });
  return { queue, seen };
}

/** What is left in a file. */
async function rest(path: string, options: Options = {}): Promise<number[]> {
  const { queue, seen } = await processing(path, Number.POSITIVE_INFINITY, options);
  await queue.stop();
  return seen;
}

/** Entries in a file, but for that of its kind. */
async function entries(path: string): Promise<number> {
  const file = await CompactableBuffer.open(path, buffer);
  const { count } = file.stats();
  await file.close();
  return count - 1;
}

describe('the items of a push', () => {
  it('are one entry until all of them are done', async () => {
    const path = tempFile();
    const { queue, seen } = await processing(path, 3, { processingBatchSize: 7 });
    queue.push(numbers(50));
    queue.push(50);
    void queue.drain();
    await new Promise(setImmediate);
    await queue.stop({ timeout: 0 });
    expect(seen).toEqual(numbers(21));
    expect(await entries(path)).toBe(3); // the pack, its marks, the single one
    const again = await processing(path, 1, { processingBatchSize: 20 });
    expect(again.queue.size).toBe(30);
    await again.queue.stop({ timeout: 0 });
    expect(await rest(path)).toEqual([...numbers(30, 21).slice(again.seen.length)]);
    expect(await entries(path)).toBe(0);
  });

  it('go to several partitions, are sorted, and are done in any order', async () => {
    const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
    const random = new Random(seed);
    const path = tempFile();
    const expected = new Set<number>();
    let next = 0;
    for (let round = 0; round < 12; round++) {
      const partitions = random.int(1, 5);
      const options: Options = {
        ...{ partitions, processingBatchSize: random.int(1, 30), sortKey: (item) => -item, concurrency: 2 },
      };
      const { queue, seen } = await processing(path, random.int(0, 12), options);
      expect(queue.size, `seed ${seed}`).toBe(expected.size);
      for (let push = 0; push < 4; push++) {
        const items = numbers(random.int(1, 60), next);
        next += items.length;
        queue.push(items);
        for (const item of items) expected.add(item);
      }
      void queue.drain();
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      await queue.stop({ timeout: 0 });
      for (const item of seen) expect(expected.delete(item), `seed ${seed}: ${item} once`).toBe(true);
    }
    expect((await rest(path)).sort((a, b) => a - b)).toEqual([...expected]);
    expect(await entries(path)).toBe(0);
  });

  it('are all stored or none, of whatever size they are', async () => {
    const path = tempFile();
    const big = Buffer.alloc(40_000, 'x');
    const { queue } = await processing(path, 0, { codec: undefined, maxItems: 8 });
    const push = queue.push.bind(queue) as (items: unknown[]) => void;
    push([big, 1, big, 2, big]);
    expect(queue.size).toBe(5);
    await expectCode(() => push([1, 2, 3, 4]), 'MMCB_OVERFLOW');
    await expectCode(() => push([1, () => {}, Symbol('no bytes')]), 'MMCB_CODEC').catch(() => {});
    await queue.stop({ timeout: 0 });
    const seen = (await rest(path)) as unknown[];
    expect(seen.slice(0, 5)).toEqual([big, 1, big, 2, big]);
    expect(seen).toHaveLength(5);
  });

  it('can be pushed while others are on their way in', async () => {
    const path = tempFile();
    let nested: (() => void) | undefined;
    const { queue } = await processing(path, 0, {
      partitionKey(item: number) {
        nested?.();
        return item;
      },
    });
    nested = () => {
      nested = undefined;
      queue.push([10, 11]);
    };
    queue.push([1, 2, 3]);
    await queue.stop({ timeout: 0 });
    expect((await rest(path)).sort((a, b) => a - b)).toEqual([1, 2, 3, 10, 11]);
  });

  it('go one by one where the oldest are dropped', async () => {
    const path = tempFile();
    const { queue } = await processing(path, 0, { maxItems: 5, overflow: 'drop-oldest' });
    queue.push(numbers(5));
    queue.push(5);
    queue.push([6, 7]);
    expect(queue.stats().dropped['drop-oldest']).toBe(3);
    await queue.stop({ timeout: 0 });
    expect(await rest(path)).toEqual([3, 4, 5, 6, 7]);
  });
});
