/**
 * Part of every test file in a run with sanitizers (scripts/node-sanitizers.mjs): the addon that the tests use is the
 * sanitized one and no other, and the sanitizers' runtimes are in this process.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { afterAll } from 'vitest';
import { loadBinding } from '../../src/internal/load-binding.js';

const mapped = (): Set<string> =>
  new Set(
    readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .map((line) => line.slice(line.indexOf('/')).trim()),
  );

function check(): void {
  loadBinding();
  const wanted = realpathSync(process.env['MMCB_NATIVE_BINDING'] as string);
  const addons = [...mapped()].filter((path) => path.endsWith('.node') && path.includes('mmcb'));
  if (addons.length !== 1 || addons[0] !== wanted) throw new Error(`mapped: ${addons}; wanted: ${wanted} alone`);
  for (const name of (process.env['MMCB_SANITIZERS'] as string).split(',')) {
    if (![...mapped()].some((path) => path.endsWith(`/${name}`))) throw new Error(`${name} is not in this process`);
  }
}

check();
afterAll(check);
