/** The options of an event store, and their tables. */
import * as zlib from 'node:zlib';
import {
  type BufferOptions,
  bufferTable,
  type WaitOptions,
  type WorkOptions,
  waitTable,
  workTable,
} from '../buffer/options.js';
import type { Codec } from '../codec/codec.js';
import type { CompressionOptions } from '../codec/compressed.js';
import { custom, flag, integer, objectWith, oneOf, readOptions, show } from '../internal/options.js';
import { type Clock, clockRule } from '../queue/clock.js';
import { checkExpected, type DomainEvent, type ExpectedVersion, type Version } from './event.js';
import type { Upcasters } from './payload.js';

/** Whoever is told what happens: `console`, pino and others. */
export interface Logger {
  debug(message: string, details?: unknown): void;
  info(message: string, details?: unknown): void;
  warn(message: string, details?: unknown): void;
  error(message: string, details?: unknown): void;
}

/** How snapshots are kept. */
export interface SnapshotOptions {
  /** How states become bytes. @default the codec of the store */
  codec?: Codec<unknown> | undefined;
  /**
   * Number of the form that states have; raise it when the code that makes them changes. Snapshots of another one are not
   * loaded: 1 to 65,535. @default 1
   */
  schemaVersion?: number | undefined;
}

/** Options of `EventStore.open`. */
export interface EventStoreOptions extends Omit<BufferOptions, 'durability'> {
  /** How data and metadata become bytes. Give the same each time. @default msgpack({ namesFirst: true }) */
  codec?: Codec<unknown> | undefined;
  /**
   * When a call that stores resolves. 'commit': when it is on the disk; calls at the same time share one sync point.
   * 'interval': at once; a power cut takes everything since the last sync point, and nothing else. 'process': at once; after
   * a power cut only what is whole can be salvaged. In all of them, what has resolved survives the death of the process.
   * @default 'commit'
   */
  durability?: 'commit' | 'interval' | 'process' | undefined;
  /** Compress data and metadata; true: by zstd where Node has it, else brotli. May change over time. @default false */
  compression?: boolean | CompressionOptions | undefined;
  /** What makes new data out of old; see {@link Upcasters}. @default none */
  upcasters?: Upcasters | undefined;
  snapshots?: SnapshotOptions | undefined;
  /** Told of what happens. @default nobody */
  logger?: Logger | undefined;
  /** Where the timestamps are from. @default Date.now */
  clock?: (() => number) | Clock | undefined;
}

/** Options of `store`. */
export interface StoreOptions extends WaitOptions {
  /** What the version of the aggregate must be; else MMCB_VERSION_CONFLICT. @default 'any' */
  expectedVersion?: ExpectedVersion | undefined;
  /** What the version of the event must become; else MMCB_VERSION_CONFLICT. @default the next one */
  version?: Version | undefined;
}

/** Options of `storeBatch`. */
export interface StoreBatchOptions extends WaitOptions {
  /** The same for each aggregate of the batch, or for each its own, by aggregate id. @default 'any' */
  expectedVersion?: ExpectedVersion | Readonly<Record<string, ExpectedVersion>> | undefined;
  /** What the version of the first event must become. @default the next one */
  version?: Version | undefined;
}

/** Options of `load`. */
export interface LoadOptions<E extends DomainEvent = DomainEvent> extends WaitOptions {
  /** Only events after this version. @default 0, from the start */
  since?: Version | undefined;
  /** Only events up to this version. @default the latest one */
  until?: Version | undefined;
  /** Only events of these types. @default all */
  types?: readonly E['type'][] | undefined;
  /** At most so many. @default no limit */
  limit?: number | undefined;
  /** The latest first. @default false */
  backwards?: boolean | undefined;
}

/** Options of `subscribe`. */
export interface SubscribeOptions<E extends DomainEvent = DomainEvent> extends WaitOptions {
  /** Only events after this version. @default 0, from the start */
  since?: Version | undefined;
  /** Only events of these types. @default all */
  types?: readonly E['type'][] | undefined;
  /** Only events of this aggregate. @default of all */
  aggregateId?: string | undefined;
}

