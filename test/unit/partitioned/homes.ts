/** Where the suites of partitioned buffers run. */
import type { Home } from '../../contract/partitioned-queue/subject.js';
import { backends } from '../../support/backends.js';

export const homes: readonly Home[] = [
  { name: 'memory', options: () => ({}) },
  ...backends.map(({ name, options, path }) => ({ name, options: () => ({ path: path(), buffer: options }) })),
];
