/** The queues that a test of the contract is about. */
import { afterEach } from 'vitest';
import {
  type PartitionedEvents,
  PartitionedQueue,
  type PartitionedQueueOptions,
  type ProcessorContext,
} from '../../../src/index.js';
import { ManualClock } from '../../support/manual-clock.js';

/** Where the items of a suite live. */
export interface Home {
  readonly name: string;
  /** Options that say so; undefined: in memory. */
  options(): { path?: string; buffer?: object };
}

export type Item = { id: number; [name: string]: unknown };
export const items = (from: number, to: number): Item[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ id: from + i }));
export const ids = (batch: readonly Item[]): number[] => batch.map(({ id }) => id);

/** A processor that settles when it is told to. */
export class Gate {
  readonly calls: { batch: Item[]; context: ProcessorContext; done: () => void; fail: (error: unknown) => void }[] = [];
  readonly processor = (batch: Item[], context: ProcessorContext): Promise<void> =>
    new Promise((done, fail) => {
      this.calls.push({ batch, context, done, fail });
    });
}

/** What is told of an event from now on. */
export function told(queue: PartitionedQueue<Item>, event: keyof PartitionedEvents): object[] {
  const details: object[] = [];
  (queue as { on(name: string, fn: (detail: object) => void): unknown }).on(event, (detail) => details.push(detail));
  return details;
}

export class PartitionedQueueSubject {
  readonly home: Home;
  /** Of the queue that was started last. */
  clock!: ManualClock;
  readonly #started: PartitionedQueue<Item>[] = [];

  /** Registers a hook that stops what a test has started. */
  constructor(home: Home) {
    this.home = home;
    afterEach(async () => {
      await Promise.all(this.#started.splice(0).map((queue) => queue.stop({ timeout: 0 })));
    });
  }

  /** Starts a queue of one partition, unless it is told otherwise. */
  async start(options: Partial<PartitionedQueueOptions<Item>>): Promise<PartitionedQueue<Item>> {
    this.clock = new ManualClock();
    const queue = await PartitionedQueue.start<Item>({
      ...{ partitions: 1, clock: this.clock, processor: () => {} },
      ...this.home.options(),
      ...options,
    });
    this.#started.push(queue);
    return queue;
  }

  /** The same, with a processor that keeps the ids of its batches. */
  async collecting(
    options: Partial<PartitionedQueueOptions<Item>>,
  ): Promise<{ queue: PartitionedQueue<Item>; batches: number[][] }> {
    const batches: number[][] = [];
    const queue = await this.start({ processor: (batch) => void batches.push(ids(batch)), ...options });
    return { queue, batches };
  }
}
