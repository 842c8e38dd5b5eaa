import type { Figures } from '../results.mjs';

export function evaluateTargets(
  targets: object[],
  figures: Figures,
  volatile: (engine: string) => boolean,
): { workload: string; bound: string; figure: string; verdict: string }[];
export function whereBehind(figures: Figures, engines: string[]): { engine: string; workload: string; times: number }[];
