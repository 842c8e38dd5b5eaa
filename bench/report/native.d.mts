import type { NativeResults } from '../native/results.mjs';
export function nativeTables(results: NativeResults): string;
