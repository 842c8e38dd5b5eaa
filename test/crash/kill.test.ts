/**
 * kill -9: a child writes in every way there is, and is killed at a random moment, again and again on the same file. After
 * each kill every operation that returned is there, byte for byte; the one under way is there wholly or not at all; the
 * file verifies. MMCB_KILLS sets the number of kills, MMCB_SEED the seed (what the children do, and when they are killed
 * as far as that can be repeated). On failure the file and the log of the last child are kept, and named.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type BufferOptions, CompactableBuffer } from '../../src/index.js';
import { Random } from '../support/random.js';
import { tempFolder } from '../support/temp.js';
import { type Log, readLog } from './log.mjs';
import { contents, Model } from './model.js';

const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
const kills = Number(process.env['MMCB_KILLS'] ?? 240);
const program = fileURLToPath(new URL('./child.mjs', import.meta.url));

interface Setting {
  name: string;
  options: BufferOptions;
  /** Bytes of the largest values. */
  largest: number;
}

const small = { initialSize: 65_536, segmentSize: 65_536 };
const settings: Setting[] = [
  {
    name: "durability 'process', compaction all the time",
    options: { ...small, durability: 'process', syncInterval: 30, compaction: { policy: 'time', interval: 3 } },
    largest: 150_000, // more than a segment
  },
  {
    name: "durability 'interval', a sync point every 5 ms, compaction by 'space'",
    options: { ...small, durability: 'interval', syncInterval: 5, compaction: { policy: 'space', checkInterval: 5 } },
    largest: 150_000,
  },
  {
    name: "durability 'interval', as it comes",
    options: { durability: 'interval' },
    largest: 60_000,
  },
  {
    name: "durability 'process', as it comes",
    options: { durability: 'process', extensionFactor: 2 },
    largest: 60_000,
  },
];

const totals = { kills: 0, whileOpening: 0, insideAnOperation: 0, ofThoseDone: 0, operations: 0 };

afterAll(() => {
  const { kills, whileOpening, insideAnOperation, ofThoseDone, operations } = totals;
  console.log(
    `kill -9: ${kills} kills (${whileOpening} before the file was open, ${insideAnOperation} inside an operation, which ` +
      `${ofThoseDone} times was there afterwards), ${operations} acknowledged operations checked; seed ${seed}`,
  );
});

describe(`kill -9 at random moments (MMCB_SEED=${seed})`, () => {
  it.each(settings.map((setting, index) => ({ ...setting, index })))(
    '$name',
    async ({ index, ...setting }) => {
      const chain = new Chain(setting, new Random(seed * 10 + index));
      await chain.run(Math.ceil(kills / settings.length));
    },
    600_000,
  );
});

/** Kill after kill on one file. */
class Chain {
  readonly #folder = tempFolder();
  readonly #file = join(this.#folder, 'store.mmcb');
  readonly #log = join(this.#folder, 'operations.log');
  #model = new Model();

  constructor(
    readonly setting: Setting,
    readonly random: Random,
  ) {}

  async run(count: number): Promise<void> {
    // The next child starts up while the present one works.
    let next = new Child();
    try {
      for (let generation = 0; generation < count; generation++) {
        const child = next;
        next = new Child();
        try {
          await this.#kill(child, generation);
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

  async #kill(child: Child, generation: number): Promise<void> {
    const { random } = this;
    const { options, largest } = this.setting;
    const firstId = 1 + generation * 10_000_000;
    const before = this.#model.size;
    rmSync(this.#log, { force: true });
    child.start({ file: this.#file, log: this.#log, seed: random.int(0, 2 ** 31), options, firstId, largest });
    // One in ten is killed while it opens the file, which for most means: while it recovers it.
    if (random.chance(0.9)) {
      await child.opened(this.#log);
      await grown(this.#log, random.int(0, 60_000), 500);
    } else await delay(random.next() * 60);
    await child.kill();

    const log = readLog(this.#log);
    if (log.opened !== undefined && log.opened.entries !== before) {
      throw new Error(`the child found ${log.opened.entries} entries, there should be ${before}`);
    }
    for (const { operation, result } of log.done) this.#model.apply(operation, result ?? []);
    totals.kills++;
    totals.operations += log.done.length;
    if (log.opened === undefined) totals.whileOpening++;
    if (log.open !== undefined) totals.insideAnOperation++;
    if (!existsSync(this.#file)) {
      expect(log.opened).toBeUndefined();
      return;
    }
    // One in three is only looked at, so that it is the next child that recovers the file.
    if (random.chance(0.33)) await this.#check(log, { readOnly: true });
    await this.#check(log, random.chance(0.5) ? options : { ...options, compaction: { policy: 'disabled' } });
  }

  async #check(log: Log, options: BufferOptions): Promise<void> {
    const buffer = await CompactableBuffer.open(this.#file, options);
    try {
      const { recovery } = buffer;
      expect(recovery).toMatchObject({ lost: 0, quarantined: 0, discarded: 0, damage: [] });
      const possible = log.opened === undefined ? ['created', 'clean', 'replayed'] : ['replayed'];
      expect(possible).toContain(recovery.status);
      const stored = contents(buffer);
      let differences = this.#model.differences(stored);
      if (log.open !== undefined && differences.length > 0) {
        const other = this.#model.with(log.open, stored);
        const others = other.differences(stored);
        if (others.length === 0) {
          this.#model = other;
          totals.ofThoseDone++;
          differences = [];
        } else differences.push(`or, if ${JSON.stringify(log.open).slice(0, 400)} was done:`, ...others);
      }
      log.open = undefined; // settled: whoever looks next must find the same
      if (differences.length > 0) throw new Error(differences.slice(0, 40).join('\n'));
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
    const kept = mkdtempSync(join(tmpdir(), 'mmcb-kill-'));
    for (const [path, name] of [
      [this.#file, 'store.mmcb'],
      [this.#log, 'operations.log'],
    ] as const) {
      if (existsSync(path)) renameSync(path, join(kept, name));
    }
    const message = cause instanceof Error ? cause.message : String(cause);
    const where = `kill ${generation + 1} of the chain, seed ${seed} (MMCB_SEED=${seed}); file (as of now) and log: ${kept}`;
    return new Error(`${where}\n${message}`, { cause });
  }
}

/** Waits until a file has this many bytes, but not for ever: how much a child gets done depends on the machine. */
async function grown(file: string, size: number, milliseconds: number): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (statSync(file).size < size && Date.now() < deadline) await delay(1);
}

class Child {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  #output = '';
  #killed = false;

  constructor() {
    this.#process = spawn(process.execPath, [program], { stdio: ['pipe', 'ignore', 'pipe'] });
    this.#process.stderr?.on('data', (text) => {
      this.#output += text;
    });
    this.#process.stdin?.on('error', () => {}); // it is gone: its exit says why
    this.#exit = once(this.#process, 'close');
  }

  start(task: object): void {
    this.#process.stdin?.write(`${JSON.stringify(task)}\n`);
  }

  async opened(log: string): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (this.#process.exitCode === null && readLog(log).opened === undefined) {
      if (Date.now() > deadline) throw new Error('the child did not open the file within 20 seconds');
      await delay(1);
    }
  }

  /** Kills it; an error if it had ended before, because it never does. */
  async kill(): Promise<void> {
    if (this.#killed) return;
    this.#killed = true;
    this.#process.kill('SIGKILL');
    await this.#exit;
    const { exitCode, signalCode } = this.#process;
    if (signalCode !== 'SIGKILL') {
      throw new Error(`the child ended by itself (exit code ${exitCode}, signal ${signalCode}):\n${this.#output}`);
    }
  }
}
