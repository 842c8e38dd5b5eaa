export function generator(seed: number): () => number;
export function permutation(count: number, random: () => number): Uint32Array;
