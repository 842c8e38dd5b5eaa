export function percentile(sorted: ArrayLike<number>, share: number): number | undefined;
export function median(numbers: Iterable<number>): number;
export function summary(rounds: Iterable<number>): { median: number; min: number; max: number; rounds: number };
export function latencySummary(nanoseconds: Iterable<number>): {
  p50: number;
  p99: number;
  p999: number;
  max: number;
  samples: number;
};
