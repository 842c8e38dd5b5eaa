export function parsePasses(output: string, entries: number): { set: number; get: number; remove: number };
