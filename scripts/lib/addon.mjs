// Whether an addon is fit for a package that is to run on other machines than the one that built it.
import { readElf } from './elf.mjs';
import { readMachO } from './macho.mjs';
import { compareVersions } from './versions.mjs';

/** What every machine has that runs Node. */
const systemLibraries = {
  glibc: /^(lib(c|m|dl|pthread|rt)\.so\.\d+|ld-linux(-[\w-]+)?\.so\.\d+)$/,
  // One library under all its names: the loader of musl knows them by heart, and looks for no file ("libc." is enough).
  musl: /^(libc\.so|(ld|libc\.)-?musl-\w+\.so\.1)$/,
  macOS: /^\/usr\/lib\/lib(System\.B|c\+\+\.1)\.dylib$/,
};

/** What Node looks up. */
const moduleExports = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/**
 * What Zig's linker for macOS exports besides, whatever it is told: operator new and delete, and names of the linker's own. The
 * loader there binds by library and name, and a weak operator new to the first there is, which is malloc all the same.
 */
const linkerExports = /^(_Z(n[aw]|d[al])\w+|_mh_dylib_header|__dso_handle)$/;

/** Reads an addon for the `system` of a target (lib/prebuild.mjs). */
export const readAddon = (path, system) => (system === 'macOS' ? readMachO(path) : readElf(path));

/** What is wrong with it; empty: nothing. `wanted` is a target; what it leaves out may be as it is. */
export function addonProblems({ machine, system, version, needed, exported, lacks }, wanted = {}) {
  const problems = [];
  if (machine !== (wanted.machine ?? machine)) problems.push(`it is for ${machine}, not for ${wanted.machine}`);
  if (system !== (wanted.system ?? system)) problems.push(`it is for ${system}, not for ${wanted.system}`);
  for (const name of needed) {
    if (!systemLibraries[system].test(name)) problems.push(`it needs ${name}, which is not on every machine`);
  }
  const newest = wanted.newest ?? '';
  if (newest !== '' && (version === '' || compareVersions(version, newest) > 0)) {
    problems.push(`it needs ${system} ${version || 'of an unknown version'}, and should do with ${newest}`);
  }
  const missing = moduleExports.filter((name) => !exported.includes(name));
  if (missing.length > 0) problems.push(`it does not export ${missing.join(', ')}, and so is no Node-API module`);
  const isKnown = (name) => moduleExports.includes(name) || (system === 'macOS' && linkerExports.test(name));
  const leaked = exported.filter((name) => !isKnown(name));
  if (leaked.length > 0) problems.push(`it exports what is its own matter: ${leaked.join(', ')}`);
  return [...problems, ...lacks.map((what) => `it lacks ${what}`)];
}
