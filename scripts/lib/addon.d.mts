export interface AddonNeeds {
  needed: string[];
  glibc: string;
  exported: string[];
}
export function readAddon(path: string): Promise<AddonNeeds>;
export function addonProblems(addon: AddonNeeds, maxGlibc?: string): string[];
export function compareVersions(a: string, b: string): number;
