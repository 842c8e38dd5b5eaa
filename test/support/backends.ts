/** Where the stores of a suite live: the suites run on each. */
import type { BufferOptions } from '../../src/index.js';
import { tempFile } from './temp.js';

export interface Backend {
  readonly name: string;
  readonly options: BufferOptions;
  /** Whether what is closed can be opened again. */
  readonly persistent: boolean;
  /** A path at which there is nothing yet. */
  path(): string;
}

const small: BufferOptions = { initialSize: 65_536, segmentSize: 65_536 };

export const backends: readonly Backend[] = [
  {
    name: "a file, durability 'interval'",
    options: { ...small, durability: 'interval' },
    persistent: true,
    path: () => tempFile(),
  },
  {
    name: "a file, durability 'process'",
    options: { ...small, durability: 'process' },
    persistent: true,
    path: () => tempFile(),
  },
  { name: ':memory:', options: small, persistent: false, path: () => ':memory:' },
];
