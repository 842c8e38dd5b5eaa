export interface NativeResults {
  settings: { entries: number; size: number; rounds: number; preset: string };
  benchmarks: Record<string, { ns: number[]; processor: number[] }>;
  tkrzw: Record<string, Record<string, number[]>>;
}
interface Times {
  median: number;
  min: number;
  max: number;
}
export function besideTkrzw(results: NativeResults): { call: string; mmcb: Times; tkrzw: Times }[];
export function trialsOf(results: NativeResults | undefined): object[];
