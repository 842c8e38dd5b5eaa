/**
 * EventStore: events in one order, by aggregate, that stay as they are.
 *
 * Invariants
 * - Versions are given out once, one after the other; an event is there with its version or not at all.
 * - What a call has stored together is seen together, by everybody, also after a crash.
 * - With durability 'commit' nobody is shown an event that is not on the disk.
 */
import { EventEmitter } from 'node:events';
import { CompactableBuffer } from '../buffer/compactable-buffer.js';
import { type BackupOptions, backupTable, type WaitOptions, type WorkOptions, waitTable } from '../buffer/options.js';
import type { RecoveryReport } from '../buffer/reports.js';
import type { Codec } from '../codec/codec.js';
import { msgpack } from '../codec/msgpack.js';
import { describe, MmcbError } from '../errors.js';
import { orAbort } from '../internal/lifecycle.js';
import { checkPath, readOptions, show } from '../internal/options.js';
import { hashOf } from '../internal/text.js';
import { Appending, type Conditions } from './appending.js';
import { Checkpoint } from './checkpoint.js';
import { Collecting, type CollectReport } from './collecting.js';
import { StoredError } from './errors.js';
import {
  checkEvent,
  checkName,
  checkVersion,
  type DomainEvent,
  parseVersion,
  type StoredEvent,
  type Version,
} from './event.js';
import { EventFile } from './event-file.js';
import { NONE } from './event-index.js';
import type { EventSequence } from './event-iterator.js';
import type { EventStoreLike } from './event-store-like.js';
import { Following } from './following.js';
import { AggregateLoad, type Range, RangeLoad } from './loading.js';
import {
  type CollectOptions,
  collectTable,
  type EventStoreOptions,
  type LoadOptions,
  loadTable,
  type StoreBatchOptions,
  type StoreOptions,
  type SubscribeOptions,
  storeBatchTable,
  storeOptionsTable,
  storeTable,
  subscribeTable,
} from './options.js';
import { Payloads } from './payload.js';
import { eventOf, type ReadingHome } from './reading.js';
import { RecordView } from './record.js';
import { type Snapshot, Snapshots } from './snapshots.js';
import type { EventStoreStats } from './stats.js';
import { type Progressing, Subscription, type SubscriptionHome } from './subscribing.js';
import { type EventStoreEvents, Telling } from './telling.js';
import { Turns } from './turns.js';
import { Visibility } from './visibility.js';
import { WakeUps } from './wake-ups.js';

const internal = Symbol('internal');

type Settings = ReturnType<typeof readOptions<typeof storeOptionsTable>>;

/**
 * An embedded event store: append-only, versioned, by aggregate, atomic and durable, in one file. The worker threads of a
 * process may have the same file open, each as a store of its own; another process gets MMCB_LOCKED.
 *
 * All calls are asynchronous and take a signal; when it is aborted they reject with its reason, and have stored nothing (or
 * say that they have: {@link StoredError}). After `close` they reject with MMCB_CLOSED. Calls that write can fail as those of
 * a {@link CompactableBuffer}.
 *
 * @example
 * const store = await EventStore.open('accounts.mmcb');
 * await store.store({ id: randomUUID(), type: 'Opened', aggregateId: 'account-1', data: { owner: 'Ada' } });
 * for await (const { event, version } of store.loadByAggregate('account-1')) console.log(version, event.type);
 */
