/**
 * Load claims: which thread of the process calls the loader of a key, where several have the file of a cache open. The first to
 * put a claim into the file does; the others wait until it says that it is done, or until the claim has ended.
 */
import { monotonic } from './entry.js';
import type { FileLayer } from './file-layer.js';
import { runOfProcess, type Siblings } from './siblings.js';

/** What stands before a key in the name of its claim. */
const PREFIX = 'c';
/** Milliseconds between two looks at a claim of another thread, which may have died. */
const LOOK = 250;

export class LoadClaims {
  readonly #file: FileLayer;
  readonly #siblings: Siblings;
  readonly #origin: string;
  readonly #timeout: number;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(file: FileLayer, siblings: Siblings, origin: string, timeout: number) {
    this.#file = file;
    this.#siblings = siblings;
    this.#origin = origin;
    this.#timeout = timeout;
  }

  /** Claims a key; false after having waited for another thread that had: there may be something by now. */
  async take(key: string): Promise<boolean> {
    if (!this.#siblings.shared) return true;
    const name = PREFIX + key;
    if (this.#file.insertOwn(name, this.#claim())) return true;
    await this.#done(key);
    // A claim whose time is over, or of a process that is no more, is nobody's.
    const claim = this.#file.own(name);
    if (claim !== undefined && !this.#holds(claim)) this.#file.removeOwn(name, claim);
    return false;
  }

  /** Gives a key back, and wakes those who wait for it. */
  release(key: string): void {
    const name = PREFIX + key;
    const claim = this.#file.store.status === 'open' ? this.#file.own(name) : undefined;
    if (claim === undefined) return;
    if (claim.split(' ')[2] === this.#origin) this.#file.removeOwn(name, claim);
    this.#siblings.tell({ kind: 'loaded', key });
  }

  /** Another thread is done with a key. */
  wake(key: string): void {
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    for (const resolve of waiting ?? []) resolve();
  }

  #claim(): string {
    return `${runOfProcess()} ${monotonic() + this.#timeout} ${this.#origin}`;
  }

  #holds(claim: string): boolean {
    const [run, deadline] = claim.split(' ');
    return Number(run) === runOfProcess() && Number(deadline) > monotonic();
  }

  #done(key: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, waiting);
      const end = (): void => {
        clearTimeout(timer);
        waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, Math.min(LOOK, this.#timeout));
      waiting.add(end);
    });
  }
}
