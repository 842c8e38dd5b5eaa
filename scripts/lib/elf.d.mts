import type { Addon } from './addon.mjs';

export function readElf(path: string): Promise<Addon>;
export function parseElf(text: string): Addon;
