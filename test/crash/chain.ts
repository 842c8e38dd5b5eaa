/** Kill after kill on one file, and what must hold after each: see kill.test.ts. */
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { type BufferOptions, CompactableBuffer } from '../../src/index.js';
import type { Random } from '../support/random.js';
import { keepFiles, tempFolder } from '../support/temp.js';
import { Child, type Moment } from './child.js';
import { type Log, type Operation, readLog } from './log.mjs';
import { contents, Model } from './model.js';

export interface Setting {
  name: string;
  options: BufferOptions;
  /** Bytes of the largest values. */
  largest: number;
  /** Worker threads that write; 0: the main thread does. */
  workers: number;
}

/** Killed from outside at a random time, and not in the middle of something. */
interface Unaimed {
  type: 'random' | 'opening';
}

export class Totals {
  kills = 0;
  whileOpening = 0;
  insideAnOperation = 0;
  insideSeveral = 0;
  ofThoseDone = 0;
  operations = 0;
  readonly moments: Record<string, number> = {};

  toString(): string {
    const moments = Object.entries(this.moments).map(([name, count]) => `${name} ${count}`);
    return (
      `${this.kills} kills (${this.whileOpening} before the file was open, ${this.insideAnOperation} inside an operation, ` +
      `${this.insideSeveral} inside those of several threads; ${this.ofThoseDone} such operations were there afterwards; ` +
      `aimed at: ${moments.join(', ')}), ${this.operations} acknowledged operations checked`
    );
  }
}

/** Moments, how often (of all kills in a hundred), and microseconds that they take at most. */
const moments: Record<string, [weight: number, microseconds: number]> = {
  random: [40, 0],
  opening: [6, 0],
  open: [6, 3000],
  compact: [10, 3000],
  flush: [6, 2000],
  close: [4, 3000],
  batch: [10, 300],
  ints: [4, 300],
  hot: [5, 100],
  add: [3, 100],
  remove: [3, 100],
  string: [3, 100],
};
const weights = Object.fromEntries(Object.entries(moments).map(([name, [weight]]) => [name, weight]));

export class Chain {
  readonly #folder = tempFolder();
  readonly #file = join(this.#folder, 'store.mmcb');
  readonly #log = join(this.#folder, 'operations.log');
  readonly #lanes: number;
  #model = new Model();

  constructor(
    readonly setting: Setting,
    readonly random: Random,
    readonly seed: number,
    readonly totals: Totals,
  ) {
    this.#lanes = Math.max(1, setting.workers);
  }

  async run(count: number): Promise<void> {
    // The next child starts up while the present one works.
    const { workers } = this.setting;
    let nextMoment = this.#moment();
    let next = new Child({ workers, kills: 'after' in nextMoment });
    try {
      for (let generation = 0; generation < count; generation++) {
        const [child, moment] = [next, nextMoment];
        nextMoment = this.#moment();
        next = new Child({ workers, kills: 'after' in nextMoment });
        try {
          await this.#kill(child, moment, generation);
        } catch (cause) {
          throw this.#failure(cause, generation);
        } finally {
          await child.kill();
        }
      }
    } finally {
      await next.kill();
    }
  }

  /** The logs of the threads that write. */
  #logs(): string[] {
    if (this.setting.workers === 0) return [`${this.#log}.0`];
    return Array.from({ length: this.#lanes }, (_, i) => `${this.#log}.${i + 1}`);
  }

  #moment(): Moment | Unaimed {
    const { random } = this;
    const type = random.weighted(weights as Record<string, number>);
    if (type === 'random' || type === 'opening') return { type };
    // With workers the file is closed by the last of them, which does not come to that.
    if (type === 'close' && this.setting.workers > 0) return { type: 'random' };
    const background = type === 'compact' || type === 'flush' || type === 'close';
    const [, microseconds] = moments[type] as [number, number];
    return { type, after: random.int(0, background ? 12 : 300), delay: random.int(0, microseconds) };
  }

