/** The options that adapters over an ExpiringMap have in common. */
import { type BufferOptions, bufferTable } from '../buffer/options.js';
import type { Codec } from '../codec/codec.js';
import { custom, integer, objectWith, show } from '../internal/options.js';

export interface ExpiringOptions extends BufferOptions {
  /** The file; ':memory:' stands for none. Several stores of a process may have the same. */
  path: string;
  /** How values become bytes. Give the same each time. @default msgpack() */
  codec?: Codec<unknown> | undefined;
  /** Milliseconds between two sweeps that remove what has expired: 1 to 2,147,483,647, or Infinity. @default 60000 */
  cleanupInterval?: number | undefined;
}

export const expiringTable = {
  ...bufferTable,
  path: custom<string | undefined>(undefined, (value, name) => {
    if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a path, got ${show(value)}`);
    return value;
  }),
  codec: objectWith<Codec<unknown>>('encode', 'decode'),
  cleanupInterval: custom<number>(60_000, (value, name) =>
    value === Number.POSITIVE_INFINITY ? value : integer(1, 1, 2 ** 31 - 1, 'milliseconds').check(value, name),
  ),
};
