/**
 * Power cuts of an unmodified Node with the addon that ships. A shim (power-cut/shim.c) keeps what the disk would hold:
 * pages written back at random, fdatasync, sizes and holes in order; at a random moment it leaves an image of that and kills
 * the process. The image is opened, compared with the log of what the process had done, and handed to the next one.
 *
 *   durability 'interval'  exactly the state after some operation, none older than the last sync point that the process
 *                          was told of; and the file verifies
 *   durability 'process'   whatever is there was written there, and the report says 'salvaged'
 *   another boot           an honest power cut
 *   the same boot          an image that only looks like the end of a process, as a copy of a file in use does: the digest
 *                          has to notice
 *
 * MMCB_CUTS sets the number of cuts, MMCB_SEED the seed (what the children do, at which sync the power fails and what gets
 * to the disk, as far as that can be repeated with threads). On failure the file and the log are kept, and named.
 */
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BufferOptions, CompactableBuffer, MmcbError, type RecoveryReport } from '../../src/index.js';
import { decodeSuperblock, SUPERBLOCK_OFFSETS, SUPERBLOCK_SIZE } from '../../src/inspect/format.js';
import { Random } from '../support/random.js';
import { keepFiles, tempFolder } from '../support/temp.js';
import { type Log, readLog } from './log.mjs';
import { contents, Model, type Ref } from './model.js';
import { type Cut, CutChild } from './power-cut/child.js';
import { findPrefix, History, type Prefix } from './power-cut/prefix.js';
import { buildShim } from './power-cut/shim.js';

const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
const cuts = Number(process.env['MMCB_CUTS'] ?? 320);

/** Cuts of one file. */
const GENERATIONS = 25;

interface Setting {
  name: string;
  options: BufferOptions;
  /** Every process runs in the same boot of the machine. */
  sameBoot: boolean;
  /** Of all cuts. */
  share: number;
  /** Bytes of the largest values. */
  largest: number;
  lies?: boolean;
}

const small = { initialSize: 65_536, segmentSize: 65_536, syncInterval: 4 };
const settings: Setting[] = [
  {
    name: "'interval', compaction all the time, another boot",
    options: { ...small, durability: 'interval', compaction: { policy: 'time', interval: 3 } },
    sameBoot: false,
    share: 0.35,
    largest: 100_000, // more than a segment
  },
  {
    name: "'interval', compaction by 'space', the same boot",
    options: { ...small, durability: 'interval', compaction: { policy: 'space', checkInterval: 5 } },
    sameBoot: true,
    share: 0.25,
    largest: 100_000,
  },
  {
    name: "'interval', segments of 2 MiB, another boot",
    options: { durability: 'interval', syncInterval: 5 },
    sameBoot: false,
    share: 0.1,
    largest: 60_000,
  },
  {
    name: "'process', compaction all the time, another boot",
    options: { ...small, durability: 'process', compaction: { policy: 'time', interval: 3 } },
    sameBoot: false,
    share: 0.15,
    largest: 100_000,
  },
  {
    name: "'process', compaction by 'space', the same boot",
    options: { ...small, durability: 'process', compaction: { policy: 'space', checkInterval: 5 } },
    sameBoot: true,
    share: 0.15,
    largest: 100_000,
  },
];

const totals = {
  cuts: 0,
  whileOpening: 0,
  insideASync: 0,
  sizeChanged: 0,
  pagesLost: 0,
  pagesTorn: 0,
  operations: 0,
  undone: 0,
  refused: 0,
  statuses: new Map<string, number>(),
};

let shim = '';
beforeAll(() => {
  shim = buildShim();
});

afterAll(() => {
  const { cuts, whileOpening, insideASync, sizeChanged, pagesLost, pagesTorn, operations, undone, refused, statuses } =
    totals;
  const opened = [...statuses].map(([status, count]) => `${count} ${status}`).join(', ');
  console.log(
    `power cuts under Node: ${cuts} (${whileOpening} before the file was open, ${insideASync} inside an fdatasync, ` +
      `${sizeChanged} with changes of size or holes under way), ${pagesLost} pages lost and ${pagesTorn} torn; ` +
      `${operations} operations, ${undone} of them undone; opened as: ${opened}, ${refused} refused; seed ${seed}`,
  );
});

// The shim knows Linux. Elsewhere the simulated disk of the native tests says the same of the same engine.
describe.runIf(process.platform === 'linux')(`power cuts of a Node process (MMCB_SEED=${seed})`, () => {
  it.each(settings.map((setting, index) => ({ ...setting, index })))(
    '$name',
    async ({ index, ...setting }) => {
      await new Chain(setting, seed * 10 + index).run(Math.ceil(cuts * setting.share));
    },
    600_000,
  );

  // A test of the test: as from an engine that forgets its syncs.
  it('a disk that lies about fdatasync is found out', async () => {
    const [setting] = settings as [Setting];
    const chain = new Chain({ ...setting, lies: true }, seed * 10 + 9);
    const error: unknown = await chain.run(60, false).catch((reason) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).not.toMatch(/no cut|ended by itself/);
    console.log(`a disk that lies about fdatasync: found out after ${chain.count} cuts`);
  });
});

