export interface Cell {
  durability: string;
  group: string;
  size: number;
  entries: number;
  engine: string;
  workload: string;
}
export class Figures {
  constructor(results: { trials: object[]; settings: object });
  ns(cell: Cell): { median: number; min: number; max: number; rounds: number } | undefined;
  value(cell: Cell): { value: number; unit: string } | undefined;
}
