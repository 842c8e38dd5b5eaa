import type { Addon } from './addon.mjs';

export function readMachO(path: string): Promise<Addon>;
export function parseMachO(text: string): Addon;
