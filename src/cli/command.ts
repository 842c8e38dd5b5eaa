/** What every command gets besides its own arguments. */
import type { Output } from './output.js';

export interface Command {
  readonly output: Output;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}
