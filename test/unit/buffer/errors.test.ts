import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isNativeError } from 'node:util/types';
import { describe, expect, it } from 'vitest';
import { errorFromNative } from '../../../src/errors.js';
import { CompactableBuffer, errorCodes, MmcbError, type MmcbErrorCode } from '../../../src/index.js';
import { NativeCode } from '../../../src/internal/native.js';
import { expectCode } from '../../support/expect.js';
import { tempFolder } from '../../support/temp.js';

describe('MmcbError', () => {
  it('has a code, a name, a message and a stack', () => {
    const cause = new Error('behind');
    const error = new MmcbError('MMCB_LOCKED', undefined, { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(MmcbError);
    expect(isNativeError(error)).toBe(true);
    expect(error).toMatchObject({ code: 'MMCB_LOCKED', name: 'MmcbError', cause });
    expect(error.stack).toMatch(/^MmcbError: another process has the file open; one writer/);
    expect(Object.keys(error)).toEqual(['code']);
  });

  it('tells other errors, and its subclasses, apart', () => {
    class Special extends MmcbError {}
    expect(new Error('x')).not.toBeInstanceOf(MmcbError);
    expect(null).not.toBeInstanceOf(MmcbError);
    expect(new MmcbError('MMCB_IO')).not.toBeInstanceOf(Special);
    expect(new Special('MMCB_IO')).toBeInstanceOf(Special);
    expect(new Special('MMCB_IO')).toBeInstanceOf(MmcbError);
  });

  it('has a meaning and an advice for each code', () => {
    const codes = Object.keys(errorCodes) as MmcbErrorCode[];
    expect(codes).toHaveLength(22);
    for (const code of codes) {
      expect(code).toMatch(/^MMCB_[A-Z_]+$/);
      for (const text of errorCodes[code]) expect(text.length).toBeGreaterThan(10);
    }
  });
});

describe('errors of the addon', () => {
  it('get their codes, their causes and what to do', () => {
    for (const [name, code] of Object.entries(NativeCode)) {
      const error = errorFromNative(code, '/data/x.mmcb: fdatasync: Input/output error', 5);
      if (name === 'ABORTED' || name === 'EXISTS') continue; // answers, which nobody is told of
      if (name === 'INVALID_ARGUMENT') expect(error).toBeInstanceOf(RangeError);
      else expect((error as MmcbError).code).toBe(name === 'NO_MEMORY' ? 'MMCB_IO' : `MMCB_${name}`);
    }
    const error = errorFromNative(NativeCode.IO, '/data/x.mmcb: fdatasync: Input/output error', 5) as MmcbError;
    expect(error.message).toBe('/data/x.mmcb: fdatasync: Input/output error; the system error is in cause');
    expect(error.cause).toMatchObject({ code: 'EIO', errno: -5, syscall: 'fdatasync' });
    expect((error.cause as Error).message).toBe('EIO: i/o error, fdatasync');
  });

  it('have no cause without a system error', () => {
    const error = errorFromNative(NativeCode.CORRUPT, '', 0);
    expect(error).not.toHaveProperty('cause');
    expect(error.message).toContain('salvage');
    expect(errorFromNative(NativeCode.NO_MEMORY, '', 0).cause).toMatchObject({ code: 'ENOMEM' });
    expect(errorFromNative(NativeCode.IO, 'x', 99_999).cause).toMatchObject({ code: 'UNKNOWN' });
  });
});

describe('the addon', () => {
  it('that is not there is reported with all that was tried', async () => {
    const { loadBinding } = await import('../../../src/internal/load-binding.js');
    const load = (): unknown => loadBinding({ MMCB_NATIVE_BINDING: '/nowhere/mmcb.node' });
    expect(load).toThrow(MmcbError);
    expect(load).toThrow(/linux|darwin|win32/);
    expect(load).toThrow('/nowhere/mmcb.node: not there');
    expect(load).toThrow(`Node ${process.version}`);
    expect(load).toThrow(process.platform === 'linux' ? /\((glibc \d+\.\d+|musl), Node v/ : /\(Node v/);
  });

  it('that cannot be loaded is reported with the reason', async () => {
    const { loadBinding } = await import('../../../src/internal/load-binding.js');
    const path = join(tempFolder(), 'mmcb.node');
    writeFileSync(path, 'no addon at all');
    const error = await expectCode(() => loadBinding({ MMCB_NATIVE_BINDING: path }), 'MMCB_NATIVE');
    expect(error.message).toMatch(/mmcb\.node: .*(file too short|invalid|not a valid|header|mach-o)/i);
    expect(error.cause).toBeInstanceOf(Error);
  });

  it('is one for all buffers', () => {
    using a = CompactableBuffer.openSync(':memory:');
    using b = CompactableBuffer.openSync(':memory:');
    const address = a.add('in a');
    expect(b.has(address)).toBe(false);
  });
});
