/**
 * Following: keeps a thread's index in step with the file, to which other threads may write as well. Everything that looks
 * at the index catches up first, which costs two look-ups of keys when there is nothing new.
 */
import type { Version } from './event.js';
import { type EventFile, isDamage } from './event-file.js';
import { type EventHead, EventIndex, NONE } from './event-index.js';
import type { RecordView } from './record.js';
import { type OnDamage, PAGE, RecordPage } from './record-page.js';

/** Lets others work, in the middle of making an index. */
export type Aside = (done: number, total: number) => Promise<void>;

export class Following {
  index: EventIndex;
  /** The latest version behind which no more of its call is to come: other threads' batches may be read while they appear. */
  #complete: Version = 0;
  readonly #file: EventFile;
  readonly #page: RecordPage;
  /** The index that records are read into. */
  #target: EventIndex;
  /** Another thread has begun an era: it may have removed events of which there are rows. */
  #isStale = false;

  constructor(file: EventFile, onDamage: OnDamage) {
    this.#file = file;
    this.#page = new RecordPage(file, (version, error) => {
      this.#target.reach(version); // it is there, though nobody can say what it was
      if (version > this.#complete) this.#complete = version;
      onDamage(version, error);
    });
    this.index = new EventIndex();
    this.#target = this.index;
  }

  /** Everything up to here was stored by calls that are done. */
  get complete(): Version {
    return this.#complete;
  }

  // ---- Making the index ----

  /**
   * Makes the index from the file, `aside` now and then to let others work. Versions are never given out again: not those in
   * the head, nor those that damage or a checkpoint speaks of.
   */
  async open(aside: Aside): Promise<void> {
    const known = this.#file.claim();
    this.index = await this.#made(known, aside);
    this.#reach(known); // and no further: of the last call there may be more to come
    const { recovery } = this.#file.buffer;
    if (recovery.status === 'salvaged') {
      this.#reach(this.index.latest); // what was to come is lost
      for (const { key } of recovery.damage) if (typeof key === 'number') this.#reach(key);
      for (const { kind, bytes } of this.#file.named()) {
        if (kind === 'checkpoint' && bytes.length === 8) this.#reach(bytes.readDoubleLE(0));
      }
    }
    this.catchUp();
  }

  /** Makes the index anew if other threads may have removed events, which it would go on to name. */
  async refresh(aside: Aside): Promise<void> {
    this.catchUp();
    if (!this.#isStale) return;
    this.#isStale = false;
    const index = await this.#made(this.index.latest, aside);
    // What this thread has learned meanwhile it must not forget, nor that versions were given out.
    for (let row = this.index.rowFrom(index.latest + 1); row < this.index.rows; row++) {
      this.#readInto(index, Float64Array.of(this.index.versionOf(row)));
    }
    index.reach(this.index.latest);
    this.index = index;
  }

  async #made(known: Version, aside: Aside): Promise<EventIndex> {
    const versions = this.#file.versions(known);
    const from = firstAbove(versions, 0);
    const index = new EventIndex(versions.length - from);
    for (let at = from; at < versions.length; at += PAGE) {
      this.#readInto(index, versions.slice(at, at + PAGE));
      if ((at - from) % (64 * PAGE) === 0) await aside(at, versions.length);
    }
    index.reach(versions.at(-1) ?? 0);
    return index;
  }

  // ---- Going on ----

  /** Reads what others have stored since; whether there was anything. */
  catchUp(): boolean {
    const before = this.index.latest;
    for (;;) {
      while (this.#file.has(this.index.latest + 1)) this.#readOn();
      // In this order: the next version is not there, and nothing was removed before that could have been it.
      if (this.#file.isCurrent()) break;
      this.#file.store.assertOpen();
      this.#isStale = true;
      this.#skipTo(this.#file.readHead());
    }
    return this.index.latest > before;
  }

  /** An event that this thread has stored. */
  stored(version: Version, head: EventHead): void {
    this.index.add(version, head);
    this.#complete = version;
  }

  /** Reads versions from the next one on until one is not there yet. */
  #readOn(): void {
    this.#read(ascending(this.index.latest + 1, PAGE), true);
  }

  /** Reads versions up to `latest`, of which some were collected. */
  #skipTo(latest: Version): void {
    while (this.index.latest < latest) {
      const next = this.index.latest + 1;
      const length = Math.min(PAGE, latest - next + 1);
      this.#read(ascending(next, length));
      this.#reach(next + length - 1);
    }
  }

  #reach(version: Version): void {
    this.index.reach(version);
    this.#complete = Math.max(this.#complete, version);
  }

  #read(keys: Float64Array, toFirstGap = false): void {
    this.#readInto(this.index, keys, toFirstGap);
  }

  #readInto(index: EventIndex, keys: Float64Array, toFirstGap = false): void {
    this.#target = index;
    this.#page.want(keys, toFirstGap);
    for (let record = this.#page.advance(); record !== undefined; record = this.#page.advance()) {
      const { version } = this.#page;
      index.add(version, record);
      if (!record.isContinued && version > this.#complete) this.#complete = version;
    }
  }

  // ---- Looking into records ----

  /** The row of an id's event, or NONE. */
  find(id: string, hash: number, view: RecordView): number {
    return this.index.find(hash, (row) => {
      const bytes = this.#readQuietly(this.index.versionOf(row));
      return bytes !== undefined && view.readWhole(bytes).hasId(id);
    });
  }

  /** Whether an event that is damaged may have this hash of its id: its record does not say any more. */
  mayBeDamaged(hash: number): boolean {
    return this.index.find(hash, (row) => this.#readQuietly(this.index.versionOf(row)) === undefined) !== NONE;
  }

  /** A record that is damaged has no id. */
  #readQuietly(version: Version): Buffer | undefined {
    try {
      return this.#file.readOne(version);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }
}

/** `count` versions from `first` on. */
function ascending(first: Version, count: number): Float64Array {
  const versions = new Float64Array(count);
  for (let i = 0; i < count; i++) versions[i] = first + i;
  return versions;
}

/** Where in ascending versions those above `bound` begin. */
function firstAbove(versions: Float64Array, bound: number): number {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((versions[middle] as number) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