/** Cut after cut on one file. */
class Chain {
  readonly #folder = tempFolder();
  readonly #file = join(this.#folder, 'store.mmcb');
  readonly #copy = join(this.#folder, 'copy.mmcb');
  readonly #log = join(this.#folder, 'operations.log');
  readonly #random: Random;
  #history = new History();
  #model = new Model();
  #last: Cut | undefined;
  /** What became of each cut, for whoever looks into a failure. */
  readonly #trail: string[] = [];
  /** Images since the last one that was as of a sync point, and what they were judged by. */
  #replayed: { before: Model; log: Log }[] = [];
  /** The file has been opened, so an image must be a store. */
  #isCreated = false;
  #isDamaged = false;
  count = 0;

  constructor(
    readonly setting: Setting,
    chainSeed: number,
  ) {
    this.#random = new Random(chainSeed);
  }

  async run(count: number, keep = true): Promise<void> {
    // The next child starts up while the present one works.
    let next = this.#child(0);
    try {
      for (this.count = 1; this.count <= count; this.count++) {
        const child = next;
        next = this.#child(this.count);
        if (this.count % GENERATIONS === 0) this.#startOver();
        try {
          await this.#cut(child);
        } catch (cause) {
          throw keep ? this.#failure(cause) : cause;
        } finally {
          await child.kill();
        }
      }
    } finally {
      await next.kill();
    }
  }

  /** With a new file, which grows from nothing. */
  #startOver(): void {
    rmSync(this.#file, { force: true });
    this.#model = new Model();
    this.#history = new History();
    this.#replayed = [];
    this.#isCreated = false;
    this.#isDamaged = false;
  }

  #child(number: number): CutChild {
    const { sameBoot, lies } = this.setting;
    return new CutChild({
      shim,
      file: this.#file,
      disk: join(this.#folder, `disk-${number % 2}`),
      report: join(this.#folder, `cut-${number}.json`),
      seed: this.#random.int(0, 2 ** 31),
      bootId: sameBoot ? undefined : `00000000-0000-4000-8000-${String(number + 1).padStart(12, '0')}`,
      lies,
    });
  }

  async #cut(child: CutChild): Promise<void> {
    const { options, largest } = this.setting;
    rmSync(`${this.#log}.0`, { force: true });
    const seed = this.#random.int(0, 2 ** 31);
    const firstId = this.count * 10_000_000;
    const cut = await child.run({
      file: this.#file,
      log: this.#log,
      options,
      tasks: [{ seed, firstId, largest, lane: 0, lanes: 1, most: 60, perRound: 200 }],
      reopens: true,
    });
    this.#last = cut;
    const log = readLog(`${this.#log}.0`);
    if (log.opened !== undefined) expect(log.opened.entries).toBe(this.#model.size);
    for (const reopened of log.reopened) expect(reopened.status).toBe('clean');
    this.#history.add(log);
    this.#trail.push(
      `cut ${this.count}, ${cut.phase}: opened as ${log.opened?.status ?? 'nothing yet'}, ` +
        `${log.done.length} operations, ${log.durable} of them durable`,
    );
    totals.cuts++;
    totals.operations += log.done.length;
    if (log.opened === undefined) totals.whileOpening++;
    if (cut.phase !== 'afterwards') totals.insideASync++;
    if (cut.changes !== 0) totals.sizeChanged++;
    totals.pagesLost += cut.dirty - cut.written;
    totals.pagesTorn += cut.torn;
    await this.#check(log);
  }

