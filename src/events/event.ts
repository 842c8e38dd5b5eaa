/** Events as programs see them, and the checks of what a program hands over. */
import { describe, MmcbError } from '../errors.js';
import { show } from '../internal/options.js';

/**
 * Where an event stands in the one order of all events of a store: 1 for the first, and so on without gaps. 0 stands before
 * the first. Compare versions as numbers; `String(version)` and {@link EventStore.parseVersion} carry them as text.
 */
export type Version = number;

/** Something that has happened to an aggregate. Other properties than these are not stored. */
export interface DomainEvent<Type extends string = string, Data = unknown, Metadata = unknown> {
  /** Names the event for good; no other event of the store may have it. Not empty, at most 16,383 characters. */
  readonly id: string;
  /** Not empty, at most 16,383 characters; a store keeps each type in memory once. */
  readonly type: Type;
  /** Whom it happened to. Not empty, at most 16,383 characters. */
  readonly aggregateId: string;
  /** What the codec can encode. */
  readonly data: Data;
  /** The same; left out where there is none. */
  readonly metadata?: Metadata | undefined;
}

/** An event with its place. */
export interface StoredEvent<E extends DomainEvent = DomainEvent> {
  readonly event: E;
  readonly version: Version;
  /** Its number among the events of its aggregate: 1 for the first, and so on without gaps. */
  readonly aggregateVersion: number;
  /** When it was stored: milliseconds since 1970. */
  readonly timestamp: number;
}

/**
 * What must be true of an aggregate for its events to be stored: that its version, the number of its events so far, is this;
 * 'none': that it has no events (the same as 0); 'any': nothing.
 */
export type ExpectedVersion = number | 'none' | 'any';

/** Most characters of an id, a type, an aggregate id or the name of a checkpoint: any of them fits a record and a key. */
export const MAX_NAME = 16_383;

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME;
}

/** A name that can be stored; a TypeError, RangeError or MMCB_TOO_LARGE that names the argument. */
export function checkName(value: unknown, name: string): string {
  if (isName(value)) return value;
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${show(value)}`);
  if (value === '') throw new RangeError(`${name} must not be empty`);
  if (value.length > MAX_NAME) {
    throw new MmcbError(
      'MMCB_TOO_LARGE',
      describe('MMCB_TOO_LARGE', `${name} has ${value.length} characters, of at most ${MAX_NAME}`),
    );
  }
  return value;
}

/** An event that can be stored, but for its data. `name`, and `index` if it is one of several: as it stands in messages. */
export function checkEvent<E extends DomainEvent>(event: E, name: string, index?: number): E {
  const isObject = typeof event === 'object' && event !== null && !Array.isArray(event);
  // What messages are made of is made only for them: this is done for each event.
  if (isObject && isName(event.id) && isName(event.type) && isName(event.aggregateId)) return event;
  const place = index === undefined ? name : `${name}[${index}]`;
  if (!isObject) throw new TypeError(`${place} must be an event { id, type, aggregateId, data }, got ${show(event)}`);
  checkName(event.id, `${place}.id`);
  checkName(event.type, `${place}.type`);
  checkName(event.aggregateId, `${place}.aggregateId`);
  return event;
}

/** A version; a TypeError or RangeError that names the argument. `latest`: versions above are of another store. */
export function checkVersion(value: unknown, name: string, latest = Number.MAX_SAFE_INTEGER): Version {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a version (a number), got ${show(value)}`);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} must be a version, a whole number from 0 on, got ${value}`);
  }
  if (value > latest) {
    throw new RangeError(`${name} is ${value}, and the latest version is ${latest}: it is of another store`);
  }
  return value;
}

/** The version that a text, made with `String(version)`, stands for. */
export function parseVersion(text: string): Version {
  if (typeof text !== 'string') throw new TypeError(`text must be a string, got ${show(text)}`);
  const version = /^(?:0|[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(version)) throw new RangeError(`text must be a version, as '42', got ${show(text)}`);
  return version;
}

export function checkExpected(value: unknown, name: string): ExpectedVersion {
  if (value === 'none' || value === 'any') return value;
  if (typeof value !== 'number') {
    throw new TypeError(`${name} must be a number, 'none' or 'any', got ${show(value)}`);
  }
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} must be a whole number from 0 on, 'none' or 'any', got ${value}`);
  }
  return value;
}
