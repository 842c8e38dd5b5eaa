/**
 * Collecting: removes events that nobody needs any more, and gives their space back.
 *
 * Of each aggregate a beginning is removed, never a part in the middle, and of the last event removed a *rest* stays: its
 * record without data. So versions of aggregates, and the latest version of all, outlive their events, and ids of rests are
 * still known. All that belongs together is removed in one batch, which begins an era: threads that did not know of it find
 * out before they append.
 */
import { MmcbError } from '../errors.js';
import type { Version } from './event.js';
import { type Change, type EventFile, isDamage } from './event-file.js';
import { type EventIndex, NONE } from './event-index.js';
import type { Following } from './following.js';
import { RecordView } from './record.js';
import type { Snapshots } from './snapshots.js';
import { Turns } from './turns.js';

/** Changes of a batch, about. */
const BATCH = 4096;

/** What {@link EventStore.runGC} did. */
export interface CollectReport {
  /** Events that were removed. */
  collected: number;
  /** Why later events stayed: a checkpoint or a subscription had not passed them. */
  heldBy: string | undefined;
  /** Bytes of the file. */
  sizeBefore: number;
  sizeAfter: number;
  ms: number;
}

/** What may be collected. */
export interface CollectPolicy {
  /** Events before this version; undefined: those that a snapshot covers. */
  readonly before: Version | undefined;
  readonly keepAggregates: ReadonlySet<string>;
  readonly ignoreCheckpoints: boolean;
  /** The latest version that is shown: nothing behind it is collected. */
  readonly latest: Version;
  /** The position of the slowest open subscription. */
  readonly slowest: Version;
}

/** What becomes of a row that is collected. */
type Fate = 'drop' | 'rest';

/** What limits a run. */
interface Bounds {
  /** Nothing behind it is collected. */
  readonly version: Version;
  /** Why it is no later. */
  readonly heldBy: string | undefined;
  /** The version that the snapshot of an aggregate includes. */
  readonly covered: ReadonlyMap<string, Version>;
}

export class Collecting {
  readonly #file: EventFile;
  readonly #following: Following;
  readonly #snapshots: Snapshots;

  constructor(file: EventFile, following: Following, snapshots: Snapshots) {
    this.#file = file;
    this.#following = following;
    this.#snapshots = snapshots;
  }

  /** Removes events; how many, and what held others. When it is aborted, some are removed, and all is in order. */
  async run(
    policy: CollectPolicy,
    signal: AbortSignal | undefined,
    progress: (done: number, total: number) => void,
  ): Promise<{ collected: number; heldBy: string | undefined }> {
    const turns = new Turns();
    let collected = 0;
    let hasCompacted = false;
    for (;;) {
      await this.#following.refresh(() => turns.takeIfDue());
      signal?.throwIfAborted();
      const bounds = this.#bounds(policy);
      const pass = new Pass(this.#file, this.#following.index);
      let isWhole = false;
      try {
        isWhole = await this.#go(pass, policy, bounds, signal, progress);
      } catch (error) {
        // Removing takes a little space, too; where there is none, compaction may make some.
        if (hasCompacted || !isFull(error)) throw error;
        hasCompacted = true;
        await this.#file.buffer.compact({ signal });
      } finally {
        collected += pass.collected;
        if (pass.fates.size > 0) {
          this.#following.index = this.#following.index.without((row) => pass.fates.get(row) ?? 'keep');
        }
      }
      if (isWhole) return { collected, heldBy: this.#isHeld(policy, bounds) ? bounds.heldBy : undefined };
      // Another thread has begun an era: there may be other snapshots now. Or there was no space, and now there may be.
    }
  }

  /** Goes through all aggregates; false if another thread got in between. */
  async #go(
    pass: Pass,
    { before, keepAggregates }: CollectPolicy,
    bounds: Bounds,
    signal: AbortSignal | undefined,
    progress: (done: number, total: number) => void,
  ): Promise<boolean> {
    const { aggregates } = pass.index;
    const turns = new Turns();
    for (let aggregate = 0; aggregate < aggregates.size; aggregate++) {
      const id = aggregates.text(aggregate);
      const wanted = before === undefined ? (bounds.covered.get(id) ?? 0) : before - 1;
      if (wanted > 0 && !keepAggregates.has(id)) {
        if (!pass.collect(aggregate, Math.min(wanted, bounds.version))) return false;
      }
      if (!turns.isDue) continue;
      progress(aggregate, aggregates.size);
      await turns.take();
      signal?.throwIfAborted();
      this.#file.store.assertOpen();
    }
    return pass.flush();
  }

  #bounds({ ignoreCheckpoints, latest, slowest }: CollectPolicy): Bounds {
    const covered = new Map<string, Version>();
    let bound = slowest < latest ? slowest : latest;
    let heldBy = slowest < latest ? 'a subscription' : undefined;
    for (const { kind, name, bytes } of this.#file.named()) {
      if (kind === 'snapshot') covered.set(name, this.#snapshots.versionOf(bytes));
      else if (!ignoreCheckpoints && bytes.length === 8 && bytes.readDoubleLE(0) < bound) {
        bound = bytes.readDoubleLE(0);
        heldBy = `checkpoint ${name}`;
      }
    }
    return { version: bound, heldBy, covered };
  }

  /** Whether more would have been collected without what holds it. */
  #isHeld({ before }: CollectPolicy, { version, covered }: Bounds): boolean {
    if (before !== undefined) return before - 1 > version;
    for (const snapshot of covered.values()) if (snapshot > version) return true;
    return false;
  }
}