  async #check(log: Log): Promise<void> {
    const judged = log.opened !== undefined || this.#isCreated;
    this.#isCreated = judged;
    const before = this.#model;
    let status: RecoveryReport['status'] | undefined;
    try {
      status = judged ? await this.#lookAt(before, log) : undefined;
    } catch (error) {
      if (!this.#mayBeRefused(error)) throw error;
      totals.refused++;
      this.#startOver();
      return;
    }
    if (status === undefined || this.#random.chance(0.25)) await this.#openCopy(before, log);
    // Not before the copy was judged, too.
    if (status === 'replayed') this.#replayed.push({ before, log });
    else if (status !== undefined) this.#replayed = [];
  }

  /**
   * In the same boot an unconfirmed superblock without all of its data is damage: no power cut leaves that there. (Copied while in
   * use, a file whose superblock was read before the rest does not come out like this.)
   */
  #mayBeRefused(error: unknown): boolean {
    if (!this.setting.sameBoot || !(error instanceof MmcbError) || error.code !== 'MMCB_CORRUPT') return false;
    const bytes = readFileSync(this.#file);
    const [first, second] = SUPERBLOCK_OFFSETS.map((offset, place) =>
      decodeSuperblock(bytes.subarray(offset, offset + SUPERBLOCK_SIZE), place),
    ).map(({ verdict, superblock }) => (verdict === 'valid' ? superblock : undefined));
    return (first?.sequence ?? 0) > (second?.sequence ?? 0)
      ? first?.unconfirmed === true
      : second?.unconfirmed === true;
  }

  /** Only looked at: the next child recovers it, and may be cut while it does. */
  async #lookAt(before: Model, log: Log): Promise<RecoveryReport['status']> {
    const { recovery, stored } = await this.#open(this.#file, { ...this.setting.options, readOnly: true });
    totals.statuses.set(recovery.status, (totals.statuses.get(recovery.status) ?? 0) + 1);
    const { model, count } = this.#judge(before, log, recovery, stored);
    this.#trail.push(`  the image: ${recovery.status}, as after operation ${count}`);
    totals.undone += Math.max(0, log.done.length - count);
    this.#model = model;
    return recovery.status;
  }

  /** A copy is another inode, whatever the boot: only its last sync point counts, which may be older than what was seen. */
  async #openCopy(before: Model, log: Log): Promise<void> {
    const { options } = this.setting;
    copyFileSync(this.#file, this.#copy);
    try {
      const { recovery, stored } = await this.#open(this.#copy, options);
      const { model } = this.#judge(before, log, recovery, stored);
      const again = await this.#open(this.#copy, options);
      expect(again.recovery.status).toBe('clean');
      expect(model.differences(again.stored)).toEqual([]);
    } finally {
      rmSync(this.#copy, { force: true });
    }
  }

  async #open(file: string, options: BufferOptions): Promise<{ recovery: RecoveryReport; stored: Map<Ref, Buffer> }> {
    const buffer = await CompactableBuffer.open(file, options);
    try {
      const stored = contents(buffer);
      expect(buffer.recovery.entries).toBe(stored.size);
      const { ok, errors, entries } = await buffer.verify();
      expect(entries).toBe(stored.size);
      // What a salvage has set aside is still in the file.
      if (buffer.recovery.quarantined === 0) expect({ ok, errors }).toEqual({ ok: true, errors: [] });
      return { recovery: buffer.recovery, stored };
    } finally {
      await buffer.close();
    }
  }

  /** What the file holds, as a model; throws if it must not hold that. */
  #judge(before: Model, log: Log, recovery: RecoveryReport, stored: Map<Ref, Buffer>): Prefix {
    const { options, sameBoot } = this.setting;
    const possible = ['clean', options.durability === 'process' ? 'salvaged' : 'rolled back'];
    if (sameBoot) possible.push('replayed');
    if (!this.#isCreated) possible.push('created');
    expect(possible).toContain(recovery.status);
    const isSalvaged = recovery.status === 'salvaged';
    expect(isSalvaged ? 0 : recovery.lost).toBe(0);
    // What was set aside stays in the file until compaction comes that way. In a copy that looks like the end of a process,
    // versions that do not count any more may be torn, and are set aside as well.
    this.#isDamaged ||= recovery.quarantined !== 0 && (isSalvaged || recovery.status === 'replayed');
    if (!this.#isDamaged) expect(recovery).toMatchObject({ quarantined: 0, damage: [] });
    const found = isSalvaged ? this.#history.find(stored) : this.#findState(before, log, stored);
    if (Array.isArray(found)) throw new Error([`opened as '${recovery.status}'`, ...found.slice(0, 40)].join('\n'));
    return found instanceof Model ? { model: found, count: log.done.length } : found;
  }

  /**
   * What a torn copy showed that looked like the end of a process need not be on the disk as of a sync point: until there is
   * one, a power cut takes the file to before it.
   */
  #findState(before: Model, log: Log, stored: Map<Ref, Buffer>): Prefix | string[] {
    const found = findPrefix(before, log, stored);
    if (!Array.isArray(found) || log.durable !== 0) return found;
    for (const past of this.#replayed.toReversed()) {
      const older = findPrefix(past.before, past.log, stored);
      if (!Array.isArray(older)) return { model: older.model, count: 0 };
      if (past.log.durable !== 0) break;
    }
    return found;
  }

  /** Keeps what is needed to look into it. */
  #failure(cause: unknown): Error {
    const kept = keepFiles('mmcb-power-cut-', [this.#file, `${this.#log}.0`]);
    const message = cause instanceof Error ? cause.message : String(cause);
    const where = `cut ${this.count} of the chain, seed ${seed} (MMCB_SEED=${seed}); image and log: ${kept}`;
    const trail = this.#trail.slice(-16).join('\n');
    return new Error(`${where}\n${trail}\n${JSON.stringify(this.#last)}\n${message}`, { cause });
  }
}