export class EventStore<E extends DomainEvent = DomainEvent>
  extends EventEmitter<EventStoreEvents>
  implements EventStoreLike<E>
{
  /** The path given to `open`, or ':memory:'. */
  readonly path: string;
  /** The buffer underneath, to verify or compact it. Its entries are the store's own: do not write to it. */
  readonly buffer: CompactableBuffer;
  readonly #file: EventFile;
  readonly #following: Following;
  readonly #payloads: Payloads;
  readonly #appending: Appending;
  readonly #snapshots: Snapshots;
  readonly #visibility: Visibility;
  readonly #wakeUps: WakeUps;
  readonly #telling: Telling;
  readonly #onlyDurable: boolean;
  readonly #reading: ReadingHome & SubscriptionHome;
  readonly #subscriptions = new Set<Progressing & { close(): void }>();
  readonly #damaged = new Set<Version>();
  #collecting: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /**
   * Opens a file as an event store, or creates it; ':memory:' stands for no file. The index is made anew, which takes about
   * a microsecond for each event.
   *
   * Rejects with MMCB_NOT_MMCB for a file of something else, and as {@link CompactableBuffer.open} does.
   */
  static async open<E extends DomainEvent = DomainEvent>(
    path: string,
    options?: EventStoreOptions,
  ): Promise<EventStore<E>> {
    const owner = 'EventStore.open';
    checkPath(path, owner);
    const settings = readOptions(storeOptionsTable, options, owner);
    const { codec, durability, compression, upcasters, snapshots, logger, clock, ...rest } = options ?? {};
    const buffer = await CompactableBuffer.open(path, {
      extensionFactor: 1, // events do not grow
      ...rest,
      durability: settings.durability === 'process' ? 'process' : 'interval',
    });
    const store = new EventStore<E>(internal, buffer, settings);
    try {
      await store.#begin(settings);
      return store;
    } catch (error) {
      await store.close().catch(() => {});
      throw error;
    }
  }

  /**
   * Makes a store of a backup: checks all of it, and copies it to `path`. Rejects with MMCB_CORRUPT for a damaged backup, and
   * with MMCB_IO and an EEXIST in `cause` when there is a file already, unless `overwrite` is set.
   */
  static async restore(backup: string, path: string, options?: BackupOptions): Promise<void> {
    const owner = 'EventStore.restore';
    checkPath(backup, owner, 'backup');
    checkPath(path, owner);
    readOptions(backupTable, options, owner);
    const store = await EventStore.open(backup, { readOnly: true, ...(options?.signal && { signal: options.signal }) });
    try {
      const { ok, errors } = await store.buffer.verify(options?.signal && { signal: options.signal });
      if (!ok) throw new MmcbError('MMCB_CORRUPT', describe('MMCB_CORRUPT', `${backup}: ${errors[0]?.message}`));
      await store.buffer.backup(path, options);
    } finally {
      await store.close();
    }
  }

  /** Not for use: see `open`. */
  constructor(token: symbol, buffer: CompactableBuffer, settings: Settings) {
    super();
    if (token !== internal) throw new TypeError('use EventStore.open() instead of new');
    const codec = (settings.codec as Codec<unknown> | undefined) ?? msgpack<unknown>({ namesFirst: true });
    const { compression, clock } = settings;
    this.path = buffer.path;
    this.buffer = buffer;
    this.#onlyDurable = settings.durability === 'commit';
    this.#telling = new Telling(this, buffer.path, settings.logger);
    this.#file = new EventFile(buffer, settings.readOnly);
    this.#wakeUps = new WakeUps(buffer);
    const onDamage = (version: Version, error: unknown): void => this.#foundDamage(version, error);
    this.#following = new Following(this.#file, onDamage);
    this.#payloads = new Payloads({ codec, compression, upcasters: settings.upcasters });
    this.#appending = new Appending(this.#file, this.#following, this.#payloads, clock, this.#telling);
    this.#snapshots = new Snapshots(this.#file, this.#following, {
      ...{ codec: settings.snapshots.codec ?? codec, compression, clock },
      schemaVersion: settings.snapshots.schemaVersion,
    });
    this.#visibility = new Visibility(this.#file, this.#following, this.#onlyDurable, (duration) => {
      this.#wakeUps.tell();
      this.#telling.tell('committed', { version: this.#visibility.version(), duration });
    });
    this.#reading = {
      ...{ file: this.#file, following: this.#following, payloads: this.#payloads, onDamage },
      latest: () => this.#visibility.version(),
      wait: (signal) => this.#wakeUps.wait(signal),
      leave: (subscription) => void this.#subscriptions.delete(subscription as Subscription<E>),
    };
  }

  async #begin({ signal, onProgress }: Settings): Promise<void> {
    const turns = new Turns();
    await this.#following.open(async (done, total) => {
      onProgress?.({ phase: 'index', done, total });
      await turns.takeIfDue();
      signal?.throwIfAborted();
    });
    // What was found may be newer than the last sync point: after the death of a process, or when another thread has just
    // written it.
    if (this.#onlyDurable && this.#following.index.latest > 0 && !this.#file.isReadOnly) {
      await this.buffer.flush(signal === undefined ? {} : { signal });
    }
    this.#visibility.begin();
    this.#telling.tell('recovery', this.recovery);
  }

  // ---- Storing ----

  /**
   * Stores an event; its version. An event that is there already, with the same id and content, is acknowledged with the
   * version that it has.
   *
   * Rejects with MMCB_VERSION_CONFLICT ({@link VersionConflictError}) when the aggregate has not the expected version,
   * MMCB_EVENT_EXISTS when the id is that of another event, MMCB_CODEC when the data cannot be encoded, MMCB_TOO_LARGE for
   * long names, MMCB_STORED when it was aborted after it had stored the event ({@link StoredError}).
   */
  async store(event: E, options?: StoreOptions): Promise<Version> {
    const asked = readOptions(storeTable, options, 'store');
    checkEvent(event, 'event');
    const versions = this.#append([event], asked);
    if (this.#isToCome(versions)) await this.#committed(versions, asked.signal);
    return versions[0] as Version;
  }

  /** Stores several events, all or none; their versions, one after the other. Rejects as `store`. */
  async storeBatch(events: readonly E[], options?: StoreBatchOptions): Promise<Version[]> {
    const asked = readOptions(storeBatchTable, options, 'storeBatch');
    if (!Array.isArray(events)) throw new TypeError(`events must be an array, got ${show(events)}`);
    for (let i = 0; i < events.length; i++) checkEvent(events[i] as E, 'events', i);
    const versions = this.#append(events, asked);
    if (this.#isToCome(versions)) await this.#committed(versions, asked.signal);
    return versions;
  }

  #append(events: readonly E[], asked: Conditions & WaitOptions): Version[] {
    asked.signal?.throwIfAborted();
    this.#assertOpen();
    if (events.length === 0) return [];
    const versions = this.#appending.append(events, asked);
    if (!this.#onlyDurable) this.#wakeUps.tell();
    return versions;
  }

  /** Whether versions that were given out have still to get to the disk, and their events to be shown. */
  #isToCome(versions: readonly Version[]): boolean {
    return this.#onlyDurable && versions.some((version) => version > this.#visibility.durable);
  }

  #committed(versions: Version[], signal: AbortSignal | undefined): Promise<void> {
    const committed = this.#visibility.commit({ signal });
    if (signal === undefined) return committed; // no more promises than it takes: hundreds of writers wait for one sync
    return committed.catch((error: unknown) => {
      throw signal.aborted && error === signal.reason ? new StoredError(versions, error) : error;
    });
  }

  // ---- Loading ----

  /**
   * The events there are when it is called, in the order of their versions. Ask for them with `for await`, `forEach` or
   * `reduce`: they are read a page at a time. Throws a RangeError for a version above the latest one in `since`.
   */
  load(options?: LoadOptions<E>): EventSequence<E> {
    const { signal, ...range } = readOptions(loadTable, options, 'load');
    return new RangeLoad<E>(this.#reading, this.#range(range), signal);
  }

  /** The same, of one aggregate; none if it has no events. */
  loadByAggregate(aggregateId: string, options?: LoadOptions<E>): EventSequence<E> {
    checkName(aggregateId, 'aggregateId');
    const { signal, ...range } = readOptions(loadTable, options, 'loadByAggregate');
    return new AggregateLoad<E>(this.#reading, aggregateId, this.#range(range), signal);
  }

  #range({ since, until, ...rest }: Omit<ReturnType<typeof readOptions<typeof loadTable>>, 'signal'>): Range {
    this.#assertOpen();
    const visible = this.#visibility.version();
    checkVersion(since ?? 0, "option 'since'", this.#following.index.latest);
    return { ...rest, since: since ?? 0, until: Math.min(until ?? visible, visible) };
  }

  /**
   * The event with this id. Rejects with MMCB_EVENT_NOT_FOUND when there is none, or it was collected, and with MMCB_CORRUPT when
   * what may be its record is damaged.
   */
  async get(id: string, options?: WaitOptions): Promise<StoredEvent<E>> {
    this.#enter(options, 'get');
    checkName(id, 'id');
    const visible = this.#visibility.version();
    const view = new RecordView();
    const hash = hashOf(id);
    const row = this.#following.find(id, hash, view);
    if (row === NONE && this.#following.mayBeDamaged(hash)) {
      throw new MmcbError('MMCB_CORRUPT', describe('MMCB_CORRUPT', `event ${show(id)}`));
    }
    if (row === NONE || view.isCollected || this.#following.index.versionOf(row) > visible) {
      throw new MmcbError('MMCB_EVENT_NOT_FOUND', describe('MMCB_EVENT_NOT_FOUND', show(id)));
    }
    return eventOf<E>(view, this.#following.index.versionOf(row), this.#reading);
  }

  /** The version of the latest event; 0 if there is none. */
  async latestVersion(options?: WaitOptions): Promise<Version> {
    this.#enter(options, 'latestVersion');
    return this.#visibility.version();
  }

  /** The version of an aggregate, for `expectedVersion`: how many events it has had. 0 if none. */
  async aggregateVersion(aggregateId: string, options?: WaitOptions): Promise<number> {
    this.#enter(options, 'aggregateVersion');
    checkName(aggregateId, 'aggregateId');
    const visible = this.#visibility.version();
    const { index } = this.#following;
    const aggregate = index.aggregates.find(aggregateId);
    return aggregate === undefined ? 0 : index.aggregateVersionAt(aggregate, visible);
  }

  /** The ids of all aggregates, in the order in which they were first seen. */
  *aggregateIds(): IterableIterator<string> {
    this.#assertOpen();
    this.#following.catchUp();
    const { aggregates } = this.#following.index;
    for (let aggregate = 0; aggregate < aggregates.size; aggregate++) yield aggregates.text(aggregate);
  }

  /** The version that a text, made with `String(version)`, stands for; a TypeError or RangeError if it is none. */
  parseVersion(text: string): Version {
    return parseVersion(text);
  }

  // ---- Subscribing ----

  /**
   * Events that are there, then those that are stored from now on, each once and in order, whichever thread stores them. It
   * is over when the loop is left, the signal is aborted, or the store is closed; as long as somebody waits for events of a
   * file, the thread stays alive. Who is slow is waited for: nothing is queued. Throws a RangeError for a version above the
   * latest one in `since`.
   */
  subscribe(options?: SubscribeOptions<E>): EventSequence<E> {
    const { signal, since = 0, types, aggregateId } = readOptions(subscribeTable, options, 'subscribe');
    this.#assertOpen();
    this.#following.catchUp();
    checkVersion(since, "option 'since'", this.#following.index.latest);
    const subscription = new Subscription<E>(this.#reading, { since, types, aggregateId }, signal);
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** The durable position of a consumer. */
  checkpoint(name: string): Checkpoint {
    checkName(name, 'name');
    return new Checkpoint(
      {
        file: this.#file,
        assertOpen: () => this.#assertOpen(),
        latest: () => this.#visibility.version(),
        commit: (options) => this.#visibility.commit(options),
      },
      name,
    );
  }

  // ---- Snapshots and garbage ----

  /**
   * Saves the state of an aggregate as of `version`, that of the last event which the state includes; durable as events are.
   * False, and nothing saved, if there is a snapshot of a later version. Rejects with a RangeError when `version` is not that
   * of an event of the aggregate.
   */
  async saveSnapshot(aggregateId: string, state: unknown, version: Version, options?: WaitOptions): Promise<boolean> {
    const wait = this.#enter(options, 'saveSnapshot');
    const saved = this.#snapshots.save(aggregateId, state, version);
    if (saved) await this.#visibility.commit(wait);
    return saved;
  }

  /** The latest snapshot of an aggregate; undefined if there is none, or only one of another `schemaVersion`. */
  async loadSnapshot<S = unknown>(aggregateId: string, options?: WaitOptions): Promise<Snapshot<S> | undefined> {
    this.#enter(options, 'loadSnapshot');
    return this.#snapshots.load(aggregateId) as Snapshot<S> | undefined;
  }

  /**
   * Removes events that a snapshot of their aggregate covers or, with `before`, those before a version, and gives their space
   * back. Versions of events and aggregates stay what they are. What a checkpoint or an open subscription of this store has
   * not passed stays. When it is aborted, some events have been removed.
   */
  runGC(options?: CollectOptions): Promise<CollectReport> {
    const run = this.#collecting.then(() => this.#runGC(options));
    this.#collecting = run.catch(() => {});
    return run;
  }

  async #runGC(options: CollectOptions | undefined): Promise<CollectReport> {
    const { signal, onProgress, compact, ...policy } = readOptions(collectTable, options, 'runGC');
    signal?.throwIfAborted();
    this.#assertOpen();
    const start = performance.now();
    const sizeBefore = this.buffer.stats().fileSize;
    const slowest = [...this.#subscriptions].reduce((least, { position }) => Math.min(least, position), Infinity);
    const collecting = new Collecting(this.#file, this.#following, this.#snapshots);
    const result = await collecting.run(
      { ...policy, latest: this.#visibility.version(), slowest },
      signal,
      (done, total) => onProgress?.({ phase: 'collect', done, total }),
    );
    const wait: WorkOptions = { signal, onProgress };
    if (compact) await this.buffer.compact(wait);
    const ms = performance.now() - start;
    const report = { ...result, sizeBefore, sizeAfter: this.buffer.stats().fileSize, ms };
    this.#telling.tell('collected', report);
    return report;
  }

  // ---- The whole ----

  /** What opening found; see {@link CompactableBuffer.recovery}. */
  get recovery(): RecoveryReport {
    return this.buffer.recovery;
  }

  /** Counters, as of now. */
  stats(): EventStoreStats {
    this.#assertOpen();
    const visible = this.#visibility.version();
    const { index } = this.#following;
    return {
      events: index.size,
      latestVersion: index.latest,
      visibleVersion: visible,
      aggregates: index.aggregates.size,
      types: index.types.size,
      missing: index.missing,
      damaged: this.#damaged.size,
      indexBytes: index.bytes,
      ...this.#appending.stats,
      commits: { ...this.#visibility.commits },
      subscriptions: [...this.#subscriptions].map(({ position }) => ({ position, lag: visible - position })),
      buffer: this.buffer.stats(),
    };
  }

  /** A sync point; see {@link CompactableBuffer.flush}. */
  async flush(options?: WaitOptions): Promise<void> {
    const wait = this.#enter(options, 'flush');
    await (this.#onlyDurable ? this.#visibility.commit(wait) : this.buffer.flush(wait));
  }

  /** Writes a consistent copy to another file, while writes go on; see {@link CompactableBuffer.backup}. */
  async backup(path: string, options?: BackupOptions): Promise<void> {
    this.#assertOpen();
    return this.buffer.backup(path, options);
  }

  /**
   * Ends all subscriptions, waits for what is pending, makes a last sync point, and closes. May be called any number of times;
   * see {@link CompactableBuffer.close}.
   */
  async close(options?: WaitOptions): Promise<void> {
    const { signal } = readOptions(waitTable, options, 'close');
    this.#closing ??= this.#close();
    return orAbort(this.#closing, signal);
  }

  async #close(): Promise<void> {
    for (const subscription of [...this.#subscriptions]) subscription.close();
    await this.#visibility.settled();
    this.#wakeUps.close();
    if (this.#appending.stats.stored > 0) this.#noteLatest();
    await this.buffer.close();
  }

  /** So that its version is not given out again, should the last event be lost to damage. */
  #noteLatest(): void {
    try {
      this.#file.change(this.#following.index.latest, []);
    } catch {
      // A full or failed file: closing it tells.
    }
  }

  /** `close()`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- Entering ----

  #assertOpen(): void {
    if (this.#closing !== undefined) throw this.#file.store.closedError();
    this.#file.store.assertOpen();
  }

  /** Begins a call that takes nothing but a signal. */
  #enter(options: WaitOptions | undefined, owner: string): WaitOptions {
    const wait = readOptions(waitTable, options, owner);
    wait.signal?.throwIfAborted();
    this.#assertOpen();
    return wait;
  }

  #foundDamage(version: Version, error: unknown): void {
    if (this.#damaged.has(version)) return;
    this.#damaged.add(version);
    this.#telling.tell('damage', { version, error });
  }
}