/** One pass over the aggregates: what is to be removed, a batch at a time. */
class Pass {
  readonly index: EventIndex;
  /** What has become of rows, once their batch is done. */
  readonly fates = new Map<number, Fate>();
  /** Events that were removed. */
  collected = 0;
  readonly #file: EventFile;
  readonly #view = new RecordView();
  #changes: Change[] = [];
  #planned: [row: number, fate: Fate][] = [];
  #events = 0;

  constructor(file: EventFile, index: EventIndex) {
    this.#file = file;
    this.index = index;
  }

  /** Removes the events of an aggregate up to a version; false if another thread got in between. */
  collect(aggregate: number, upTo: Version): boolean {
    const rows = this.#rowsOf(aggregate, upTo);
    for (let from = 0; from < rows.length; from += BATCH) {
      this.#plan(rows.slice(Math.max(0, from - 1), from + BATCH)); // with the rest of the part before
      if (this.#changes.length >= BATCH && !this.flush()) return false;
    }
    return true;
  }

  /** Does what is planned. */
  flush(): boolean {
    if (this.#changes.length > 0 && !this.#file.change(this.index.latest, this.#changes)) return false;
    for (const [row, fate] of this.#planned) this.fates.set(row, fate);
    this.collected += this.#events;
    this.#changes = [];
    this.#planned = [];
    this.#events = 0;
    return true;
  }

  /** The rows of an aggregate up to a version, the first one first; none if only a rest is left of them. */
  #rowsOf(aggregate: number, upTo: Version): number[] {
    const { index } = this;
    const rows: number[] = [];
    for (let row = index.lastOf(aggregate); row !== NONE; row = index.previous(row)) {
      if (index.versionOf(row) <= upTo) rows.push(row);
    }
    return rows.length === 0 || index.isRest(rows[0] as number) ? [] : rows.reverse();
  }

  /** Plans to remove all of these rows but the last one that can be read, of which a rest is left. */
  #plan(rows: number[]): void {
    let rest: Buffer | undefined;
    let last = rows.length - 1;
    for (; last >= 0; last--) {
      rest = this.#restOf(rows[last] as number);
      if (rest !== undefined) break;
    }
    if (rest === undefined) return;
    for (const [i, row] of rows.slice(0, last + 1).entries()) {
      const key = this.index.versionOf(row);
      const isLast = i === last;
      this.#planned.push([row, isLast ? 'rest' : 'drop']);
      if (!this.#file.has(key)) continue; // another thread has collected it
      if (!this.index.isRest(row) && this.fates.get(row) === undefined) this.#events += 1;
      this.#changes.push(isLast ? { key, bytes: rest } : { key });
    }
  }

  /** What stays of a row's event; undefined if it cannot be read. */
  #restOf(row: number): Buffer | undefined {
    try {
      const record = this.#file.readOne(this.index.versionOf(row));
      return record === undefined ? undefined : this.#view.readWhole(record).collected();
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }
}

function isFull(error: unknown): boolean {
  return error instanceof MmcbError && (error.code === 'MMCB_NO_SPACE' || error.code === 'MMCB_FULL');
}
