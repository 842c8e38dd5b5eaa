import { statSync } from 'node:fs';

/** What a file is told apart by, whatever its name: device and number. */
export function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}
