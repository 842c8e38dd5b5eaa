/** Starting: options are checked, the file is opened, and names are kept. */
import { describe, MmcbError } from '../errors.js';
import { readOptions } from '../internal/options.js';
import { Journal } from './journal.js';
import { type Processor, partitionedTable } from './options.js';
import type { Parts } from './partitioned-buffer.js';
import { loadProcessor } from './worker-processor.js';

/** The running instances of a kind, by name. */
export class Registry {
  readonly #kind: string;
  readonly #running = new Map<string, object>();
  #unnamed = 0;

  constructor(kind: string) {
    this.#kind = kind;
  }

  get(name: string): object | undefined {
    return this.#running.get(name);
  }

  /** A name that nobody has. */
  newName(): string {
    this.#unnamed += 1;
    return `${this.#kind} ${this.#unnamed}`;
  }

  assertFree(name: string): void {
    if (!this.#running.has(name)) return;
    throw new MmcbError(
      'MMCB_LOCKED',
      `a ${this.#kind} named ${name} is running; stop it first, or choose another name`,
    );
  }

  add(buffer: { readonly name: string }): void {
    this.assertFree(buffer.name);
    this.#running.set(buffer.name, buffer);
  }

  remove(buffer: { readonly name: string }): void {
    if (this.#running.get(buffer.name) === buffer) this.#running.delete(buffer.name);
  }
}

/** Checks options, opens the file, and loads the processor. */
export async function startParts<T>(kind: string, options: unknown, registry: Registry): Promise<Parts<T>> {
  const owner = `${kind}.start`;
  const settings = readOptions(partitionedTable, options, owner);
  if (settings.processor === undefined) throw new TypeError(`option 'processor' of ${owner} is required`);
  const { path } = settings;
  settings.delivery ??= path === undefined ? 'at-most-once' : 'at-least-once';
  const name = settings.name ?? registry.newName();
  registry.assertFree(name);
  if (settings.buffer?.readOnly) throw new MmcbError('MMCB_READ_ONLY', describe('MMCB_READ_ONLY', owner));
  const journal = path === undefined ? undefined : await Journal.open(path, `${kind} 1`, settings.buffer, owner);
  const processor = loadProcessor<T>(settings.processor as Processor<T> | URL | string, settings.partitions);
  return { owner: kind, name, settings, processor, journal };
}
