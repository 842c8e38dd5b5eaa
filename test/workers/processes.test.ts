/** One writing process at a time, by a lock that goes with the process. */
import { afterEach, describe, expect, it } from 'vitest';
import { CompactableBuffer } from '../../src/index.js';
import { expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';
import { type Opened, OtherProcess } from './threads.js';

const others: OtherProcess[] = [];

async function other(file: string, options = {}): Promise<{ process: OtherProcess; opened: Opened }> {
  const process = await OtherProcess.open(file, options);
  others.push(process);
  return { process, opened: process.opened };
}

afterEach(async () => {
  await Promise.all(others.splice(0).map((one) => one.end()));
});

describe('one file in several processes', () => {
  it('is MMCB_LOCKED for a second process, to write and to read, while the first has it open', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file);
    const address = buffer.add('x');
    expect((await other(file)).opened).toEqual({ code: 'MMCB_LOCKED' });
    expect((await other(file, { readOnly: true })).opened).toEqual({ code: 'MMCB_LOCKED' });
    expect(buffer.read(address).toString()).toBe('x'); // not disturbed
    buffer.update(address, 'y');
    await buffer.close();
    expect((await other(file)).opened).toEqual({ status: 'clean', entries: 1 });
  });

  it('is MMCB_LOCKED here while another process has it open, and free as soon as that closes it', async () => {
    const file = tempFile();
    const { process, opened } = await other(file);
    expect(opened).toEqual({ status: 'created', entries: 0 });
    await expectCode(() => CompactableBuffer.open(file), 'MMCB_LOCKED');
    await expectCode(() => CompactableBuffer.openSync(file), 'MMCB_LOCKED');
    await expectCode(() => CompactableBuffer.open(file, { readOnly: true }), 'MMCB_LOCKED');
    await process.end();
    const buffer = await CompactableBuffer.open(file);
    expect(buffer.recovery).toMatchObject({ status: 'clean', entries: 1 });
    await buffer.close();
  });

  it('is free when its owner has been killed', async () => {
    const file = tempFile();
    for (let round = 1; round <= 3; round++) {
      const { process, opened } = await other(file);
      expect(opened.status).toBe(round === 1 ? 'created' : 'clean');
      await expectCode(() => CompactableBuffer.open(file), 'MMCB_LOCKED');
      await process.kill();
      const buffer = await CompactableBuffer.open(file);
      expect(buffer.recovery).toMatchObject({ status: 'replayed', entries: round });
      await buffer.close();
    }
  });

  it('can be read by several processes at once, when none writes', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file);
    buffer.add('x');
    await buffer.close();
    expect((await other(file, { readOnly: true })).opened).toEqual({ status: 'clean', entries: 1 });
    expect((await other(file, { readOnly: true })).opened).toEqual({ status: 'clean', entries: 1 });
    const reader = await CompactableBuffer.open(file, { readOnly: true });
    await expectCode(() => reader.add('y'), 'MMCB_READ_ONLY');
    expect((await other(file)).opened).toEqual({ code: 'MMCB_LOCKED' });
    await reader.close();
  });
});
