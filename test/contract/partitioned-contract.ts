/** What every PartitionedQueue does, in memory and on a file; see test/unit/partitioned/contract.test.ts. */
import { channel } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type PartitionedEvents,
  PartitionedQueue,
  type PartitionedQueueOptions,
  type ProcessorContext,
} from '../../src/index.js';
import { errorOf, expectCode } from '../support/expect.js';
import { ManualClock } from '../support/manual-clock.js';

/** Where the items of a suite live. */
export interface Home {
  readonly name: string;
  /** Options that say so; undefined: in memory. */
  options(): { path?: string; buffer?: object };
}

type Item = { id: number; [name: string]: unknown };
const items = (from: number, to: number): Item[] => Array.from({ length: to - from + 1 }, (_, i) => ({ id: from + i }));
const ids = (batch: readonly Item[]): number[] => batch.map(({ id }) => id);

/** A processor that settles when it is told to. */
class Gate {
  readonly calls: { batch: Item[]; context: ProcessorContext; done: () => void; fail: (error: unknown) => void }[] = [];
  readonly processor = (batch: Item[], context: ProcessorContext): Promise<void> =>
    new Promise((done, fail) => {
      this.calls.push({ batch, context, done, fail });
    });
}

export function partitionedQueueContract(home: Home): void {
  const started: PartitionedQueue<Item>[] = [];
  let clock: ManualClock;

  const start = async (options: Partial<PartitionedQueueOptions<Item>>): Promise<PartitionedQueue<Item>> => {
    clock = new ManualClock();
    const queue = await PartitionedQueue.start<Item>({
      ...{ partitions: 1, clock, processor: () => {} },
      ...home.options(),
      ...options,
    });
    started.push(queue);
    return queue;
  };
  const collecting = async (
    options: Partial<PartitionedQueueOptions<Item>>,
  ): Promise<{ queue: PartitionedQueue<Item>; batches: number[][] }> => {
    const batches: number[][] = [];
    const queue = await start({ processor: (batch) => void batches.push(ids(batch)), ...options });
    return { queue, batches };
  };
  const told = <N extends keyof PartitionedEvents>(queue: PartitionedQueue<Item>, event: N): object[] => {
    const details: object[] = [];
    (queue as { on(name: string, fn: (detail: object) => void): unknown }).on(event, (detail) => details.push(detail));
    return details;
  };

  afterEach(async () => {
    await Promise.all(started.splice(0).map((queue) => queue.stop({ timeout: 0 })));
  });

  describe('as in PartitionedBuffer and Tidefall', () => {
    it('processes in ordered batches, and takes more while it does', async () => {
      const { queue, batches } = await collecting({ processingInterval: 500, processingBatchSize: 5 });
      const stops = told(queue, 'processing:stop');
      expect(queue.size).toBe(0);
      queue.push(items(1, 10));
      expect(queue.size).toBe(10);
      await clock.advance(499);
      expect(batches).toEqual([]);
      await clock.advance(1);
      expect(batches).toEqual([ids(items(1, 5)), ids(items(6, 10))]);
      expect(stops).toMatchObject([{ partition: 0, size: 10 }]);
      queue.push(items(11, 12));
      await clock.advance(500);
      expect(batches.at(-1)).toEqual([11, 12]);
      expect(queue.size).toBe(0);
      expect(clock.timers.size).toBe(0); // nothing is left to tick for
    });

    it('takes single items', async () => {
      const { queue, batches } = await collecting({});
      expect(queue.push({ id: 1 })).toBeUndefined();
      expect(queue.size).toBe(1);
      await queue.drain();
      expect([batches, queue.size]).toEqual([[[1]], 0]);
    });

    it('routes by a function or a constant, given to start or to push, and always alike', async () => {
      const where = new Map<number, Set<number>>();
      const queue = await start({
        partitions: 8,
        partitionKey: (item: Item) => item.id % 3,
        processor: (batch, { partition }) => {
          for (const { id } of batch) where.set(id % 3, (where.get(id % 3) ?? new Set()).add(partition));
        },
      });
      for (let round = 0; round < 3; round++) {
        queue.push(items(1, 30));
        await queue.drain();
      }
      expect([...where.values()].every((partitions) => partitions.size === 1)).toBe(true);
      where.clear();
      queue.push(items(1, 30), { partitionKey: 'constant' });
      await queue.drain();
      expect(new Set([...where.values()].flatMap((partitions) => [...partitions])).size).toBe(1);
    });

    it('spreads items over partitions, and processes those side by side', async () => {
      const gate = new Gate();
      const queue = await start({ partitions: 4, processor: gate.processor, processingBatchSize: 'all' });
      queue.push(items(1, 100));
      const drained = queue.drain();
      await turn();
      expect(gate.calls.map(({ context }) => context.partition).sort()).toEqual([0, 1, 2, 3]);
      for (const { done } of gate.calls) done();
      await drained;
      expect(gate.calls.flatMap(({ batch }) => ids(batch)).sort((a, b) => a - b)).toEqual(ids(items(1, 100)));
    });

    it('sorts by a key of any type, ties by insertion', async () => {
      const { queue, batches } = await collecting({ sortKey: (item) => item['at'], processingBatchSize: 'all' });
      queue.push([
        { id: 1, at: 3 },
        { id: 2, at: 'b' },
        { id: 3, at: 1 },
        { id: 4, at: 3 },
        { id: 5, at: 'a' },
        { id: 6, at: 2n },
      ]);
      queue.push({ id: 7, at: 0 });
      await queue.drain();
      queue.push(items(1, 3), { sortKey: ({ id }) => -id });
      await queue.drain();
      expect(batches).toEqual([
        [7, 3, 1, 4, 6, 5, 2],
        [3, 2, 1],
      ]);
    });

    it('changes the options that are named, and no others', async () => {
      const { queue, batches } = await collecting({ processingBatchSize: 3 });
      queue.push(items(1, 4));
      queue.updateOptions({ processingInterval: 200 });
      await clock.advance(200);
      expect(batches).toEqual([[1, 2, 3], [4]]);
      expect(() => queue.updateOptions({ processingInterval: -1 })).toThrow(RangeError);
      expect(() => queue.updateOptions({ partitions: 2 } as never)).toThrow(TypeError);
      queue.updateOptions({ processingBatchSize: 2 });
      queue.push(items(1, 4));
      await clock.advance(200);
      expect(batches.slice(2)).toEqual([
        [1, 2],
        [3, 4],
      ]);
    });

    it('goes on after a processor has failed, whatever it threw', async () => {
      const { queue, batches } = await collecting({
        delivery: 'at-most-once',
        processor: (batch) => {
          if (batch[0]?.id === 1) throw new Error('thrown');
          if (batch[0]?.id === 2) return Promise.reject(new Error('rejected'));
          // biome-ignore lint/style/useThrowOnlyError: whatever is thrown
          if (batch[0]?.id === 3) throw null;
          batches.push(ids(batch));
          return undefined;
        },
        processingBatchSize: 1,
      });
      const failed = told(queue, 'processing:failed');
      queue.push(items(1, 4));
      await queue.drain();
      expect(batches).toEqual([[4]]);
      expect(failed).toMatchObject([
        { size: 1, attempt: 1, willRetry: false, error: { message: 'thrown' } },
        { error: { message: 'rejected' } },
        { error: null },
      ]);
      expect(queue.stats()).toMatchObject({ processed: 1, failed: 3, buffered: 0, processing: 0 });
    });

    it('processes what it holds before it stops, in order, and then takes no more', async () => {
      const gate = new Gate();
      const queue = await start({ processor: gate.processor, processingBatchSize: 2, name: 'stopping' });
      const stops = told(queue, 'partition:stop');
      queue.push(items(1, 2));
      void queue.drain();
      await turn();
      queue.push(items(3, 5));
      const stopped = queue.stop();
      expect(queue.stop()).toBe(stopped);
      for (let i = 0; i < 3; i++) {
        gate.calls[i]?.done();
        await turn();
      }
      await stopped;
      expect(gate.calls.map(({ batch }) => ids(batch))).toEqual([[1, 2], [3, 4], [5]]);
      expect(stops).toEqual([{ partition: 0, reason: 'stop' }]);
      await expectCode(() => queue.push({ id: 1 }), 'MMCB_CLOSED');
      await expectCode(() => queue.drain(), 'MMCB_CLOSED');
      await expectCode(() => queue.updateOptions({}), 'MMCB_CLOSED');
      expect(PartitionedQueue.get('stopping')).toBeUndefined();
    });

    it('is found by its name', async () => {
      const queue = await start({ name: 'found' });
      expect(PartitionedQueue.get('found')).toBe(queue);
      await expectCode(() => start({ name: 'found' }), 'MMCB_LOCKED');
    });
  });

  describe('draining', () => {
    it('at the threshold needs no timer', async () => {
      const { queue, batches } = await collecting({ drainThreshold: 3 });
      queue.push(items(1, 2));
      await turn();
      expect(batches).toEqual([]);
      queue.push(items(3, 5));
      await turn();
      expect(batches).toEqual([[1, 2, 3, 4, 5]]);
    });

    it('of one partition is one batch at a time, while pushes go on', async () => {
      const gate = new Gate();
      const queue = await start({ processor: gate.processor, drainThreshold: 1 });
      queue.push({ id: 1 });
      await turn();
      queue.push(items(2, 4));
      await turn();
      expect(gate.calls).toHaveLength(1);
      expect([queue.size, queue.stats().processing]).toEqual([3, 1]);
      gate.calls[0]?.done();
      await turn();
      expect(ids(gate.calls[1]?.batch ?? [])).toEqual([2, 3, 4]);
      gate.calls[1]?.done();
    });

    it('keeps to its concurrency', async () => {
      const gate = new Gate();
      const queue = await start({ partitions: 6, processor: gate.processor, concurrency: 2 });
      queue.push(items(1, 100));
      const drained = queue.drain();
      const seen = new Set<number>();
      for (let done = 0; queue.size > 0 || done < gate.calls.length; done++) {
        await turn();
        const running = new Set(gate.calls.slice(done).map(({ context }) => context.partition));
        expect(running.size).toBeLessThanOrEqual(2);
        for (const partition of running) seen.add(partition);
        gate.calls[done]?.done();
        await turn();
      }
      await drained;
      expect(seen.size).toBe(6);
    });

    it('ends a processor that takes too long: its signal is aborted, and it has failed', async () => {
      const gate = new Gate();
      const queue = await start({ processor: gate.processor, processingTimeout: 300, delivery: 'at-most-once' });
      const failed = told(queue, 'processing:failed');
      queue.push({ id: 1 });
      const drained = queue.drain();
      await turn();
      await clock.advance(299);
      expect(gate.calls[0]?.context.signal.aborted).toBe(false);
      await clock.advance(1);
      await drained;
      expect(gate.calls[0]?.context.signal.aborted).toBe(true);
      expect(failed).toMatchObject([{ error: { name: 'TimeoutError' }, size: 1 }]);
      gate.calls[0]?.fail(new Error('late')); // nobody minds
    });

    it('can be waited for with a signal', async () => {
      const gate = new Gate();
      const queue = await start({ processor: gate.processor });
      queue.push({ id: 1 });
      await expect(queue.drain({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
      await turn();
      gate.calls[0]?.done();
      await queue.drain();
    });
  });

  describe("'at-least-once'", () => {
    const retry = { retries: 3, backoff: 100, maxBackoff: 150 };

    it('processes a batch again, whole and later each time, before those behind it', async () => {
      const seen: [number[], number, number][] = [];
      const queue = await start({
        delivery: 'at-least-once',
        retry,
        processingBatchSize: 2,
        processor: (batch, { attempt }) => {
          seen.push([ids(batch), attempt, clock.now()]);
          batch.length = 0; // its own affair
          if (attempt < 3 && seen.length < 4) throw new Error('not yet');
        },
      });
      queue.push(items(1, 4));
      const drained = queue.drain();
      await turn();
      await clock.advance(10_000);
      await drained;
      expect(seen.map(([batch, attempt]) => [batch, attempt])).toEqual([
        [[1, 2], 1],
        [[1, 2], 2],
        [[1, 2], 3],
        [[3, 4], 1],
      ]);
      const waits = seen.map(([, , at], i) => at - (seen[i - 1]?.[2] ?? at));
      expect(waits[1]).toBeGreaterThanOrEqual(50);
      expect(waits[1]).toBeLessThanOrEqual(100);
      expect(waits[2]).toBeGreaterThanOrEqual(75);
      expect(waits[2]).toBeLessThanOrEqual(150);
      expect(queue.stats()).toMatchObject({ processed: 4, failed: 4, retried: 4 });
    });

    it('gives what has failed for good to deadLetter, or tells that it is dropped', async () => {
      const dead: unknown[] = [];
      const options: Partial<PartitionedQueueOptions<Item>> = {
        delivery: 'at-least-once',
        retry: { retries: 1, backoff: 0 },
        processor: () => {
          throw new Error('never');
        },
      };
      const queue = await start({
        ...options,
        deadLetter: (batch, { attempts, error }) => void dead.push([ids(batch), attempts, (error as Error).message]),
      });
      queue.push(items(1, 2));
      let drained = queue.drain();
      await turn();
      await clock.advance(1);
      await drained;
      expect(dead).toEqual([[[1, 2], 2, 'never']]);
      expect(queue.stats()).toMatchObject({ deadLettered: 2, dropped: { retries: 0 } });

      const other = await start(options);
      const dropped = told(other, 'dropped');
      other.push(items(1, 2));
      drained = other.drain();
      await turn();
      await clock.advance(1);
      await drained;
      expect(dropped).toEqual([{ partition: 0, count: 2, reason: 'retries' }]);
      expect(other.stats().dropped.retries).toBe(2);
    });
  });

  describe('bounds', () => {
    it("'reject' throws, and buffers nothing of the push", async () => {
      const { queue, batches } = await collecting({ maxItems: 3 });
      queue.push(items(1, 2));
      await expectCode(() => queue.push(items(3, 4)), 'MMCB_OVERFLOW');
      await turn();
      queue.push(items(3, 5)); // what was there has been processed, since there was no room
      await queue.drain();
      expect(batches.flat()).toEqual([1, 2, 3, 4, 5]);
    });

    it("'drop-oldest' and 'drop-newest' keep the newest and the oldest, and tell how many went", async () => {
      for (const [overflow, left] of [
        ['drop-oldest', [3, 4, 5]],
        ['drop-newest', [1, 2, 3]],
      ] as const) {
        const { queue, batches } = await collecting({ maxItems: 3, overflow, processingBatchSize: 'all' });
        const dropped = told(queue, 'dropped');
        queue.push(items(1, 2));
        queue.push(items(3, 5));
        expect(queue.size).toBe(3);
        await queue.drain();
        expect(batches).toEqual([left]);
        expect(dropped).toEqual([1, 2].map(() => ({ partition: 0, count: 1, reason: overflow })));
        expect(queue.stats().dropped[overflow]).toBe(2);
      }
    });

    it("'wait' makes push wait for room, in order, and gives up at a signal", async () => {
      const { queue, batches } = await collecting({ maxItems: 2, overflow: 'wait', processingBatchSize: 'all' });
      expect(queue.push(items(1, 2))).toBeUndefined();
      const controller = new AbortController();
      const waiting = [queue.push(items(3, 7)), queue.push({ id: 8 })];
      const aborted = queue.push({ id: 9 }, { signal: controller.signal });
      controller.abort(new Error('enough'));
      await expect(aborted).rejects.toThrow('enough');
      await Promise.all(waiting);
      await queue.drain();
      expect(batches.flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(batches.every(({ length }) => length <= 2)).toBe(true);
    });

    it('what still waits at stop is refused with MMCB_CLOSED', async () => {
      const gate = new Gate();
      const queue = await start({ maxItems: 1, overflow: 'wait', processor: gate.processor });
      queue.push({ id: 1 });
      await queue.push({ id: 2 });
      const waiting = queue.push({ id: 3 });
      const stopped = queue.stop();
      await expect(waiting).rejects.toMatchObject({ code: 'MMCB_CLOSED' });
      for (let i = 0; i < 2; i++) {
        gate.calls[i]?.done();
        await turn();
      }
      await stopped;
    });

    it('in bytes count what the codec makes', async () => {
      const { queue } = await collecting({ maxBytes: 100 });
      queue.push({ id: 1, text: 'x'.repeat(60) });
      await expectCode(() => queue.push({ id: 2, text: 'x'.repeat(60) }), 'MMCB_OVERFLOW');
      await queue.drain();
      queue.push({ id: 3, text: 'x'.repeat(200) }); // alone
      await queue.drain();
    });

    it('are not overflown by 10,000 pushes in one tick that they allow', async () => {
      const { queue, batches } = await collecting({ maxItems: 10_000, drainThreshold: 100, partitions: 3 });
      for (let i = 0; i < 10_000; i++) queue.push({ id: i });
      expect(queue.size).toBe(10_000);
      await queue.drain();
      expect(batches.flat()).toHaveLength(10_000);
    });
  });

  describe('telling', () => {
    it('is done on the instance and on diagnostics channels', async () => {
      const published: object[] = [];
      const subscriber = (message: unknown): void => void published.push(message as object);
      channel('mmcb:processing:start').subscribe(subscriber);
      const { queue } = await collecting({ name: 'telling' });
      const events = ['partition:start', 'processing:start', 'processing:stop'] as const;
      const details = events.map((event) => told(queue, event));
      await turn();
      queue.push({ id: 1 });
      await queue.drain();
      channel('mmcb:processing:start').unsubscribe(subscriber);
      expect(details).toEqual([
        [{ partition: 0 }],
        [{ partition: 0, size: 1 }],
        [{ partition: 0, size: 1, duration: 0 }],
      ]);
      expect(published).toContainEqual({ partition: 0, size: 1, name: 'telling' });
    });
  });

  describe('bad input', () => {
    it('is refused, and nothing is lost', async () => {
      const { queue, batches } = await collecting({});
      queue.push({ id: 1 });
      const boom = (): never => {
        throw new Error('boom');
      };
      const byKey = await expectCode(() => queue.push(items(2, 3), { sortKey: boom }), 'MMCB_CODEC');
      expect(byKey.message).toContain('boom');
      await expectCode(() => queue.push(items(2, 3), { partitionKey: boom }), 'MMCB_CODEC');
      expect(() => queue.push({ id: 2 }, { sortkey: 1 } as never)).toThrow(TypeError);
      expect(await errorOf(() => queue.stop({ timeout: -1 }))).toBeInstanceOf(RangeError);
      await queue.drain();
      expect(batches).toEqual([[1]]);
      const wrong = [
        { partitions: 0 },
        { processingInterval: 0 },
        { processingBatchSize: 0 },
        { maxItems: Number.NaN },
      ];
      for (const options of wrong) expect(await errorOf(() => start(options))).toBeInstanceOf(RangeError);
      for (const options of [{ processor: 1 }, { procesor: 1 }, { sortKey: 1 }, { deadLetter: {} }]) {
        expect(await errorOf(() => start(options as never))).toBeInstanceOf(TypeError);
      }
      expect(await errorOf(() => PartitionedQueue.start(undefined as never))).toBeInstanceOf(TypeError);
    });

    it('in one partition does no harm to the others', async () => {
      const seen: number[] = [];
      const gate = new Gate();
      const queue = await start({
        partitions: 2,
        partitionKey: ({ id }: Item) => id % 2,
        delivery: 'at-least-once',
        processor: (batch, context) =>
          context.partition === where ? gate.processor(batch, context) : void seen.push(...ids(batch)),
      });
      let where = -1;
      queue.push({ id: 0 });
      queue.once('processing:start', ({ partition }) => {
        where = partition;
      });
      void queue.drain();
      await turn();
      queue.push(items(1, 9));
      void queue.drain();
      await turn();
      expect(seen.sort()).toEqual([1, 3, 5, 7, 9]); // the other never settles
    });

    it('a stop that does not wait says what it leaves', async () => {
      const gate = new Gate();
      const queue = await start({ processor: gate.processor, delivery: 'at-least-once' });
      const dropped = told(queue, 'dropped');
      queue.push(items(1, 15));
      void queue.drain();
      await turn();
      queue.push(items(16, 20));
      const stopped = queue.stop({ timeout: 100 });
      await turn();
      await clock.advance(100);
      await stopped;
      expect(gate.calls[0]?.context.signal.aborted).toBe(true);
      const count = (dropped as { count: number }[]).reduce((sum, one) => sum + one.count, 0);
      expect(count).toBe(home.options().path === undefined ? 20 : 0);
    });
  });
}
