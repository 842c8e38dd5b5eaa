export function table(rows: (string | number)[][]): string;
export function replaceBlock(document: string, name: string, content: string): string;
export function duration(nanoseconds: number): string;
export function byteCount(bytes: number): string;
export function ratio(number: number): string;
export function count(number: number): string;
export function digits(number: number): string;
