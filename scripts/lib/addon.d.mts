export interface Addon {
  machine: string;
  system: 'glibc' | 'musl' | 'macOS';
  version: string;
  needed: string[];
  exported: string[];
  lacks: string[];
}
export interface WantedAddon {
  machine?: string;
  system?: string;
  newest?: string;
}
export function readAddon(path: string, system?: string): Promise<Addon>;
export function addonProblems(addon: Addon, wanted?: WantedAddon): string[];
