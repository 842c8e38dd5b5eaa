/** Turns: of the event loop, in what would otherwise run without a break. */

/** Milliseconds after which a reader lets others work. Timers, deadlines among them, do not run in between. */
const TURN = 10;

/** Lets the event loop turn now and then. */
export class Turns {
  #last = performance.now();

  get isDue(): boolean {
    return performance.now() - this.#last > TURN;
  }

  async takeIfDue(): Promise<void> {
    if (this.isDue) await this.take();
  }

  /** Lets others work. */
  async take(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#last = performance.now();
  }
}
