// What an addon for Linux needs of the machine that loads it, as readelf (binutils) tells.
import { must } from './run.mjs';

/** What every Linux has that runs Node: the C library under its names, and the loader. */
const systemLibraries =
  /^(lib(c|m|dl|pthread|rt)\.so\.\d+|ld-linux(-[\w-]+)?\.so\.\d+|(ld|libc\.)-?musl-\w+\.so\.1|libc\.musl-\w+\.so\.1)$/;

/** The libraries that it loads, the lowest glibc that has all its symbols ('' with musl), and what it exports. */
export async function readAddon(path) {
  const dynamic = await must('readelf', 'readelf', ['-d', '-W', path]);
  const symbols = await must('readelf', 'readelf', ['--dyn-syms', '-W', path]);
  const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name);
  const versions = [...symbols.matchAll(/@+GLIBC_(\d+(?:\.\d+)*)/g)].map(([, version]) => version);
  const exported = [...symbols.matchAll(/ (?:GLOBAL|WEAK|UNIQUE) +DEFAULT +\d+ ([^\s@]+)/g)].map(([, name]) => name);
  return { needed, glibc: versions.sort(compareVersions).at(-1) ?? '', exported };
}

/** What is wrong with it for a package that is to run everywhere; empty: nothing. `maxGlibc`: '' for whatever it is. */
export function addonProblems({ needed, glibc, exported }, maxGlibc = '') {
  const problems = needed
    .filter((name) => !systemLibraries.test(name))
    .map((name) => `it needs ${name}, which is not on every machine`);
  if (maxGlibc !== '' && glibc !== '' && compareVersions(glibc, maxGlibc) > 0) {
    problems.push(`it needs glibc ${glibc}, and should do with ${maxGlibc}: build it where the C library is that old`);
  }
  if (!exported.some((name) => name.startsWith('napi_register_module'))) problems.push('it exports no Node-API module');
  return problems;
}

/** Negative where version `a` is the lower one. */
export function compareVersions(a, b) {
  const [first, second] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    const difference = (first[i] ?? 0) - (second[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
