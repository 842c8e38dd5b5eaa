/** What buffers tell on diagnostics channels, and that they tell nothing to nobody. */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import { CompactableBuffer, IntMap } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

type Message = Record<string, unknown>;

const undo: (() => void)[] = [];
afterEach(() => {
  for (const one of undo.splice(0)) one();
});

/** Collects what is told on channels until the end of the test. */
function listen(...names: string[]): [name: string, message: Message][] {
  const told: [string, Message][] = [];
  for (const name of names) {
    const listener = (message: unknown): void => void told.push([name, { ...(message as Message) }]);
    subscribe(name, listener);
    undo.push(() => unsubscribe(name, listener));
  }
  return told;
}

const tracing = (operation: string): string[] =>
  ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((event) => `tracing:mmcb:${operation}:${event}`);
const eventsOf = (told: [string, Message][]): string[] => told.map(([name]) => name.replace('tracing:mmcb:', ''));

describe('tracing channels', () => {
  it('trace what is asked for, from beginning to end, with its path and result', async () => {
    const path = tempFile();
    const told = listen(...['open', 'flush', 'compaction', 'verify', 'backup', 'close'].flatMap(tracing));
    const buffer = await CompactableBuffer.open(path);
    const map = new IntMap(buffer);
    map.set(1, 'one');
    await map.flush();
    const compaction = await buffer.compact();
    const verified = await buffer.verify();
    const target = tempFile();
    await buffer.backup(target);
    await buffer.close();
    await buffer.close();
    const expected = ['open', 'flush', 'compaction', 'verify', 'backup', 'close'].flatMap((operation) =>
      ['start', 'end', 'asyncStart', 'asyncEnd'].map((event) => `${operation}:${event}`),
    );
    expect(eventsOf(told)).toEqual(expected);
    expect(told.every(([, message]) => message['path'] === path)).toBe(true);
    const resultOf = (name: string): unknown =>
      told.find(([one]) => one === `tracing:mmcb:${name}:asyncEnd`)?.[1]['result'];
    expect(resultOf('open')).toBe(buffer);
    expect(resultOf('compaction')).toEqual(compaction);
    expect(resultOf('verify')).toEqual(verified);
    expect(told.find(([name]) => name === 'tracing:mmcb:backup:start')?.[1]).toMatchObject({ target });
  });

  it('trace blocking calls as such', () => {
    const told = listen(...tracing('open'), ...tracing('close'));
    const buffer = CompactableBuffer.openSync(':memory:');
    buffer.closeSync();
    buffer.closeSync();
    expect(eventsOf(told)).toEqual(['open:start', 'open:end', 'close:start', 'close:end']);
    expect(told[1]?.[1]).toMatchObject({ path: ':memory:', result: buffer });
  });

  it('trace failures with their error', async () => {
    const told = listen(...tracing('open'), ...tracing('flush'));
    const missing = tempFile();
    const error = await expectCode(() => CompactableBuffer.open(missing, { readOnly: true }), 'MMCB_IO');
    expect(eventsOf(told)).toContain('open:error');
    expect(told.find(([name]) => name.endsWith('open:error'))?.[1]).toMatchObject({ error, path: missing });
    const buffer = await CompactableBuffer.open(':memory:');
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(buffer.flush({ signal: aborted })).rejects.toThrow('enough');
    expect(eventsOf(told)).toContain('flush:error');
    await buffer.close();
  });

  it('do not trace wrong arguments: nothing was begun', async () => {
    const told = listen(...tracing('open'), ...tracing('flush'));
    await expect(CompactableBuffer.open('')).rejects.toThrow(TypeError);
    expect(told).toEqual([]);
  });
});

describe('channels of events', () => {
  it('tell of recovery, sync points, compactions: those of the background, too', async () => {
    const path = tempFile();
    const told = listen('mmcb:recovery', 'mmcb:sync', 'mmcb:compaction');
    const buffer = await CompactableBuffer.open(path, { syncInterval: 5 });
    expect(told).toEqual([['mmcb:recovery', { ...buffer.recovery, path }]]);
    const synced = new Promise<void>((resolve) => {
      const listener = (): void => resolve();
      subscribe('mmcb:sync', listener);
      undo.push(() => unsubscribe('mmcb:sync', listener));
    });
    buffer.add('x'); // nobody asks for the sync point that follows

    await synced;

    expect(told.find(([name]) => name === 'mmcb:sync')?.[1]).toMatchObject({
      path,
      durableEpoch: expect.any(Number),
      ms: expect.any(Number),
    });
    const compacted = new Promise<void>((resolve) => {
      const listener = (): void => resolve();
      subscribe('mmcb:compaction', listener);
      undo.push(() => unsubscribe('mmcb:compaction', listener));
    });
    for (let i = 0; i < 10; i++) buffer.remove(buffer.add(Buffer.alloc(1_000_000)));
    await buffer.compact();
    await compacted;
    expect(told.find(([name]) => name === 'mmcb:compaction')?.[1]).toMatchObject({
      path,
      freedSegments: expect.any(Number),
    });
    await buffer.close();
  });

  it('reach subscribers of both kinds, and listeners of the buffer as before', async () => {
    const told = listen('mmcb:sync');
    const buffer = await CompactableBuffer.open(tempFile());
    const event = new Promise((resolve) => buffer.once('sync', resolve));
    buffer.add('x');
    await buffer.flush();
    const report = await event;
    expect(told.at(-1)?.[1]).toMatchObject(report as object);
    await buffer.close();
  });
});

it('the channels are there by name for whoever comes first', () => {
  expect(channel('mmcb:sync').hasSubscribers).toBe(false);
});
