/** The queue that a test of the contract is about: a new one for each. */
import { afterEach, beforeEach } from 'vitest';
import { DelayQueue, type DelayQueueOptions } from '../../../src/index.js';
import type { Backend } from '../../support/backends.js';
import { ManualClock } from '../../support/manual-clock.js';

type Options = Omit<DelayQueueOptions<unknown>, 'delay'> & { delay?: number };

export const keysOf = (items: readonly { key: string }[]): string[] => items.map(({ key }) => key);
export const pairs = (items: readonly { key: string; value: unknown }[]): unknown[] =>
  items.map(({ key, value }) => [key, value]);

export class DelayQueueSubject {
  readonly backend: Backend;
  clock!: ManualClock;
  /** With a delay of 1000 ms, until a test puts another one here. */
  queue!: DelayQueue;
  #path = '';
  readonly #opened: DelayQueue[] = [];

  /** Registers the hooks that make a queue before each test, and close what was opened. */
  constructor(backend: Backend) {
    this.backend = backend;
    beforeEach(async () => {
      this.clock = new ManualClock();
      this.queue = await this.fresh({});
    });
    afterEach(async () => {
      await Promise.all(this.#opened.splice(0).map((one) => one.close()));
    });
  }

  /** Opens the file of the test once more. */
  async open(options: Options = {}): Promise<DelayQueue> {
    const { clock } = this;
    const made = await DelayQueue.open(this.#path, { ...this.backend.options, delay: 1000, clock, ...options });
    this.#opened.push(made);
    return made;
  }

  /** Opens a new file, which is that of the test from then on. */
  fresh(options: Options): Promise<DelayQueue> {
    this.#path = this.backend.path();
    return this.open(options);
  }
}