/** Options of `runGC`. */
export interface CollectOptions extends WorkOptions {
  /** Collect the events before this version. @default those that a snapshot of their aggregate covers */
  before?: Version | undefined;
  /** Aggregates of which nothing is collected. @default none */
  keepAggregates?: Iterable<string> | undefined;
  /** Collect also what is not behind every checkpoint. @default false */
  ignoreCheckpoints?: boolean | undefined;
  /** Give the space back to the file system now. @default true */
  compact?: boolean | undefined;
}

const MAX_SCHEMA = 65_535;

const codec = objectWith<Codec<unknown>>('encode', 'decode');

const snapshotTable = { codec, schemaVersion: integer(1, 1, MAX_SCHEMA) };

/** The algorithm that `compression: true` stands for. */
const bestAlgorithm = 'zstdCompressSync' in zlib ? 'zstd' : 'brotli';

/** What an owner's name is in the name of an option, for nested tables. */
const ownerOf = (name: string): string => name.slice(name.indexOf(' of ') + 4);

export const storeOptionsTable = {
  ...bufferTable,
  codec,
  durability: oneOf('commit', ['commit', 'interval', 'process']),
  compression: custom<CompressionOptions | undefined>(undefined, (value, name) => {
    if (typeof value === 'boolean') return value ? { algorithm: bestAlgorithm } : undefined;
    if (typeof value === 'object' && value !== null) return { algorithm: bestAlgorithm, ...value };
    throw new TypeError(`${name} must be true, false or an object, got ${show(value)}`);
  }),
  upcasters: custom<Upcasters>({}, checkUpcasters),
  snapshots: custom({ codec: undefined as Codec<unknown> | undefined, schemaVersion: 1 }, (value, name) =>
    readOptions(snapshotTable, value, ownerOf(name), 'snapshots.'),
  ),
  logger: objectWith<Logger>('debug', 'info', 'warn', 'error'),
  clock: clockRule,
};

function checkUpcasters(value: unknown, name: string): Upcasters {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object of arrays of functions, by type, got ${show(value)}`);
  }
  for (const [type, list] of Object.entries(value)) {
    if (!Array.isArray(list) || list.some((one) => typeof one !== 'function') || list.length >= MAX_SCHEMA) {
      throw new TypeError(`${name} must have an array of functions for type ${show(type)}, got ${show(list)}`);
    }
  }
  return value as Upcasters;
}

const version = integer<number | undefined>(undefined, 0, Number.MAX_SAFE_INTEGER);

function checkTypes(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || value.some((type) => typeof type !== 'string')) {
    throw new TypeError(`${name} must be an array of strings, got ${show(value)}`);
  }
  return value as string[];
}
const types = custom<readonly string[] | undefined>(undefined, checkTypes);

const aName = custom<string | undefined>(undefined, (value, name) => {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${show(value)}`);
  return value;
});

export const storeTable = {
  ...waitTable,
  expectedVersion: custom<ExpectedVersion>('any', checkExpected),
  version,
};

export const storeBatchTable = {
  ...waitTable,
  expectedVersion: custom<ExpectedVersion | ReadonlyMap<string, ExpectedVersion>>('any', (value, name) => {
    if (typeof value !== 'object' || value === null) return checkExpected(value, name);
    const entries = Object.entries(value).map(([id, expected]): [string, ExpectedVersion] => {
      return [id, checkExpected(expected, `${show(id)} in ${name}`)];
    });
    return new Map(entries);
  }),
  version,
};

export const loadTable = {
  ...waitTable,
  since: version,
  until: version,
  types,
  limit: custom(Number.POSITIVE_INFINITY, (value, name) =>
    value === Number.POSITIVE_INFINITY ? value : integer(0, 0, Number.MAX_SAFE_INTEGER).check(value, name),
  ),
  backwards: flag(false),
};

export const subscribeTable = { ...waitTable, since: version, types, aggregateId: aName };

export const collectTable = {
  ...workTable,
  before: version,
  keepAggregates: custom<ReadonlySet<string>>(new Set(), (value, name) => {
    if (typeof value === 'object' && value !== null && Symbol.iterator in value) {
      const ids = [...(value as Iterable<unknown>)];
      if (ids.every((id) => typeof id === 'string')) return new Set(ids as string[]);
    }
    throw new TypeError(`${name} must be aggregate ids, in an array or a Set, got ${show(value)}`);
  }),
  ignoreCheckpoints: flag(false),
  compact: flag(true),
};
