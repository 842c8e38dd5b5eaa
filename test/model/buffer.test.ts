/**
 * Random calls on a buffer and on a plain Map that stands for it: they must never differ. Reproduce a failure with
 * MMCB_SEED=<seed>; search longer with MMCB_RUNS=<number>.
 */
import { describe, expect, it } from 'vitest';
import { type BatchOperation, CompactableBuffer, MmcbError } from '../../src/index.js';
import { type Backend, backends } from '../support/backends.js';
import { type Random, withSeeds } from '../support/random.js';
import { removeTempFile } from '../support/temp.js';

const weights = {
  add: 30,
  update: 25,
  remove: 15,
  batch: 8,
  failedBatch: 2,
  read: 15,
  stale: 4,
  iterate: 2,
  view: 3,
  flush: 1,
  compact: 2,
  verify: 1,
  reopen: 2,
};

class Run {
  readonly #model = new Map<number, Buffer>();
  readonly #stale = new Set<number>();

  constructor(
    readonly random: Random,
    readonly backend: Backend,
    readonly path: string,
    public buffer: CompactableBuffer,
  ) {}

  async step(): Promise<void> {
    await this[this.random.weighted(weights)]();
  }

  add(): void {
    const data = this.random.bytes();
    this.#added(this.buffer.add(data), data);
  }

