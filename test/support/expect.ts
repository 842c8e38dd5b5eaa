/** Expectations about errors. */
import { expect } from 'vitest';
import { MmcbError, type MmcbErrorCode } from '../../src/index.js';

/** The error that `action` throws or rejects with; fails when there is none. */
export async function errorOf(action: () => unknown): Promise<Error> {
  try {
    await action();
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return error as Error;
  }
  throw new Error('expected an error, but there was none');
}

/** Expects an MmcbError with this code, well made: stack, name, and a message that says something. */
export async function expectCode(action: () => unknown, code: MmcbErrorCode): Promise<MmcbError> {
  const error = await errorOf(action);
  expect(error).toBeInstanceOf(MmcbError);
  const mmcb = error as MmcbError;
  expect({ code: mmcb.code, name: mmcb.name }).toEqual({ code, name: 'MmcbError' });
  expect(mmcb.message.length).toBeGreaterThan(15);
  expect(mmcb.stack).toContain(mmcb.message);
  return mmcb;
}
