export const LEAST: number;
export function valueBytes(id: number, size: number): Buffer;
export function idOf(bytes: Buffer): number | undefined;
