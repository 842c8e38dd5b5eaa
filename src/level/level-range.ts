/** Ranges of a level database: what abstract-level makes of their options, as a range of stored keys. */
import { type NativeRange, nativeRange } from '../map/key-range.js';
import { type LevelKey, storedKey } from './level-keys.js';

/** Range options as abstract-level hands them over: encoded, `limit` -1 for none. Of `gt` and `gte` the latter counts. */
export interface LevelRangeOptions {
  gt?: LevelKey;
  gte?: LevelKey;
  lt?: LevelKey;
  lte?: LevelKey;
  reverse: boolean;
  limit: number;
}

export class LevelRange {
  readonly native: NativeRange;
  readonly #low: string | undefined;
  readonly #high: string | undefined;
  readonly #hasLow: boolean;
  readonly #hasHigh: boolean;

  constructor(options: LevelRangeOptions) {
    const { gt, gte, lt, lte, reverse, limit } = options;
    this.#hasLow = gte !== undefined;
    this.#hasHigh = lte !== undefined;
    this.#low = stored(gte ?? gt);
    this.#high = stored(lte ?? lt);
    this.native = nativeRange(
      { key: this.#low, isInclusive: this.#hasLow },
      { key: this.#high, isInclusive: this.#hasHigh },
      reverse,
      limit < 0 ? Number.MAX_SAFE_INTEGER : limit,
    );
  }

  /** True where there are no bounds and no limit. */
  get isEverything(): boolean {
    return this.#low === undefined && this.#high === undefined && this.native.limit === Number.MAX_SAFE_INTEGER;
  }

  /** Whether a stored key lies between the bounds. Stored keys compare as strings, all their characters being bytes. */
  includes(key: string): boolean {
    if (this.#low !== undefined && !(this.#hasLow ? key >= this.#low : key > this.#low)) return false;
    return this.#high === undefined || (this.#hasHigh ? key <= this.#high : key < this.#high);
  }
}

function stored(key: LevelKey | undefined): string | undefined {
  return key === undefined ? undefined : storedKey(key);
}
