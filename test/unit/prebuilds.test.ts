/** The addons of a release: for which machines, and what the package's check of one finds fault with. */
import { describe, expect, it } from 'vitest';
import { type Addon, addonProblems } from '../../scripts/lib/addon.mjs';
import { parseElf } from '../../scripts/lib/elf.mjs';
import { parseMachO } from '../../scripts/lib/macho.mjs';
import { hostTarget, prebuildName, targets } from '../../scripts/lib/prebuild.mjs';
import { compareVersions } from '../../scripts/lib/versions.mjs';
import { target } from '../../src/internal/load-binding.js';

const wanted = (name: string) => targets[name] ?? expect.fail(`no target ${name}`);

const exported = ['node_api_module_get_api_version_v1', 'napi_register_module_v1'];
const glibc: Addon = {
  machine: 'X86-64',
  system: 'glibc',
  version: '2.28',
  needed: ['libc.so.6', 'libm.so.6', 'libpthread.so.0', 'ld-linux-x86-64.so.2'],
  exported,
  lacks: [],
};
const musl: Addon = { ...glibc, system: 'musl', version: '', needed: ['libc.so'] };
const mac: Addon = {
  machine: 'ARM64',
  system: 'macOS',
  version: '12.0',
  needed: ['/usr/lib/libSystem.B.dylib'],
  exported,
  lacks: [],
};

describe('targets', () => {
  it('are named as the library looks for them', () => {
    expect(hostTarget()).toBe(target());
    expect(prebuildName()).toBe(`prebuilds/${target()}/mmcb.node`);
    expect(Object.keys(targets)).toContain(target());
  });
});

describe('addonProblems', () => {
  it('has nothing against what needs the system only', () => {
    expect(addonProblems(glibc, wanted('linux-x64'))).toEqual([]);
    expect(addonProblems({ ...glibc, version: '2.17' }, wanted('linux-x64'))).toEqual([]);
    expect(addonProblems(musl, wanted('linux-x64-musl'))).toEqual([]);
    for (const needed of [['libc.musl-x86_64.so.1'], ['libc.so', 'ld-musl-aarch64.so.1']]) {
      expect(addonProblems({ ...musl, needed })).toEqual([]);
    }
    expect(addonProblems(mac, wanted('darwin-arm64'))).toEqual([]);
  });

  it('names what not every machine has', () => {
    expect(addonProblems({ ...glibc, needed: ['libstdc++.so.6', 'libgcc_s.so.1'] })).toHaveLength(2);
    expect(addonProblems({ ...musl, needed: ['libc.so', 'libstdc++.so.6'] })).toHaveLength(1);
    expect(addonProblems({ ...mac, needed: ['/opt/homebrew/lib/libfoo.dylib'] })).toHaveLength(1);
  });

  it('names a newer system than is promised, where one is', () => {
    expect(addonProblems({ ...glibc, version: '2.36' }, wanted('linux-x64'))).toEqual([
      expect.stringContaining('glibc 2.36'),
    ]);
    expect(addonProblems({ ...glibc, version: '2.36' })).toEqual([]);
    expect(addonProblems({ ...mac, version: '13.0' }, wanted('darwin-arm64'))).toEqual([
      expect.stringContaining('macOS 13.0'),
    ]);
    expect(addonProblems({ ...mac, version: '' }, wanted('darwin-arm64'))).toHaveLength(1);
  });

  it('names the wrong machine and the wrong C library', () => {
    expect(addonProblems(glibc, wanted('linux-arm64'))).toEqual(['it is for X86-64, not for AArch64']);
    expect(addonProblems(musl, { system: 'glibc' })).toEqual(['it is for musl, not for glibc']);
  });

  it('wants the module exported, and nothing else', () => {
    expect(addonProblems({ ...glibc, exported: [] })).toHaveLength(1);
    expect(addonProblems({ ...glibc, exported: [...exported, '_Znwm'] })).toEqual([expect.stringContaining('_Znwm')]);
    expect(addonProblems({ ...mac, exported: [...exported, '_ZdaPv', '_mh_dylib_header'] })).toEqual([]);
    expect(addonProblems({ ...mac, exported: [...exported, '_ZN4mmcb4openEv'] })).toHaveLength(1);
    expect(addonProblems({ ...mac, lacks: ['a signature'] })).toEqual(['it lacks a signature']);
  });

  it('compares versions as numbers', () => {
    const versions = ['2.4', '2.28', '2.3.4', '2.2.5', '2.17'];
    expect(versions.sort(compareVersions)).toEqual(['2.2.5', '2.3.4', '2.4', '2.17', '2.28']);
  });
});

describe('parseElf', () => {
  const readelf = (machine: string, symbol: string) => `ELF Header:
  Class:                             ELF64
  Machine:                           ${machine}
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000000e (SONAME)             Library soname: [mmcb.node]
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND ${symbol}
     2: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND napi_create_int32
   126: 0000000000050c98     8 FUNC    GLOBAL DEFAULT   14 napi_register_module_v1
`;

  it('finds machine, libraries, the newest version of a symbol, and exports', () => {
    const text = readelf(
      'Advanced Micro Devices X86-64',
      'fcntl64@GLIBC_2.28 (3)\n 3: 0 0 FUNC GLOBAL DEFAULT UND a@GLIBC_2.4 (1)',
    );
    expect(parseElf(text)).toEqual({
      machine: 'X86-64',
      system: 'glibc',
      version: '2.28',
      needed: ['libc.so.6'],
      exported: ['napi_register_module_v1'],
      lacks: [],
    });
  });

  it('takes what asks for no version of glibc for musl', () => {
    expect(parseElf(readelf('AArch64', 'fcntl'))).toMatchObject({ machine: 'AArch64', system: 'musl', version: '' });
  });
});

describe('parseMachO', () => {
  const objdump = (cpu: string, signature: string) => `mmcb.node:
Mach header
      magic cputype cpusubtype  caps    filetype ncmds sizeofcmds      flags
MH_MAGIC_64   ${cpu}        ALL  0x00       DYLIB    16       1976 DYLDLINK TWOLEVEL
Load command 10
          cmd LC_ID_DYLIB
      cmdsize 48
         name mmcb.node (offset 24)
Load command 12
       cmd LC_BUILD_VERSION
   cmdsize 32
  platform macos
       sdk 26.4
     minos 12.0
Load command 14
          cmd LC_LOAD_DYLIB
      cmdsize 56
         name /usr/lib/libSystem.B.dylib (offset 24)
Load command 15
      cmd ${signature}
  cmdsize 16

Exports trie:
0x0000E488  _napi_register_module_v1
0x0000E480  _node_api_module_get_api_version_v1
`;

  it('finds machine, libraries, the oldest macOS, and exports', () => {
    expect(parseMachO(objdump('X86_64', 'LC_UUID'))).toEqual({
      ...mac,
      machine: 'X86_64',
      exported: exported.toReversed(),
    });
  });

  it('misses a signature where it is needed', () => {
    expect(parseMachO(objdump('ARM64', 'LC_CODE_SIGNATURE')).lacks).toEqual([]);
    expect(parseMachO(objdump('ARM64', 'LC_UUID')).lacks).toHaveLength(1);
  });
});
