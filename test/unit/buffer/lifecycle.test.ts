/** Every method in every state: a closed store answers MMCB_CLOSED, and closing waits for what is pending. */
import { describe, expect, it } from 'vitest';
import { CompactableBuffer, IntMap, RecordMap, StringMap } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

type Calls<T> = Record<string, (target: T) => unknown>;

const bufferCalls: Calls<CompactableBuffer> = {
  add: (b) => b.add('x'),
  update: (b) => b.update(0, 'x'),
  remove: (b) => b.remove(0),
  read: (b) => b.read(0),
  readInto: (b) => b.readInto(0, Buffer.alloc(1)),
  view: (b) => b.view(0, () => 0),
  readHeader: (b) => b.readHeader(0),
  createReadStream: (b) => b.createReadStream(0),
  has: (b) => b.has(0),
  addresses: (b) => b.addresses(),
  entries: (b) => b.entries(),
  batch: (b) => b.batch([{ type: 'add', data: 'x' }]),
  'empty batch': (b) => b.batch([]),
  stats: (b) => b.stats(),
  flush: (b) => b.flush(),
  compact: (b) => b.compact(),
  verify: (b) => b.verify(),
  backup: (b) => b.backup(tempFile()),
};

const mapCalls = (key: never): Calls<IntMap<string>> => ({
  get: (m) => m.get(key),
  set: (m) => m.set(key, 'x'),
  has: (m) => m.has(key),
  delete: (m) => m.delete(key),
  clear: (m) => m.clear(),
  size: (m) => m.size,
  keys: (m) => m.keys(),
  values: (m) => m.values(),
  entries: (m) => m.entries(),
  forEach: (m) => m.forEach(() => {}),
  'Symbol.iterator': (m) => [...m],
  getMany: (m) => m.getMany([key]),
  'getMany of many': (m) => m.getMany(new Array<never>(20).fill(key)),
  setMany: (m) => m.setMany([[key, 'x']]),
  update: (m) => m.update(key, () => 'x'),
  address: (m) => m.address(key),
  flush: (m) => m.flush(),
  compact: (m) => m.compact(),
  verify: (m) => m.verify(),
  backup: (m) => m.backup(tempFile()),
  stats: (m) => m.stats(),
});

const recordCalls: Calls<RecordMap<{ id: number | string }>> = {
  put: (m) => m.put({ id: 1 }),
  putMany: (m) => m.putMany([{ id: 1 }, { id: 'a' }]),
  get: (m) => [() => m.get(1), () => m.get('a')].map((get) => get()),
  has: (m) => m.has('a'),
  delete: (m) => m.delete(1),
  update: (m) => m.update(1, () => ({ id: 1 })),
  address: (m) => m.address('a'),
  getAll: (m) => m.getAll(),
  clear: (m) => m.clear(),
  size: (m) => m.size,
  keys: (m) => [...m.keys()],
  values: (m) => [...m.values()],
  entries: (m) => [...m.entries()],
  forEach: (m) => m.forEach(() => {}),
  flush: (m) => m.flush(),
  compact: (m) => m.compact(),
  verify: (m) => m.verify(),
  backup: (m) => m.backup(tempFile()),
  stats: (m) => m.stats(),
};

interface Closable {
  close(): Promise<void>;
  closeSync(): void;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

function matrix<T extends Closable>(name: string, open: () => Promise<T>, calls: Calls<T>): void {
  const endings: Record<string, (target: T) => unknown> = {
    'after close()': (target) => target.close(),
    'after closeSync()': (target) => target.closeSync(),
    'while closing': (target) => {
      target.close().catch(() => {});
    },
  };
  describe.each(Object.keys(endings))(`${name} %s`, (ending) => {
    it.each(Object.keys(calls))('%s fails with MMCB_CLOSED', async (call) => {
      const target = await open();
      await (endings[ending] as (target: T) => unknown)(target);
      await expectCode(() => (calls[call] as (target: T) => unknown)(target), 'MMCB_CLOSED');
      await target.close();
    });
  });

  it(`${name} may be closed any number of times, in every way`, async () => {
    for (const first of ['close', 'closeSync', Symbol.dispose, Symbol.asyncDispose] as const) {
      const target = await open();
      await target[first]();
      await Promise.all([target.close(), target.close()]);
      target.closeSync();
      target[Symbol.dispose]();
      await target[Symbol.asyncDispose]();
    }
  });
}

matrix('a buffer', () => CompactableBuffer.open(':memory:'), bufferCalls);
matrix('an int map', () => IntMap.open<string>(':memory:'), mapCalls(1 as never));
matrix(
  'a string map',
  () => StringMap.open<string>(':memory:') as unknown as Promise<IntMap<string>>,
  mapCalls('a' as never),
);
matrix('a record map', () => RecordMap.open<{ id: number | string }>(':memory:', { id: 'id' }), recordCalls);

describe('closing', () => {
  it('waits for what is pending', async () => {
    const path = tempFile();
    const buffer = await CompactableBuffer.open(path);
    for (let i = 0; i < 5_000; i++) buffer.add(`entry ${i}`);
    const ended: string[] = [];
    const target = tempFile('backup');
    const work = [buffer.flush(), buffer.compact(), buffer.verify(), buffer.backup(target)].map((promise, i) =>
      promise.then(() => ended.push(`work ${i}`)),
    );
    await buffer.close().then(() => ended.push('close'));
    await Promise.all(work);
    expect(ended.at(-1)).toBe('close');
    await using copy = await CompactableBuffer.open(target);
    expect(copy.stats().count).toBe(5_000);
  });

  it('at once makes what is pending reject with MMCB_CLOSED, or end', async () => {
    const buffer = await CompactableBuffer.open(tempFile());
    for (let i = 0; i < 5_000; i++) buffer.add(`entry ${i}`);
    const work = Promise.allSettled([buffer.verify(), buffer.compact(), buffer.backup(tempFile())]);
    buffer.closeSync();
    for (const result of await work) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'MMCB_CLOSED' });
    }
  });

  it('goes on when nobody waits for it any more', async () => {
    const path = tempFile();
    const buffer = await CompactableBuffer.open(path);
    buffer.add('x');
    const reason = new Error('no time');
    await expect(buffer.close({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await buffer.close();
    await using again = await CompactableBuffer.open(path);
    expect(again.recovery).toMatchObject({ status: 'clean', entries: 1 });
  });

  it('works with using and await using', async () => {
    const path = tempFile();
    let outer: CompactableBuffer;
    {
      using buffer = CompactableBuffer.openSync(path);
      buffer.add('x');
      outer = buffer;
    }
    expect(() => outer.stats()).toThrow(/closed/);
    {
      await using buffer = await CompactableBuffer.open(path);
      expect(buffer.stats().count).toBe(1);
      outer = buffer;
    }
    expect(() => outer.stats()).toThrow(/closed/);
  });

  it('leaves other openings of the same file open', async () => {
    const path = tempFile();
    const one = await CompactableBuffer.open(path);
    const two = await CompactableBuffer.open(path);
    const address = one.add('shared');
    await one.close();
    expect(two.read(address).toString()).toBe('shared');
    await two.close();
  });
});