  async #kill(child: Child, moment: Moment | Unaimed, generation: number): Promise<void> {
    const { random, totals } = this;
    const { options, largest } = this.setting;
    for (const log of [`${this.#log}.0`, ...this.#logs()]) rmSync(log, { force: true });
    const { addresses } = this.#model;
    const tasks = Array.from({ length: this.#lanes }, (_, lane) => ({
      seed: random.int(0, 2 ** 31),
      firstId: 1 + (generation * this.#lanes + lane) * 1_000_000,
      largest,
      lane,
      lanes: this.#lanes,
      addresses: addresses.filter((_, i) => i % this.#lanes === lane),
    }));
    totals.moments[moment.type] = (totals.moments[moment.type] ?? 0) + 1;
    const isAimed = 'after' in moment;
    child.start({ file: this.#file, log: this.#log, options, tasks, ...(isAimed ? { moment } : {}) });
    if (isAimed) await child.ended(5000);
    else if (moment.type === 'opening') await delay(random.next() * 25);
    else {
      await child.opened(`${this.#log}.0`);
      await grown(this.#logs()[0] as string, random.int(0, 25_000), 300);
    }
    await child.kill();
    child.expectKilled();
    await this.#checkAll();
  }

  async #checkAll(): Promise<void> {
    const { random, totals } = this;
    const { options } = this.setting;
    const { opened } = readLog(`${this.#log}.0`);
    const logs = this.#logs().map(readLog);
    const before = this.#model.size;
    if (opened !== undefined && opened.entries !== before) {
      throw new Error(`the child found ${opened.entries} entries, there should be ${before}`);
    }
    for (const { done } of logs) {
      for (const { operation, result } of done) this.#model.apply(operation, result ?? []);
      totals.operations += done.length;
    }
    const open = logs.map((log: Log) => log.open).filter((operation) => operation !== undefined);
    totals.kills++;
    if (opened === undefined) totals.whileOpening++;
    if (open.length > 0) totals.insideAnOperation++;
    if (open.length > 1) totals.insideSeveral++;
    if (!existsSync(this.#file)) {
      expect(opened).toBeUndefined();
      return;
    }
    // One in three is only looked at, so that it is the next child that recovers the file.
    if (random.chance(0.33) && opened !== undefined) await this.#check(open, { readOnly: true });
    else await this.#check(open, random.chance(0.5) ? options : { ...options, compaction: { policy: 'disabled' } });
  }

  async #check(open: Operation[], options: BufferOptions): Promise<void> {
    const buffer = await CompactableBuffer.open(this.#file, options);
    try {
      const { recovery } = buffer;
      expect(recovery).toMatchObject({ lost: 0, quarantined: 0, discarded: 0, damage: [] });
      expect(['created', 'clean', 'replayed']).toContain(recovery.status);
      const stored = contents(buffer);
      let differences = this.#model.differences(stored);
      for (const operation of open) {
        if (differences.length === 0) break;
        // They concern different entries: what makes fewer of them differ has happened.
        const other = this.#model.with(operation, stored);
        const others = other.differences(stored);
        if (others.length >= differences.length) continue;
        this.#model = other;
        this.totals.ofThoseDone++;
        differences = others;
      }
      if (differences.length > 0) {
        const inFlight = open.map((operation) => JSON.stringify(operation).slice(0, 400));
        throw new Error([...differences.slice(0, 40), 'in flight:', ...inFlight].join('\n'));
      }
      expect(recovery.entries).toBe(this.#model.size);
      const { ok, errors, entries } = await buffer.verify();
      expect({ ok, errors }).toEqual({ ok: true, errors: [] });
      expect(entries).toBe(this.#model.size);
    } finally {
      await buffer.close();
    }
  }

  /** Keeps what is needed to look into it. */
  #failure(cause: unknown, generation: number): Error {
    const kept = keepFiles('mmcb-kill-', [this.#file, `${this.#log}.0`, ...this.#logs()]);
    const message = cause instanceof Error ? cause.message : String(cause);
    const where = `kill ${generation + 1} of the chain, MMCB_SEED=${this.seed}; file (as of now) and logs: ${kept}`;
    return new Error(`${where}\n${message}`, { cause });
  }
}

/** Waits until a file has this many bytes, but not for ever: how much a child gets done depends on the machine. */
async function grown(file: string, size: number, milliseconds: number): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while ((!existsSync(file) || statSync(file).size < size) && Date.now() < deadline) await delay(1);
}
