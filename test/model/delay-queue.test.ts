/** Random calls on a DelayQueue and on a plain model of it, under a clock that the test moves; see buffer.test.ts. */
import { describe, expect, it } from 'vitest';
import { DelayQueue, type Lease, MmcbError, StoreAllError } from '../../src/index.js';
import { type Backend, backends } from '../support/backends.js';
import { ManualClock } from '../support/manual-clock.js';
import { type Random, withSeeds } from '../support/random.js';
import { removeTempFile } from '../support/temp.js';
import { type ModelLease, ModelQueue, type ModelSettings } from './delay-queue-model.js';

const weights = {
  store: 40,
  storeAll: 5,
  retrieve: 6,
  lease: 12,
  settle: 14,
  advance: 14,
  delete: 2,
  setBack: 0.5,
  reopen: 2,
};

const settings = (random: Random): ModelSettings => ({
  delay: random.pick([0, 10, 100]),
  maxKeys: random.pick([3, 8, Number.POSITIVE_INFINITY]),
  ttl: random.pick([60, 500, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]),
  dedupeFor: random.pick([0, 50, Number.POSITIVE_INFINITY]),
  timer: random.pick(['first', 'last']),
  maxWait: random.pick([150, Number.POSITIVE_INFINITY]),
  merges: random.chance(0.5),
});

class Run {
  readonly clock = new ManualClock();
  /** The model's time: it never goes back. */
  readonly model: ModelQueue;
  #leases: [Lease<number[]>, ModelLease][] = [];
  #value = 0;
  queue!: DelayQueue<number[]>;

  constructor(
    readonly random: Random,
    readonly backend: Backend,
    readonly path: string,
  ) {
    this.model = new ModelQueue(settings(random), this.clock.now());
  }

  async open(): Promise<void> {
    const { merges, ...rest } = this.model.settings;
    const merge = (a: number[], b: number[]): number[] => [...a, ...b];
    this.queue = await DelayQueue.open<number[]>(this.path, {
      ...this.backend.options,
      ...rest,
      ...(merges ? { merge } : {}),
      clock: this.clock,
    });
  }

  async step(): Promise<void> {
    await this[this.random.weighted(weights)]();
    this.model.settle();
    expect(this.queue.size).toBe(this.model.size);
    const due = this.model.nextDue;
    expect(this.queue.nextDue).toBe(due === undefined ? undefined : due - (this.model.now - this.clock.now()));
  }

  /** An item of one of a few keys. */
  #item(): { key: string; value: number[]; uniqueId: string | undefined; delay: number | undefined } {
    const { random } = this;
    const key = random.pick([
      'a',
      'b',
      'c',
      'd',
      'e',
      'schlüssel',
      '東京',
      '',
      'x'.repeat(100),
      `n${random.int(0, 30)}`,
    ]);
    const value = [this.#value++];
    const uniqueId = random.pick([undefined, undefined, 'id 1', 'id 2', 'ид']);
    const delay = random.pick([undefined, undefined, 0, 35, 200]);
    return { key, value, uniqueId, delay };
  }

  store(): void {
    const item = this.#item();
    this.model.settle();
    const expected = this.model.store(item.key, item.value, item.uniqueId, item.delay);
    try {
      expect(this.queue.store(item)).toBe(expected);
    } catch (error) {
      if (!(error instanceof MmcbError && error.code === 'MMCB_QUEUE_FULL')) throw error;
      expect(expected).toBe('full');
    }
  }

  storeAll(): void {
    const items = Array.from({ length: this.random.pick([0, 1, 3, 10, 100]) }, () => this.#item());
    this.model.settle();
    let stored = 0;
    let full: number | undefined;
    for (const [i, { key, value, uniqueId, delay }] of items.entries()) {
      const result = this.model.store(key, value, uniqueId, delay);
      if (result === 'full') {
        full = i;
        break;
      }
      if (result) stored += 1;
    }
    try {
      expect(this.queue.storeAll(items)).toBe(stored);
      expect(full).toBeUndefined();
    } catch (error) {
      if (!(error instanceof StoreAllError && error.code === 'MMCB_QUEUE_FULL')) throw error;
      expect(error.index).toBe(full);
    }
  }

  retrieve(): void {
    const limit = this.random.pick([0, 1, 2, 3, 4, 5, 6, 100]);
    this.model.settle();
    expect(this.queue.retrieve(limit)).toEqual(this.model.retrieve(limit));
  }

  lease(): void {
    const [limit, timeout] = [this.random.int(1, 4), this.random.pick([20, 90, 1000])];
    this.model.settle();
    const expected = this.model.lease(limit, timeout);
    const leases = this.queue.lease(limit, { timeout });
    expect(leases.map(({ key, value, updates, attempt }) => ({ key, value, updates, attempt }))).toEqual(
      expected.map(({ item: { key, value, updates }, attempt }) => ({ key, value, updates, attempt })),
    );
    for (const [i, lease] of leases.entries()) this.#leases.push([lease, expected[i] as ModelLease]);
  }

  /** Acknowledges, or gives back, one of those that were leased; sometimes again, sometimes too late. */
  settle(): void {
    if (this.#leases.length === 0) return;
    const index = this.random.int(0, this.#leases.length - 1);
    const [lease, expected] = this.#leases[index] as [Lease<number[]>, ModelLease];
    if (this.random.chance(0.8)) this.#leases.splice(index, 1);
    this.model.settle();
    if (this.random.chance(0.6)) expect(lease.ack()).toBe(this.model.ack(expected));
    else {
      const delay = this.random.pick([undefined, 0, 40]);
      expect(lease.nack(delay === undefined ? undefined : { delay })).toBe(this.model.nack(expected, delay));
    }
  }

  async advance(): Promise<void> {
    const ms = this.random.pick([1, 5, 10, 40, 100, 300]);
    this.clock.time += ms;
    this.model.now += ms;
  }

  delete(): void {
    const key = this.random.pick(['a', 'b', '東京']);
    this.model.settle();
    expect(this.queue.delete(key)).toBe(this.model.delete(key));
  }

  setBack(): void {
    expect(this.queue.size).toBe(this.model.size); // the queue has seen the time before
    this.clock.time -= this.random.int(1, 10_000);
  }

  async reopen(): Promise<void> {
    if (!this.backend.persistent || this.clock.now() !== this.model.now) return;
    await this.queue.close();
    this.#leases = []; // of the queue before
    await this.open();
  }

  async end(): Promise<void> {
    for (let i = 0; i < 5; i++) {
      this.clock.time += 2000;
      this.model.now += 2000;
      this.model.settle();
      this.retrieve();
    }
    expect(await this.queue.buffer.verify()).toMatchObject({ ok: true });
    await this.queue.close();
    removeTempFile(this.path);
  }
}

describe('random calls on a DelayQueue', () => {
  it.each(backends)('in $name do what they do to the model', { timeout: 600_000 }, async (backend) => {
    await withSeeds(backend.persistent ? 150 : 1000, async (random) => {
      const run = new Run(random, backend, backend.path());
      await run.open();
      for (let i = random.int(20, 150); i > 0; i--) await run.step();
      await run.end();
    });
  });
});
