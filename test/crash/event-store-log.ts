/** What must be true of an event store after its process was killed, by the log that it has left; see event-store-child.mjs. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { expect } from 'vitest';
import { EventStore, type EventStoreOptions } from '../../src/index.js';
import { collect } from '../contract/event-store-contract.js';

/** What opening may find after the death of a process, or a power cut. */
const unharmed = ['clean', 'created', 'replayed', 'rolled back'];

interface Batch {
  readonly batch: string;
  readonly size: number;
}

export class EventStoreLog {
  /** Ids of events whose calls have returned, by version. */
  readonly stored = new Map<number, string>();
  /** Everything before it may have been collected. */
  collected = 0;
  /** The checkpoint that was saved last. */
  saved = 0;
  delivered = 0;
  snapshot = 0;
  openings = 0;
  #opened = '';
  readonly wrong: string[] = [];
  /** Bytes that were read, and the beginning of a line whose end has not come. */
  #position = 0;
  #rest = '';

  constructor(readonly file: string) {}

  get size(): number {
    return existsSync(this.file) ? statSync(this.file).size : 0;
  }

  /** Reads what has come since. */
  read(): void {
    const { size } = this;
    if (size === this.#position) return;
    const bytes = Buffer.alloc(size - this.#position);
    const file = openSync(this.file, 'r');
    const count = readSync(file, bytes, 0, bytes.length, this.#position);
    closeSync(file);
    this.#position += count;
    const lines = (this.#rest + bytes.toString('utf8', 0, count)).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#read(line);
  }

  #read(line: string): void {
    const [what = '', number = '', ...rest] = line.split(' ');
    const version = Number(number);
    if (what === 'opened') {
      this.openings += 1;
      this.#opened = `${line}, by the ${this.openings}th opener`;
      if (!unharmed.includes(rest.join(' '))) this.wrong.push(this.#opened);
    } else if (what === 'stored') {
      const [id, before] = [rest.join(' '), this.stored.get(version)];
      if (before !== undefined) this.wrong.push(`version ${version} is '${before}' and '${id}'; ${this.#opened}`);
      this.stored.set(version, id);
    } else if (what === 'from') {
      // A save that had not returned may count.
      if (version < this.saved || version > Math.max(this.delivered, this.saved)) {
        this.wrong.push(`went on from ${version}: saved ${this.saved}, delivered ${this.delivered}`);
      }
      this.delivered = version;
    } else if (what === 'delivered') {
      if (version !== this.delivered + 1) this.wrong.push(`delivered ${version} after ${this.delivered}`);
      this.delivered = version;
    } else if (what === 'saved') this.saved = version;
    else if (what === 'snapshot') this.snapshot = version;
    else if (what === 'collect') this.collected = Math.max(this.collected, version);
  }

  /** Opens the store and compares it with the log; how many events are there. */
  async check(path: string, options: EventStoreOptions): Promise<number> {
    this.read();
    expect(this.wrong).toEqual([]);
    const store = await EventStore.open(path, options);
    try {
      expect(unharmed).toContain(store.recovery.status);
      const events = await collect(store.load());
      const latest = await store.latestVersion();
      expect(latest).toBeGreaterThanOrEqual(this.delivered);
      expect(store.stats()).toMatchObject({ missing: 0, damaged: 0 });
      const there = new Map(events.map((event) => [event.version, event]));
      for (let version = Math.max(1, this.collected); version <= latest; version++) {
        if (!there.has(version)) throw new Error(`version ${version} of ${latest} is not there`);
      }
      for (const [version, id] of this.stored) {
        const found = there.get(version);
        if (found === undefined ? version >= this.collected : found.event.id !== id) {
          throw new Error(`version ${version} is ${found?.event.id ?? 'gone'}, and was stored as ${id}`);
        }
      }
      const aggregates = new Map<string, number>();
      const batches = new Map<string, number[]>();
      for (const { event, version, aggregateVersion } of events) {
        const before = aggregates.get(event.aggregateId);
        if (before !== undefined) expect(aggregateVersion).toBe(before + 1);
        aggregates.set(event.aggregateId, aggregateVersion);
        const { batch, size } = event.data as Partial<Batch>;
        if (batch !== undefined) batches.set(batch, [...(batches.get(batch) ?? [Number(size)]), version]);
      }
      for (const [size, ...versions] of batches.values()) {
        const first = versions[0] as number;
        if (first <= this.collected) continue; // in part, perhaps
        expect(versions).toEqual(Array.from({ length: size as number }, (_, i) => first + i));
      }
      for (const [id, version] of aggregates) expect(await store.aggregateVersion(id)).toBe(version);
      const checkpoint = await store.checkpoint('consumer').load();
      expect(checkpoint).toBeGreaterThanOrEqual(this.saved);
      expect(checkpoint).toBeLessThanOrEqual(latest);
      expect((await store.loadSnapshot('single main'))?.version ?? 0).toBeGreaterThanOrEqual(this.snapshot);
      expect(await store.buffer.verify()).toMatchObject({ ok: true });
      return events.length;
    } finally {
      await store.close();
    }
  }
}
