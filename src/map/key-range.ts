/** Ranges of keys: their options, and what native code is told of them. */
import { RangeFlag } from '../internal/native.js';
import { custom, flag, readOptions, show } from '../internal/options.js';

/** Bounds of keys, compared by their code points. Without one, a range begins with the first key, or ends with the last. */
export interface KeyBounds {
  /** Keys above this one; not together with `gte`. */
  gt?: string | undefined;
  /** Keys from this one on. */
  gte?: string | undefined;
  /** Keys below this one; not together with `lte`. */
  lt?: string | undefined;
  /** Keys up to this one. */
  lte?: string | undefined;
}

/** A part of a map in key order. */
export interface KeyRange extends KeyBounds {
  /** From the last key to the first. @default false */
  reverse?: boolean | undefined;
  /** At most so many entries, counted from where the range begins: 0 or more. @default Infinity */
  limit?: number | undefined;
}

/** A range as native code takes it. */
export interface NativeRange {
  /** Where to begin: the upper bound of a reversed range. Undefined: at the first key, or the last. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Bits of {@link RangeFlag}. */
  readonly flags: number;
  /** At most Number.MAX_SAFE_INTEGER. */
  readonly limit: number;
}

const bound = custom<string | undefined>(undefined, (value, name) => {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${show(value)}`);
  return value;
});

const boundsTable = { gt: bound, gte: bound, lt: bound, lte: bound };
const rangeTable = {
  ...boundsTable,
  reverse: flag(false),
  limit: custom(Number.MAX_SAFE_INTEGER, (value, name) => {
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${show(value)}`);
    if (value === Number.POSITIVE_INFINITY) return Number.MAX_SAFE_INTEGER;
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new RangeError(`${name} must be a whole number from 0 on, or Infinity, got ${value}`);
  }),
};

/** Checks a range given to `owner`. */
export function readRange(range: KeyRange | undefined, owner: string): NativeRange {
  const { reverse, limit, ...bounds } = readOptions(rangeTable, range, owner);
  return withBounds(bounds, owner, reverse, limit);
}

/** The first entry between bounds, or with `reverse` the last one, as a range. */
export function readBounds(bounds: KeyBounds | undefined, owner: string, reverse: boolean): NativeRange {
  return withBounds(readOptions(boundsTable, bounds, owner), owner, reverse, 1);
}

function withBounds({ gt, gte, lt, lte }: KeyBounds, owner: string, reverse: boolean, limit: number): NativeRange {
  if (gt !== undefined && gte !== undefined) throw new TypeError(`${owner} takes 'gt' or 'gte', not both`);
  if (lt !== undefined && lte !== undefined) throw new TypeError(`${owner} takes 'lt' or 'lte', not both`);
  const low = { key: gte ?? gt, isInclusive: gte !== undefined };
  const high = { key: lte ?? lt, isInclusive: lte !== undefined };
  return nativeRange(low, high, reverse, limit);
}

/** One end of a range; without a key there is no bound. */
export interface Bound {
  key: string | undefined;
  isInclusive: boolean;
}

export function nativeRange(low: Bound, high: Bound, reverse: boolean, limit: number): NativeRange {
  const [from, to] = reverse ? [high, low] : [low, high];
  const flags =
    (reverse ? RangeFlag.REVERSE : 0) |
    (from.isInclusive ? RangeFlag.FROM_INCLUSIVE : 0) |
    (to.isInclusive ? RangeFlag.TO_INCLUSIVE : 0);
  return { from: from.key, to: to.key, flags, limit };
}
