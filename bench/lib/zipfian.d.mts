export const SKEW: number;
export function zipfian(count: number, random: () => number, skew?: number): () => number;
export function scrambledZipfian(order: Uint32Array, random: () => number, skew?: number): () => number;
