/**
 * Files changed underneath an open buffer: cut short, overwritten, replaced, deleted, their permissions taken away. Each
 * scenario is a process of its own (truncation-child.mjs), which has to stay alive and to come to an end.
 */
import { spawn } from 'node:child_process';
import { chownSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../support/temp.js';

const program = fileURLToPath(new URL('./truncation-child.mjs', import.meta.url));
const PATIENCE = 30_000;
const lost = 'MMCB_IO EIO';
const all = { right: 900, lost: 0, wrong: 0 };
const none = { right: 0, lost: 900, wrong: 0 };

interface Ended {
  /** What it printed. */
  result: Record<string, unknown> | undefined;
  signal: NodeJS.Signals | null;
  errors: string;
}

function run(scenario: string): Promise<Ended> {
  const folder = tempFolder();
  if (process.getuid?.() === 0) chownSync(folder, 65534, 65534);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, scenario, folder], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATIENCE,
      killSignal: 'SIGKILL', // a child that hangs fails
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      errors += data;
    });
    child.on('error', reject);
    child.on('close', (_code, signal) => {
      resolve({ result: output === '' ? undefined : JSON.parse(output), signal, errors });
    });
  });
}

/** The result of a scenario that ends as it should. */
async function resultOf(scenario: string): Promise<Record<string, unknown>> {
  const { result, signal, errors } = await run(scenario);
  expect({ signal, errors }).toEqual({ signal: null, errors: '' });
  return result as Record<string, unknown>;
}

describe('a file cut short while it is open', { timeout: 2 * PATIENCE }, () => {
  it('to nothing: every call is MMCB_IO, and what is on the disk stays as it is', async () => {
    const { calls, ...rest } = await resultOf('nothing');
    for (const [call, outcome] of Object.entries(calls as object))
      expect({ [call]: outcome }).toEqual({ [call]: lost });
    expect(Object.keys(calls as object)).toHaveLength(23);
    // An empty file is a new one.
    expect(rest).toMatchObject({ closed: lost, size: 0, opened: 'ok' });
  });

  it('in the middle: what is whole is read, the rest is MMCB_IO, never zeros and never "not found"', async () => {
    const { first, second, ...rest } = await resultOf('middle');
    const { right, lost: missing, wrong } = first as typeof all;
    expect(wrong).toBe(0);
    expect(right).toBeGreaterThan(100);
    expect(missing).toBeGreaterThan(100);
    expect(second).toEqual(first);
    expect(rest).toMatchObject({ add: lost, closed: lost, opened: 'MMCB_CORRUPT -' });
    expect(rest['sizeAfter']).toBe(rest['size']);
  });

  it('by one byte: the next sync point finds out', async () => {
    expect(await resultOf('tail')).toMatchObject({ reads: all, add: 'ok', flush: lost, closed: lost });
  });

  it('that is open read-only', async () => {
    const { lost: missing, ...rest } = await resultOf('readOnly');
    expect(missing).toBeGreaterThan(100);
    expect(rest).toEqual({ verify: lost, close: 'ok' });
  });

  it('while flushes are under way: they all end, the later ones with MMCB_IO', async () => {
    const { kinds, ...rest } = await resultOf('flushing');
    expect(kinds).toEqual([lost, 'ok']);
    expect(rest).toMatchObject({ last: lost, closed: lost, opened: 'MMCB_CORRUPT -' });
  });

  it('with periodic sync points: the error event tells, and writes are refused', async () => {
    expect(await resultOf('periodic')).toMatchObject({ add: 'ok', event: lost, next: lost, closed: lost });
  });

  it('while it is compacted', async () => {
    const result = await resultOf('compacting');
    expect(result).toMatchObject({ cut: true, set: lost, closed: lost, opened: 'MMCB_CORRUPT -' });
    // On a busy machine it has ended by the time its progress is told.
    expect([lost, 'ok']).toContain(result['compact']);
  });

  it('under a worker thread that reads: it gets the error, and the process lives', async () => {
    const result = await resultOf('worker');
    expect(result).toMatchObject({ said: ['reading', lost], main: lost, closed: lost });
  });
});

describe("process.on('SIGBUS')", { timeout: 2 * PATIENCE }, () => {
  it('before opening: is not called for our pages, and is for signals that are sent', async () => {
    const result = await resultOf('listenerBefore');
    expect(result).toEqual({ reads: none, signals: 0, sent: true, close: lost });
  });

  it.each(['listenerAfter', 'listenerAfterInProcessMode'])(
    'after opening: costs a second at most (%s)',
    async (name) => {
      const { milliseconds, ...rest } = await resultOf(name);
      expect(rest).toEqual({ reads: none, sent: true, close: lost });
      expect(milliseconds).toBeLessThan(10_000); // a second, on a machine that is not busy
    },
  );

  it('taken back again: our handler returns with the next sync point', async () => {
    expect(await resultOf('listenerGone')).toEqual({ reads: none, close: lost });
  });

  it('not there: a SIGBUS that is sent ends the process as it always did', async () => {
    const { result, signal } = await run('foreignSignal');
    expect({ result, signal }).toEqual({ result: undefined, signal: 'SIGBUS' });
  });
});

describe('a file changed otherwise while it is open', { timeout: 2 * PATIENCE }, () => {
  it('overwritten by a copy: the next sync point refuses to mix the two', async () => {
    const result = await resultOf('overwritten');
    expect(['ok', lost]).toContain(result['add']);
    expect(result).toMatchObject({ flush: lost, close: lost, same: true });
  });

  it('replaced by rename: goes on working, tells once, and leaves the new file alone', async () => {
    expect(await resultOf('replaced')).toEqual({
      outcomes: ['ok'],
      errors: ['MMCB_IO ENOENT'],
      reads: all,
      close: 'ok',
      untouched: true,
    });
  });

  it('deleted: goes on working, tells once, and can be backed up', async () => {
    expect(await resultOf('deleted')).toEqual({
      fresh: 0,
      set: 'ok',
      flush: 'ok',
      errors: ['MMCB_IO ENOENT'],
      reads: all,
      close: 'ok',
      kept: 901,
    });
  });

  it('its permissions, and those of its folder, taken away: what is open works, opening again is MMCB_IO', async () => {
    expect(await resultOf('permissions')).toEqual({
      set: 'ok',
      flush: 'ok',
      reads: all,
      close: 'ok',
      write: 'MMCB_IO EACCES',
      status: 'clean',
      count: 901,
      unreadable: 'MMCB_IO EACCES',
      create: 'MMCB_IO EACCES',
      add: 'ok',
      backup: 'MMCB_IO EACCES',
      closed: 'ok',
    });
  });
});