  update(): void {
    if (this.#model.size === 0) return;
    const address = this.#any();
    const data = this.#next(this.#model.get(address) as Buffer);
    this.buffer.update(address, data);
    this.#model.set(address, data);
  }

  remove(): void {
    if (this.#model.size === 0) return;
    const address = this.#any();
    this.buffer.remove(address);
    this.#removed(address);
  }

  batch(): void {
    const { operations, model } = this.#batch();
    const result = this.buffer.batch(operations);
    for (const [i, operation] of operations.entries()) {
      if (operation.type === 'add') this.#added(result[i] as number, operation.data as Buffer);
      if (operation.type === 'remove') this.#removed(operation.address);
    }
    for (const [address, data] of model) if (data !== undefined) this.#model.set(address, data);
  }

  failedBatch(): void {
    if (this.#stale.size === 0) return;
    const { operations } = this.#batch();
    operations.push({ type: 'update', address: this.random.pick([...this.#stale]), data: 'x' });
    expect(() => this.buffer.batch(operations)).toThrow(MmcbError);
  }

  read(): void {
    if (this.#model.size === 0) return;
    const address = this.#any();
    const data = this.#model.get(address) as Buffer;
    const position = this.random.int(0, data.length);
    const target = Buffer.alloc(this.random.int(0, 5_000), 1);
    const copied = this.buffer.readInto(address, target, position);
    check(copied === Math.min(target.length, data.length - position), 'the size that readInto tells');
    check(target.subarray(0, copied).equals(data.subarray(position, position + copied)), 'what readInto copies');
    this.#checkEntry(address, data);
  }

  stale(): void {
    if (this.#stale.size === 0) return;
    const address = this.random.pick([...this.#stale]);
    check(!this.buffer.has(address), 'has() of a removed address');
    expect(() => this.buffer.read(address)).toThrow(MmcbError);
    expect(() => this.buffer.update(address, 'x')).toThrow(MmcbError);
    expect(() => this.buffer.remove(address)).toThrow(MmcbError);
  }

  iterate(): void {
    const rest = new Map(this.#model);
    for (const [address, data] of this.buffer.entries()) {
      const expected = rest.get(address);
      check(expected?.equals(data) === true, `the entry ${address}, iterated`);
      rest.delete(address);
      if (this.random.chance(0.02)) this.buffer.remove(this.#removed(address));
    }
    check(rest.size === 0, 'iteration over all entries');
  }

  view(): void {
    if (this.#model.size === 0) return;
    const address = this.#any();
    const data = this.#model.get(address) as Buffer;
    check(
      this.buffer.view(address, (bytes) => data.equals(bytes)),
      'what view() lends',
    );
  }

  async flush(): Promise<void> {
    await this.#meanwhile(this.buffer.flush());
  }

  async compact(): Promise<void> {
    await this.#meanwhile(this.buffer.compact());
  }

  async verify(): Promise<void> {
    expect((await this.buffer.verify()).errors).toEqual([]);
  }

  async reopen(): Promise<void> {
    if (!this.backend.persistent) return;
    if (this.random.chance(0.5)) this.buffer.closeSync();
    else await this.buffer.close();
    const options = { ...this.backend.options, extensionFactor: this.random.pick([1, 1.3, 2]) };
    this.buffer = await CompactableBuffer.open(this.path, options);
    expect(this.buffer.recovery).toMatchObject({ status: 'clean', entries: this.#model.size, lost: 0 });
    this.checkAll();
  }

  checkAll(): void {
    const { count, dataSize } = this.buffer.stats();
    const sizes = [...this.#model.values()].reduce((sum, data) => sum + data.length, 0);
    expect({ count, dataSize }).toEqual({ count: this.#model.size, dataSize: sizes });
    for (const [address, data] of this.#model) this.#checkEntry(address, data);
    expect([...this.buffer.addresses()].sort()).toEqual([...this.#model.keys()].sort());
    for (const address of this.#stale) check(!this.buffer.has(address), 'has() of a removed address');
  }

  /** Does some more while `work` goes on. */
  async #meanwhile(work: Promise<unknown>): Promise<void> {
    const calls = ['add', 'update', 'remove', 'batch', 'read'] as const;
    for (let i = this.random.int(0, 5); i > 0; i--) this[this.random.pick(calls)]();
    await work;
  }

  #batch(): { operations: BatchOperation[]; model: Map<number, Buffer | undefined> } {
    const operations: BatchOperation[] = [];
    const model = new Map<number, Buffer | undefined>();
    for (let i = this.random.int(1, 20); i > 0; i--) {
      const address = this.#model.size === 0 || this.random.chance(0.4) ? undefined : this.#any();
      // What an earlier operation of this batch has removed is gone for later ones.
      if (address === undefined || (model.has(address) && model.get(address) === undefined)) {
        operations.push({ type: 'add', data: this.random.bytes() });
      } else if (this.random.chance(0.6)) {
        const data = this.random.bytes();
        operations.push({ type: 'update', address, data });
        model.set(address, data);
      } else {
        operations.push({ type: 'remove', address });
        model.set(address, undefined);
      }
    }
    return { operations, model };
  }

  #any(): number {
    return this.random.pick([...this.#model.keys()]);
  }

  /** Often about as large as before, so that updates happen in place too. */
  #next(before: Buffer): Buffer {
    return this.random.chance(0.6)
      ? this.random.bytes(Math.round(before.length * (0.5 + this.random.next())))
      : this.random.bytes();
  }

  #added(address: number, data: Buffer): void {
    check(!this.#model.has(address) && !this.#stale.has(address), 'a new address for a new entry');
    this.#model.set(address, data);
  }

  #removed(address: number): number {
    this.#model.delete(address);
    this.#stale.add(address);
    return address;
  }

  #checkEntry(address: number, data: Buffer): void {
    check(this.buffer.has(address), `has(${address})`);
    check(this.buffer.read(address).equals(data), `read(${address})`);
  }
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`wrong: ${what}`);
}

describe.each(backends)('random calls on a buffer in $name', (backend) => {
  it('do what they do to a Map', { timeout: 600_000 }, async () => {
    await withSeeds(150, async (random) => {
      const path = backend.path();
      const run = new Run(random, backend, path, await CompactableBuffer.open(path, backend.options));
      for (let i = random.int(20, 120); i > 0; i--) await run.step();
      run.checkAll();
      await run.reopen();
      await run.verify();
      await run.buffer.close();
      removeTempFile(path);
    });
  });
});
