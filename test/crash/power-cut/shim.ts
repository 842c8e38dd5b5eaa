/** Compiles shim.c. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tempFolder } from '../../support/temp.js';

/** The path of the library to preload. */
export function buildShim(): string {
  const shim = join(tempFolder(), 'shim.so');
  const source = fileURLToPath(new URL('./shim.c', import.meta.url));
  const flags = ['-O2', '-Wall', '-Werror', '-shared', '-fPIC', '-pthread'];
  execFileSync(process.env['CC'] ?? 'cc', [...flags, source, '-o', shim]);
  return shim;
}
