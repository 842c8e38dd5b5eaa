/**
 * Options are described by tables of rules: what a value must be, and what it is when left out. `readOptions` checks an
 * options object against a table. A wrong type is a TypeError, a value out of range a RangeError, an unknown name a
 * TypeError that suggests the nearest valid one; each names the option.
 */
import { isAbsolute, resolve } from 'node:path';

/** Checks one option. `name` is its full name, for messages. */
export interface Rule<T> {
  /** The value when the option is left out or undefined. */
  readonly fallback: T;
  check(value: unknown, name: string): T;
}

export type Table = Readonly<Record<string, Rule<unknown>>>;
/** What `readOptions` returns for a table. */
export type Values<T extends Table> = { -readonly [K in keyof T]: T[K] extends Rule<infer V> ? V : never };

/** A table as `readOptions` goes through it: made once, as some are gone through by every call. */
interface Rows {
  readonly names: readonly string[];
  readonly rules: readonly Rule<unknown>[];
  /** What messages call the options, by owner. */
  readonly fullNames: Map<string, readonly string[]>;
}
const rowsOfTables = new WeakMap<Table, Rows>();

function rowsOf(table: Table): Rows {
  let rows = rowsOfTables.get(table);
  if (rows === undefined) {
    rows = { names: Object.keys(table), rules: Object.values(table), fullNames: new Map() };
    rowsOfTables.set(table, rows);
  }
  return rows;
}

function fullNamesOf({ names, fullNames }: Rows, owner: string, prefix: string): readonly string[] {
  const place = prefix === '' ? owner : `${owner} ${prefix}`;
  let full = fullNames.get(place);
  if (full === undefined) {
    full = names.map((name) => `option '${prefix}${name}' of ${owner}`);
    fullNames.set(place, full);
  }
  return full;
}

/** Checks `given` against `table`; `owner` names the call in messages, e.g. 'CompactableBuffer.open'. There are few of them. */
export function readOptions<T extends Table>(table: T, given: unknown, owner: string, prefix = ''): Values<T> {
  const rows = rowsOf(table);
  const { names, rules } = rows;
  const values: Record<string, unknown> = {};
  if (given === undefined) {
    for (let i = 0; i < names.length; i++) values[names[i] as string] = (rules[i] as Rule<unknown>).fallback;
    return values as Values<T>;
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const what = prefix === '' ? `the options of ${owner}` : `option '${prefix.slice(0, -1)}' of ${owner}`;
    throw new TypeError(`${what} must be an object, got ${show(given)}`);
  }
  const source = given as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(source)) {
    if (!Object.hasOwn(table, name)) throw unknownOption(name, prefix, [...names], owner);
  }
  const fullNames = fullNamesOf(rows, owner, prefix);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const rule = rules[i] as Rule<unknown>;
    const value = source[name];
    values[name] = value === undefined ? rule.fallback : rule.check(value, fullNames[i] as string);
  }
  return values as Values<T>;
}

// ---- Rules ----

/** A whole number from `min` to `max`. */
export function integer<T extends number | undefined>(fallback: T, min: number, max: number, unit = ''): Rule<T> {
  return { fallback, check: (value, name) => checkNumber(value, name, min, max, unit, true) as T };
}

/** A number from `min` to `max`. */
export function real(fallback: number, min: number, max: number): Rule<number> {
  return { fallback, check: (value, name) => checkNumber(value, name, min, max, '', false) };
}

export function flag(fallback: boolean): Rule<boolean> {
  return {
    fallback,
    check(value, name) {
      if (typeof value !== 'boolean') throw new TypeError(`${name} must be true or false, got ${show(value)}`);
      return value;
    },
  };
}

/** One of a few words. */
export function oneOf<const W extends string>(fallback: W, words: readonly W[]): Rule<W> {
  return {
    fallback,
    check(value, name) {
      if (typeof value !== 'string') throw new TypeError(`${name} must be ${list(words)}, got ${show(value)}`);
      const found = words.find((word) => word === value);
      if (found === undefined) throw new RangeError(`${name} must be ${list(words)}, got ${show(value)}`);
      return found;
    },
  };
}

export function signal(): Rule<AbortSignal | undefined> {
  return {
    fallback: undefined,
    check(value, name) {
      if (!isSignal(value)) throw new TypeError(`${name} must be an AbortSignal, got ${show(value)}`);
      return value;
    },
  };
}

/** A function; its own type cannot be checked. */
export function callback<F extends (...values: never[]) => unknown>(): Rule<F | undefined> {
  return {
    fallback: undefined,
    check(value, name) {
      if (typeof value !== 'function') throw new TypeError(`${name} must be a function, got ${show(value)}`);
      return value as F;
    },
  };
}

/** An object with these methods. */
export function objectWith<T extends object>(...methods: (keyof T & string)[]): Rule<T | undefined> {
  return {
    fallback: undefined,
    check(value, name) {
      const object = value as Readonly<Record<string, unknown>>;
      if (typeof value !== 'object' || value === null || methods.some((key) => typeof object[key] !== 'function')) {
        throw new TypeError(`${name} must be an object with ${list(methods, 'and')}, got ${show(value)}`);
      }
      return value as T;
    },
  };
}

/** An option with a check of its own. */
export function custom<T>(fallback: T, check: (value: unknown, name: string) => T): Rule<T> {
  return { fallback, check };
}

// ---- Arguments that are no options ----

/** The path of a store: ':memory:' or a file name, made absolute. */
export function checkPath(path: unknown, owner: string, name = 'path'): string {
  if (typeof path !== 'string') throw new TypeError(`${name} of ${owner} must be a string, got ${show(path)}`);
  if (path === '') throw new TypeError(`${name} of ${owner} must not be empty; use ':memory:' for no file`);
  if (path.includes('\0')) throw new TypeError(`${name} of ${owner} must not contain null characters`);
  return path === ':memory:' || isAbsolute(path) ? path : resolve(path);
}

export function checkNumber(value: unknown, name: string, min: number, max: number, unit = '', whole = true): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${show(value)}`);
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
    const range = `from ${min} to ${max}${unit === '' ? '' : ` ${unit}`}`;
    throw new RangeError(`${name} must be a${whole ? ' whole' : ''} number ${range}, got ${value}`);
  }
  return value;
}

/** A value as it stands in messages: short, and never throwing. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)}`;
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined)
    return String(value);
  if (typeof value === 'bigint') return `the bigint ${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  if (Array.isArray(value)) return 'an array';
  const maker: unknown = Object.getPrototypeOf(value)?.constructor;
  return typeof maker === 'function' && maker.name !== '' && maker !== Object ? `a ${maker.name}` : 'an object';
}

export function isSignal(value: unknown): value is AbortSignal {
  return typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value;
}

function list(words: readonly string[], joint = 'or'): string {
  const quoted = words.map((word) => `'${word}'`);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} ${joint} ${quoted.at(-1)}`;
}

function unknownOption(name: string, prefix: string, valid: string[], owner: string): TypeError {
  const nearest = valid.reduce<{ name: string; distance: number } | undefined>((best, candidate) => {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    return best === undefined || distance < best.distance ? { name: candidate, distance } : best;
  }, undefined);
  const close = nearest !== undefined && nearest.distance <= Math.max(2, Math.floor(nearest.name.length / 2));
  const advice = close
    ? `did you mean '${prefix}${nearest.name}'?`
    : valid.length === 0
      ? 'it takes none'
      : `it takes ${list(valid, 'and')}`;
  return new TypeError(`unknown option '${prefix}${name}' of ${owner}; ${advice}`);
}

/** Levenshtein distance: insertions, deletions and replacements that make `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
