/** What the package's check of an addon finds fault with. */
import { describe, expect, it } from 'vitest';
import { addonProblems, compareVersions } from '../../scripts/lib/elf.mjs';

const sound = {
  needed: ['libc.so.6', 'libm.so.6', 'libpthread.so.0', 'ld-linux-x86-64.so.2'],
  glibc: '2.28',
  exported: ['node_api_module_get_api_version_v1', 'napi_register_module_v1'],
};

describe('addonProblems', () => {
  it('has nothing against what needs the C library only, of glibc or musl', () => {
    expect(addonProblems(sound, '2.28')).toEqual([]);
    for (const needed of [['libc.musl-x86_64.so.1'], ['libc.so.6', 'ld-linux-aarch64.so.1']]) {
      expect(addonProblems({ ...sound, needed, glibc: '' }, '2.28')).toEqual([]);
    }
  });

  it('names what not every machine has', () => {
    expect(addonProblems({ ...sound, needed: ['libstdc++.so.6', 'libgcc_s.so.1'] })).toHaveLength(2);
    expect(addonProblems({ ...sound, glibc: '2.36' }, '2.28')).toEqual([expect.stringContaining('glibc 2.36')]);
    expect(addonProblems({ ...sound, glibc: '2.36' })).toEqual([]);
    expect(addonProblems({ ...sound, exported: [] })).toHaveLength(1);
  });

  it('compares versions as numbers', () => {
    expect(['2.4', '2.28', '2.3.4', '2.2.5', '2.17'].sort(compareVersions)).toEqual([
      '2.2.5',
      '2.3.4',
      '2.4',
      '2.17',
      '2.28',
    ]);
  });
});
