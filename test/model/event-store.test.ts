/** Random calls on event stores over one file, and on a plain model of them; see buffer.test.ts. */
import { afterAll, describe, expect, it } from 'vitest';
import {
  type DomainEvent,
  EventStore,
  type EventStoreOptions,
  type ExpectedVersion,
  type LoadOptions,
  MmcbError,
  type StoredEvent,
} from '../../src/index.js';
import { collect } from '../contract/event-store-contract.js';
import { type Random, withSeeds } from '../support/random.js';
import { removeTempFile, tempFile } from '../support/temp.js';
import { type ModelEvent, ModelStore, type Outcome } from './event-store-model.js';

const weights = {
  ...{ store: 30, batch: 20, again: 8, other: 4, load: 12, byAggregate: 10, get: 6, versions: 4, follow: 8 },
  ...{ snapshot: 5, loadSnapshot: 3, collect: 4, checkpoint: 3, reopen: 2 },
};
const aggregates = ['a', 'b', 'c', 'd', 'schlüssel', '東京'];
const types = ['Opened', 'Changed', 'Closed'];

/** A subscription that is asked now and then. */
interface Follower {
  readonly events: AsyncIterator<StoredEvent>;
  position: number;
}

class Run {
  readonly model = new ModelStore();
  readonly stores: EventStore[] = [];
  followers: Follower[] = [];
  #id = 0;
  calls = 0;

  constructor(
    readonly random: Random,
    readonly path: string,
    readonly options: EventStoreOptions,
    readonly count: number,
  ) {}

  async open(): Promise<void> {
    for (let i = 0; i < this.count; i++) this.stores.push(await EventStore.open(this.path, this.options));
    this.followers = this.stores.map((store, i) => {
      const position = this.followers[i]?.position ?? 0;
      return { events: store.subscribe({ since: position }), position };
    });
  }

  get anyStore(): EventStore {
    return this.random.pick(this.stores);
  }

  event(): DomainEvent {
    const { random } = this;
    const size = random.chance(0.02) ? random.int(0, 80_000) : random.int(0, 100);
    return {
      id: `id ${this.#id++}`,
      type: random.pick(types),
      aggregateId: random.pick(aggregates),
      data: { n: this.#id, text: 'x'.repeat(size) },
      ...(random.chance(0.3) ? { metadata: { by: random.pick(['Ada', 'Grace']) } } : {}),
    };
  }

  async step(): Promise<void> {
    this.calls += 1;
    await this[this.random.weighted(weights)]();
  }

  async #storeAs(events: DomainEvent[], call: 'store' | 'storeBatch'): Promise<void> {
    const { random } = this;
    const aggregateId = events[0]?.aggregateId ?? '';
    const right = this.model.aggregateVersion(aggregateId);
    const expectedVersion: ExpectedVersion = random.chance(0.5)
      ? 'any'
      : random.pick<ExpectedVersion>([right, right + 1, 'none', 0]);
    const version = random.chance(0.9) ? undefined : this.model.latest + random.int(0, 1);
    const expected = this.model.store(events, expectedVersion, version);
    const options = { expectedVersion, ...(version === undefined ? {} : { version }) };
    let outcome: Outcome;
    try {
      const store = this.anyStore;
      outcome =
        call === 'store'
          ? [await store.store(events[0] as DomainEvent, options)]
          : await store.storeBatch(events, options);
    } catch (error) {
      if (!(error instanceof MmcbError)) throw error;
      const outcomes: Record<string, Outcome> = { MMCB_VERSION_CONFLICT: 'conflict', MMCB_EVENT_EXISTS: 'exists' };
      outcome = outcomes[error.code] ?? [];
    }
    expect(outcome).toEqual(expected);
  }

  store(): Promise<void> {
    return this.#storeAs([this.event()], 'store');
  }

  batch(): Promise<void> {
    const events = Array.from({ length: this.random.int(0, 12) }, () => this.event());
    if (events.length > 0 && this.random.chance(0.2)) events.push(this.random.pick(events));
    return this.#storeAs(events, 'storeBatch');
  }

  /** Events that were stored before, perhaps with new ones. */
  async again(): Promise<void> {
    const known = this.model.events.filter(({ state }) => state !== 'gone');
    if (known.length === 0) return;
    const events = Array.from({ length: this.random.int(1, 3) }, () => this.random.pick(known).event);
    if (this.random.chance(0.4)) events.push(this.event());
    await this.#storeAs(events, 'storeBatch');
  }

  /** The id of an event, with something else. */
  async other(): Promise<void> {
    const known = this.model.there();
    if (known.length === 0) return;
    const { event } = this.random.pick(known);
    await this.#storeAs([{ ...event, data: 'something else' }], 'store');
  }

