/** Waiting for what happens elsewhere, in other processes mostly. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves as soon as `condition` holds; rejects after `limit` milliseconds. Returns how long it took. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
  limit = 5000,
): Promise<number> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > limit) throw new Error(`${what} did not come true within ${limit} ms`);
    await sleep(1);
  }
  return performance.now() - start;
}

/** A promise that is settled from outside. */
export function deferred<T>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: (value) => resolve(value) };
}
