/** Folders for test files, removed after the tests of a file. */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll } from 'vitest';

const folders: string[] = [];

/** A new, empty folder. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mmcb-test-'));
  folders.push(folder);
  return folder;
}

/** Moves those that exist to a new folder, which outlives the tests. */
export function keepFiles(prefix: string, paths: readonly string[]): string {
  const kept = mkdtempSync(join(tmpdir(), prefix));
  for (const path of paths) if (existsSync(path)) renameSync(path, join(kept, basename(path)));
  return kept;
}

let count = 0;
let shared: string | undefined;

/** A path at which there is nothing yet. */
export function tempFile(name = 'file'): string {
  shared ??= tempFolder();
  count += 1;
  return join(shared, `${name}-${count}.mmcb`);
}

/** Removes a file of `tempFile` before the end, where there would be thousands. */
export function removeTempFile(path: string): void {
  if (path !== ':memory:') rmSync(path, { force: true });
}

afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  shared = undefined;
});
