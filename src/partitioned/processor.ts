/** Processors: how a batch is handed over, whatever the processor does: throw, reject, throw null, or never settle. */
import type { FullClock } from '../queue/clock.js';
import type { Processor } from './options.js';

/** Calls of processors, each with its time limit. */
export class ProcessorCalls<T> {
  readonly #processor: Processor<T>;
  readonly #clock: FullClock;
  readonly #running = new Set<(reason: unknown) => void>();

  constructor(processor: Processor<T>, clock: FullClock) {
    this.#processor = processor;
    this.#clock = clock;
  }

  /**
   * Resolves when the processor has returned, and what it returned has resolved. After `timeout` ms its signal is aborted
   * and this rejects with a TimeoutError; whatever the processor does later is ignored.
   */
  call(batch: T[], partition: number, attempt: number, timeout: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const controller = new AbortController();
      let timer: unknown;
      const end = (settle: () => void): void => {
        if (!this.#running.delete(abort)) return;
        if (timer !== undefined) this.#clock.clearTimeout(timer);
        settle();
      };
      const abort = (reason: unknown): void =>
        end(() => {
          controller.abort(reason);
          reject(reason);
        });
      this.#running.add(abort);
      if (timeout !== Number.POSITIVE_INFINITY) {
        timer = this.#clock.setTimeout(
          () => abort(new DOMException(`the processor took longer than ${timeout} ms`, 'TimeoutError')),
          timeout,
        );
      }
      try {
        const result = this.#processor(batch, { partition, attempt, signal: controller.signal });
        Promise.resolve(result).then(
          () => end(resolve),
          (error: unknown) => end(() => reject(error)),
        );
      } catch (error) {
        end(() => reject(error));
      }
    });
  }

  /** Aborts what is running. */
  abort(reason: unknown): void {
    for (const abort of [...this.#running]) abort(reason);
  }
}
