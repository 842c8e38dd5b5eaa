/**
 * The circuit breaker (Nygard, "Release It!", 2007): after some failures in a row calls are refused at once, instead of each waiting
 * for its deadline; from time to time one trial finds out whether it can be closed again.
 */

/** Milliseconds until the first trial; each failed one doubles the wait. */
const FIRST_WAIT = 50;
const LONGEST_WAIT = 2_000;

export class Breaker {
  readonly #threshold: number;
  #failures = 0;
  #trials = 0;
  #open = false;

  /** `threshold`: failures in a row that open it. */
  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  /** Whether calls are refused. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** A call succeeded. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** A call failed; true if that opens the breaker. */
  failed(): boolean {
    this.#failures += 1;
    return !this.#open && this.#failures >= this.#threshold;
  }

  /** Refuses calls from now on. */
  open(): void {
    this.#open = true;
  }

  /** Lets calls through again. */
  close(): void {
    this.#open = false;
    this.#failures = 0;
    this.#trials = 0;
  }

  /** Milliseconds until the next trial. */
  nextWait(): number {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#trials);
    this.#trials += 1;
    return wait;
  }
}
