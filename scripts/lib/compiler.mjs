// What the compiler of this machine can do: asked by compiling a few lines.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { works } from './run.mjs';

/** True when `text` is a program that compiles with `flags`. */
export const compiles = (text, flags) => {
  const folder = mkdtempSync(join(tmpdir(), 'mmcb-probe-'));
  const source = join(folder, 'probe.cc');
  writeFileSync(source, text);
  const args = ['-std=c++20', source, '-o', join(folder, 'probe'), ...flags];
  return works(process.env.CXX ?? 'c++', args).finally(() => rmSync(folder, { recursive: true, force: true }));
};
