/**
 * Zipfian numbers, by the rejection-free method of Jim Gray et al., "Quickly Generating Billion-Record Synthetic Databases",
 * SIGMOD 1994 (figure 3: zipf), which YCSB uses too, with YCSB's skew of 0.99.
 */

export const SKEW = 0.99;

/** A function that returns ranks from 0, the most frequent, to `count` - 1. */
export function zipfian(count, random, skew = SKEW) {
  if (!(count >= 1)) throw new RangeError(`count must be at least 1, got ${count}`);
  let zeta = 0;
  for (let rank = 1; rank <= count; rank++) zeta += rank ** -skew;
  const zetaOfTwo = 1 + 2 ** -skew;
  const alpha = 1 / (1 - skew);
  const eta = (1 - (2 / count) ** (1 - skew)) / (1 - zetaOfTwo / zeta);
  return () => {
    const uniform = random();
    const scaled = uniform * zeta;
    if (scaled < 1) return 0;
    if (scaled < zetaOfTwo) return 1;
    // Rounding could lift the last rank to `count`.
    return Math.min(count - 1, Math.floor(count * (eta * uniform - eta + 1) ** alpha));
  };
}

/**
 * The same ranks, scattered over the numbers from 0 to `order.length` - 1 by a permutation, so that what is frequent does
 * not lie together. YCSB scatters by a hash; a permutation has no collisions, so the frequencies stay exactly Zipfian.
 */
export function scrambledZipfian(order, random, skew = SKEW) {
  const rank = zipfian(order.length, random, skew);
  return () => order[rank()];
}