  #range(): { options: LoadOptions; wanted: (events: ModelEvent[]) => ModelEvent[] } {
    const { random } = this;
    const { latest } = this.model;
    const since = random.chance(0.4) ? undefined : random.int(0, latest);
    const until = random.chance(0.6) ? undefined : random.int(0, latest + 3);
    const some = random.chance(0.6) ? undefined : [random.pick(types), random.pick([...types, 'Never'])];
    const limit = random.chance(0.7) ? undefined : random.int(0, 10);
    const backwards = random.chance(0.3);
    const wanted = (events: ModelEvent[]): ModelEvent[] => {
      const found = events.filter(
        ({ version, event }) =>
          version > (since ?? 0) && version <= (until ?? latest) && (some?.includes(event.type) ?? true),
      );
      if (backwards) found.reverse();
      return found.slice(0, limit ?? found.length);
    };
    return { options: { since, until, types: some, limit, backwards }, wanted };
  }

  #compare(found: StoredEvent[], expected: ModelEvent[]): void {
    expect(found.map(({ event, version, aggregateVersion }) => ({ event, version, aggregateVersion }))).toEqual(
      expected.map(({ event, version, aggregateVersion }) => ({ event, version, aggregateVersion })),
    );
  }

  async load(): Promise<void> {
    const { options, wanted } = this.#range();
    this.#compare(await collect(this.anyStore.load(options)), wanted(this.model.there()));
  }

  async byAggregate(): Promise<void> {
    const { options, wanted } = this.#range();
    const id = this.random.pick(aggregates);
    const own = this.model.there().filter(({ event }) => event.aggregateId === id);
    this.#compare(await collect(this.anyStore.loadByAggregate(id, options)), wanted(own));
  }

  async get(): Promise<void> {
    if (this.model.latest === 0) return;
    const { event, version, state } = this.random.pick(this.model.events);
    const found = await this.anyStore.get(event.id).catch((error: MmcbError) => error.code);
    if (state === 'there') expect(found).toMatchObject({ event, version });
    else expect(found).toBe('MMCB_EVENT_NOT_FOUND');
  }

  async versions(): Promise<void> {
    const store = this.anyStore;
    const id = this.random.pick(aggregates);
    expect(await store.latestVersion()).toBe(this.model.latest);
    expect(await store.aggregateVersion(id)).toBe(this.model.aggregateVersion(id));
    const there = this.model.there().length;
    expect(store.stats()).toMatchObject({ missing: 0, latestVersion: this.model.latest });
    if (this.count === 1) expect(store.stats().events).toBe(there);
  }

  /** Asks a subscription for as many events as there must be. */
  async follow(): Promise<void> {
    const follower = this.random.pick(this.followers);
    for (let i = this.random.int(1, 30); i > 0; i--) {
      const expected = this.model.there().find(({ version }) => version > follower.position);
      if (expected === undefined) return;
      const { value } = await follower.events.next();
      this.#compare([value], [expected]);
      follower.position = expected.version;
    }
  }

  async snapshot(): Promise<void> {
    const known = this.model.events.filter(({ state }) => state !== 'gone');
    if (known.length === 0) return;
    const { event, version } = this.random.pick(known);
    const state = { at: version };
    expect(await this.anyStore.saveSnapshot(event.aggregateId, state, version)).toBe(
      this.model.saveSnapshot(event.aggregateId, state, version),
    );
  }

  async loadSnapshot(): Promise<void> {
    const id = this.random.pick(aggregates);
    const snapshot = await this.anyStore.loadSnapshot(id);
    const expected = this.model.snapshots.get(id);
    expect(snapshot === undefined ? undefined : { state: snapshot.state, version: snapshot.version }).toEqual(expected);
  }

  async collect(): Promise<void> {
    const { random } = this;
    for (const { events } of this.followers) await events.return?.(); // they would hold events
    const before = random.chance(0.5) ? undefined : random.int(0, this.model.latest + 1);
    const keepAggregates = random.chance(0.7) ? [] : [random.pick(aggregates)];
    const ignoreCheckpoints = random.chance(0.3);
    const expected = this.model.collect(before, keepAggregates, ignoreCheckpoints);
    const options = { keepAggregates, ignoreCheckpoints, compact: random.chance(0.2) };
    const report = await this.anyStore.runGC({ ...options, ...(before === undefined ? {} : { before }) });
    expect(report.collected).toBe(expected);
    this.followers = this.followers.map(({ position }) => ({
      events: this.anyStore.subscribe({ since: position }),
      position,
    }));
  }

  async checkpoint(): Promise<void> {
    const name = this.random.pick(['one', 'two']);
    const checkpoint = this.anyStore.checkpoint(name);
    expect(await checkpoint.load()).toBe(this.model.checkpoints.get(name) ?? 0);
    if (this.random.chance(0.4)) {
      expect(await checkpoint.delete()).toBe(this.model.checkpoints.delete(name));
    } else {
      const version = this.random.int(0, this.model.latest);
      await checkpoint.save(version);
      this.model.checkpoints.set(name, version);
    }
  }

  async reopen(): Promise<void> {
    if (this.path === ':memory:') return;
    await this.close();
    await this.open();
  }

  async close(): Promise<void> {
    await Promise.all(this.stores.splice(0).map((store) => store.close()));
  }

  async end(): Promise<void> {
    this.#compare(await collect(this.anyStore.load()), this.model.there());
    expect(await this.anyStore.buffer.verify()).toMatchObject({ ok: true });
    await this.close();
    removeTempFile(this.path);
  }
}

const small: EventStoreOptions = { initialSize: 65_536, segmentSize: 65_536 };

describe('random calls on an event store', () => {
  let calls = 0;
  let runs = 0;
  afterAll(() => console.log(`event stores against a model: ${runs} runs, ${calls} calls`));

  it.each([
    { name: ':memory:', seeds: 900, stores: 1, options: small },
    { name: 'a file', seeds: 40, stores: 1, options: { ...small, durability: 'interval' as const } },
    {
      name: 'a file, compressed',
      seeds: 20,
      stores: 1,
      options: { ...small, durability: 'process' as const, compression: true },
    },
    {
      name: 'a file that two stores have open',
      seeds: 40,
      stores: 2,
      options: { ...small, durability: 'interval' as const },
    },
    { name: "a file, durability 'commit'", seeds: 5, stores: 2, options: small },
  ])('in $name do what they do to the model', { timeout: 600_000 }, async ({ name, seeds, stores, options }) => {
    await withSeeds(seeds, async (random) => {
      const run = new Run(random, name === ':memory:' ? name : tempFile('model'), options, stores);
      await run.open();
      for (let i = random.int(20, 70); i > 0; i--) await run.step();
      await run.end();
      calls += run.calls;
      runs += 1;
    });
  });
});
