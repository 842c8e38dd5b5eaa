import type { WantedAddon } from './addon.mjs';

export const targets: Record<string, Required<Omit<WantedAddon, 'newest'>> & { zig: string; newest?: string }>;
export function hostTarget(): string;
export function prebuildName(target?: string): string;
