// The machines that the package carries an addon for, and where it lies for each, as src/internal/load-binding.ts looks for it:
// prebuilds/<platform>-<arch>[-musl]/mmcb.node
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint, isFresh } from './fingerprint.mjs';
import { root } from './run.mjs';

/** The oldest that Node 20 itself runs with: that of Debian 10, Ubuntu 20.04 and RHEL 8. */
const glibc = '2.28';
const macOS = '12.0';

/**
 * By the name of the folder. `zig`: what Zig calls the target; `machine`: what readelf and objdump call it; `newest`: the version
 * of the system that the addon may ask for at most.
 */
export const targets = {
  'linux-x64': { zig: `x86_64-linux-gnu.${glibc}`, machine: 'X86-64', system: 'glibc', newest: glibc },
  'linux-arm64': { zig: `aarch64-linux-gnu.${glibc}`, machine: 'AArch64', system: 'glibc', newest: glibc },
  'linux-x64-musl': { zig: 'x86_64-linux-musl', machine: 'X86-64', system: 'musl' },
  'linux-arm64-musl': { zig: 'aarch64-linux-musl', machine: 'AArch64', system: 'musl' },
  'darwin-x64': { zig: `x86_64-macos.${macOS}`, machine: 'X86_64', system: 'macOS', newest: macOS },
  'darwin-arm64': { zig: `aarch64-macos.${macOS}`, machine: 'ARM64', system: 'macOS', newest: macOS },
};

/** The name of the machine this runs on; it need not be in the table. */
export function hostTarget() {
  const isMusl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
  return `${process.platform}-${process.arch}${isMusl ? '-musl' : ''}`;
}

/** The addon's place in the package. */
export const prebuildName = (target = hostTarget()) => `prebuilds/${target}/mmcb.node`;

/** Where `npm run prebuilds` puts it: not into prebuilds/, where it would be loaded instead of later builds. */
export const releaseName = (target) => `build/${prebuildName(target)}`;

/** The file beside it with the fingerprint of what it was built from. */
export const releaseStamp = (target) => `${releaseName(target)}.stamp`;

/** What that file says while the addon is up to date. */
export function releasePrint(target) {
  const code = ['native', 'CMakeLists.txt', 'node_modules/node-addon-api/package.json'];
  return fingerprint([...code, 'scripts/zig/toolchain.cmake', 'scripts/zig/package-lock.json'], targets[target].zig);
}

/** The targets whose addons are there. */
export const releasedTargets = () =>
  Object.keys(targets).filter((target) => existsSync(join(root, releaseName(target))));

/**
 * Copies them into the package at `folder`; for this machine, where none is there, the one that was built for the tests. Returns
 * the names of the targets. One that was built from other sources than those in the package is refused.
 */
export function stagePrebuilds(folder) {
  const released = releasedTargets();
  for (const target of released) {
    if (!isFresh(releaseName(target), releaseStamp(target), releasePrint(target))) {
      throw new Error(`${releaseName(target)} is of other sources: run "npm run prebuilds", or remove build/prebuilds`);
    }
    cpSync(join(root, releaseName(target)), join(folder, prebuildName(target)));
  }
  if (released.includes(hostTarget())) return released;
  cpSync(join(root, 'build/Release/mmcb.node'), join(folder, prebuildName()));
  return [...released, hostTarget()];
}
