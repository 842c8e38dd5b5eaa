/** Medians, spread and percentiles. */

/** The p-th share (0 to 1) of sorted numbers, by the nearest rank: always one of them. */
export function percentile(sorted, share) {
  if (sorted.length === 0) return undefined;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

export function median(numbers) {
  const sorted = ascending(numbers);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median, least and greatest of the rounds of one measurement. */
export function summary(rounds) {
  const sorted = ascending(rounds);
  return { median: median(rounds), min: sorted[0], max: sorted.at(-1), rounds: rounds.length };
}

/** What is reported of the latencies of single operations. */
export function latencySummary(nanoseconds) {
  const sorted = ascending(nanoseconds);
  const at = (share) => Math.round(percentile(sorted, share));
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: Math.round(sorted.at(-1)), samples: sorted.length };
}

/** Not toSorted(): its plain arrays cost gigabytes for many samples, and the default order is that of strings. */
function ascending(numbers) {
  return Float64Array.from(numbers).sort();
}
