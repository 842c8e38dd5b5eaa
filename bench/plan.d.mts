export interface Trial {
  round: number;
  engine: string;
  group: string;
  durability: string;
  size: number;
  entries: number;
}
export function planTrials(
  settings: {
    sizes: number[];
    entries: number[];
    tables: string[];
    groups: string[];
    engines: string[];
    rounds: number;
    large?: { entries: number; engines: string[]; groups: string[] } | undefined;
  },
  taken: (engine: string) => Record<string, string[]>,
): Trial[];
export function rotated<T>(list: T[], by: number): T[];
