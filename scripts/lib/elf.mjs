// What an addon for Linux is and asks for, as readelf (binutils) tells.
import { must } from './run.mjs';
import { compareVersions } from './versions.mjs';

export const readElf = async (path) =>
  parseElf(await must('readelf', 'readelf', ['--file-header', '--dynamic', '--dyn-syms', '-W', path]));

/** Its `version` is the lowest glibc that has all its symbols; with musl, which has no versions, it is ''. */
export function parseElf(text) {
  const versions = [...text.matchAll(/@+GLIBC_(\d+(?:\.\d+)*)/g)].map(([, version]) => version);
  const version = versions.sort(compareVersions).at(-1) ?? '';
  return {
    machine: text.match(/Machine: +(?:Advanced Micro Devices )?(.+)/)?.[1] ?? 'unknown',
    system: version === '' ? 'musl' : 'glibc',
    version,
    needed: [...text.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name),
    exported: [...text.matchAll(/ (?:GLOBAL|WEAK|UNIQUE) +DEFAULT +\d+ ([^\s@]+)/g)].map(([, name]) => name),
    lacks: [],
  };
}
