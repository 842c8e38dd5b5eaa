/** What a partitioned buffer keeps in its file. */
import { describe, expect, it } from 'vitest';
import { CompactableBuffer, DelayQueue, PartitionedMap, PartitionedQueue, StringMap } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { ManualClock } from '../../support/manual-clock.js';
import { tempFile } from '../../support/temp.js';

const buffer = { initialSize: 65_536, segmentSize: 65_536 };
const never = (): Promise<void> => new Promise(() => {});

describe('a file', () => {
  it('keeps items until their processor has resolved, in order, for any number of partitions', async () => {
    const path = tempFile();
    const clock = new ManualClock();
    const options = { path, buffer, clock, partitionKey: ({ id }: { id: number }) => id % 3 };
    const first = await PartitionedQueue.start<{ id: number }>({ ...options, partitions: 3, processor: never });
    for (let id = 0; id < 30; id++) first.push({ id });
    void first.drain();
    await clock.advance(0);
    await first.stop({ timeout: 0 });

    const seen: number[][] = [[], [], []];
    const second = await PartitionedQueue.start<{ id: number }>({
      ...options,
      partitions: 2,
      processor: (batch) => {
        for (const { id } of batch) seen[id % 3]?.push(id);
      },
    });
    expect(second.size).toBe(30);
    second.push({ id: 30 });
    await clock.advance(5000);
    await second.stop();
    for (const [rest, ids] of seen.entries()) {
      expect(ids).toEqual(Array.from({ length: 31 }, (_, id) => id).filter((id) => id % 3 === rest));
    }

    const third = await PartitionedQueue.start({ path, buffer, processor: never });
    expect(third.size).toBe(0);
    await third.stop();
  });

  it('gives up a batch before its processor is called, at most once', async () => {
    const path = tempFile();
    const options = { path, buffer, partitions: 1, delivery: 'at-most-once', processingBatchSize: 2 } as const;
    const first = await PartitionedQueue.start({ ...options, clock: new ManualClock(), processor: never });
    first.push([1, 2, 3, 4, 5]);
    void first.drain();
    await Promise.resolve().then(() => new Promise(setImmediate));
    await first.stop({ timeout: 0 });
    const seen: unknown[] = [];
    const second = await PartitionedQueue.start({ ...options, processor: (batch) => void seen.push(...batch) });
    await second.stop();
    expect(seen).toEqual([3, 4, 5]);
  });

  it('keeps what has failed for good while there is no place for it', async () => {
    const path = tempFile();
    const clock = new ManualClock();
    const fails = (): never => {
      throw new Error('no');
    };
    const options = { path, buffer, clock, partitions: 1, retry: { retries: 0 } };
    const first = await PartitionedQueue.start({ ...options, processor: fails, deadLetter: fails });
    first.push(['a', 'b']);
    await first.stop();
    const dead: unknown[] = [];
    const second = await PartitionedQueue.start({
      ...options,
      processor: fails,
      deadLetter: (items) => void dead.push(...items),
    });
    await second.stop();
    expect(dead).toEqual(['a', 'b']);
  });

  it('keeps the last write of each key of a map, and its version', async () => {
    const path = tempFile();
    const clock = new ManualClock();
    const options = { path, buffer, clock, partitions: 2 };
    const first = await PartitionedMap.start<string, number>({ ...options, processor: never });
    first.put('taken', 1);
    void first.drain();
    await clock.advance(0);
    first.put('taken', 2);
    first.putNewer('b', 1, 5n);
    first.putNewer('b', 2, 7n);
    first.put('gone', 1);
    first.delete('gone');
    await first.stop({ timeout: 0 });
    const seen: unknown[] = [];
    const second = await PartitionedMap.start<string, number>({
      ...{ ...options, partitions: 1 },
      processor: (batch) => void seen.push(...batch),
    });
    expect([second.size, second.putNewer('b', 3, 7n)]).toEqual([2, false]);
    await second.stop();
    expect(seen).toEqual([
      { key: 'taken', value: 2, version: 0, updates: 0 },
      { key: 'b', value: 2, version: 7n, updates: 1 },
    ]);
  });

  it('is of one kind, and left as it was by the others', async () => {
    const path = tempFile();
    const queue = await PartitionedQueue.start({ path, buffer, processor: never });
    queue.push('item');
    await expectCode(() => PartitionedQueue.start({ path, buffer, processor: never }), 'MMCB_LOCKED');
    await expectCode(() => DelayQueue.open(path, { delay: 1 }), 'MMCB_NOT_MMCB');
    await queue.stop({ timeout: 0 });
    await expectCode(() => DelayQueue.open(path, { delay: 1 }), 'MMCB_NOT_MMCB');
    await expectCode(() => PartitionedMap.start({ path, buffer, processor: never }), 'MMCB_NOT_MMCB');
    const seen: unknown[] = [];
    const again = await PartitionedQueue.start({ path, buffer, processor: (batch) => void seen.push(...batch) });
    await again.stop();
    expect(seen).toEqual(['item']);

    const other = tempFile();
    const map = await StringMap.open(other);
    map.set('a', 1);
    await map.close();
    await expectCode(() => DelayQueue.open(other, { delay: 1 }), 'MMCB_NOT_MMCB');
    const plain = await CompactableBuffer.open(other);
    expect(plain.stats().count).toBe(1);
    await plain.close();
  });

  it('that is full refuses a push, all of it, and loses nothing', async () => {
    const path = tempFile();
    const seen: string[] = [];
    const queue = await PartitionedQueue.start<string>({
      ...{ path, buffer: { ...buffer, maxSize: 262_144 }, partitions: 1, processingBatchSize: 'all' as const },
      processor: (batch) => void seen.push(...batch),
    });
    let pushed = 0;
    const push = (): void => {
      for (;;) {
        queue.push([`a${pushed}`.padEnd(3000, 'x'), `b${pushed}`.padEnd(3000, 'x')]);
        pushed += 1;
      }
    };
    await expectCode(push, 'MMCB_FULL');
    expect(queue.size).toBe(pushed * 2);
    await queue.stop();
    expect(seen.map((text) => text.slice(0, 2))).toEqual(
      Array.from({ length: pushed }, (_, i) => [`a${i}`.slice(0, 2), `b${i}`.slice(0, 2)]).flat(),
    );
  });
});
