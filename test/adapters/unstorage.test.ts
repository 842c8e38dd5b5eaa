/** mmcb/unstorage: through createStorage, what unstorage asks of every driver (its own test of drivers is not published). */
import { createStorage, type Driver, type Storage } from 'unstorage';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mmcbDriver } from '../../src/unstorage/index.js';
import { errorOf, expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';

const small = { initialSize: 65_536, segmentSize: 65_536 };

describe('mmcbDriver', () => {
  let path: string;
  let storage: Storage;

  const open = (options: object = {}): Storage => createStorage({ driver: mmcbDriver({ path, ...small, ...options }) });

  beforeEach(() => {
    path = tempFile();
    storage = open();
  });
  afterEach(async () => {
    vi.useRealTimers();
    await storage.dispose();
  });

  it('is a driver by its types', () => {
    const driver: Driver = mmcbDriver({ path: tempFile() });
    expect(driver).toMatchObject({ name: 'mmcb', flags: { maxDepth: true, ttl: true } });
  });

  it('is empty at first', async () => {
    expect(await storage.hasItem('a:b')).toBe(false);
    expect(await storage.getItem('a:b')).toBeNull();
    expect(await storage.getItemRaw('a:b')).toBeNull();
    expect(await storage.getKeys()).toEqual([]);
    await storage.clear();
  });

  it.each([
    ['a string', 'text'],
    ['an empty string', ''],
    ['a number', 0],
    ['a boolean', false],
    ['an object', { a: [1, { b: null }] }],
    ['an object with toJSON', { toJSON: () => 'as it says' }, 'as it says'],
  ])('keeps %s', async (_, value, read: unknown = value) => {
    await storage.setItem('some:key', value as never);
    expect(await storage.hasItem('some:key')).toBe(true);
    expect(await storage.getItem('some:key')).toEqual(read);
    await storage.removeItem('some:key');
    expect(await storage.hasItem('some:key')).toBe(false);
  });

  it('refuses what unstorage cannot make a string of', async () => {
    await expect(storage.setItem('a', new (class Strange {})() as never)).rejects.toThrow('Cannot stringify value');
  });

  it('keeps raw values of any kind', async () => {
    const bytes = new Uint8Array([0, 1, 255]);
    await storage.setItemRaw('bytes', bytes);
    expect(Buffer.from((await storage.getItemRaw('bytes')) as Uint8Array)).toEqual(Buffer.from(bytes));
    await storage.setItemRaw('value', { when: new Date(5), big: 7n });
    expect(await storage.getItemRaw('value')).toEqual({ when: new Date(5), big: 7n });
    await storage.setItemRaw('text', Buffer.from('größe'));
    expect(await storage.getItem('text')).toBe('größe');
  });

  it('sets and gets many', async () => {
    await storage.setItems<string | object>([
      { key: 't:1', value: 'one' },
      { key: 't:2', value: { two: 2 } },
    ]);
    expect(await storage.getItems(['t:1', { key: 't:2' }, 't:3'])).toEqual([
      { key: 't:1', value: 'one' },
      { key: 't:2', value: { two: 2 } },
      { key: 't:3', value: null },
    ]);
  });

  it('knows its keys by base and depth, and clears by base', async () => {
    for (const key of ['x', 'a:1', 'a:2', 'a:b:3', 'a:b:c:4', 'ab:5']) await storage.setItem(key, key);
    const keys = async (base?: string, maxDepth?: number): Promise<string[]> =>
      (await storage.getKeys(base, maxDepth === undefined ? {} : { maxDepth })).sort();
    expect(await keys()).toEqual(['a:1', 'a:2', 'a:b:3', 'a:b:c:4', 'ab:5', 'x']);
    expect(await keys('a')).toEqual(['a:1', 'a:2', 'a:b:3', 'a:b:c:4']);
    expect(await keys('a:b')).toEqual(['a:b:3', 'a:b:c:4']);
    expect(await keys(undefined, 0)).toEqual(['x']);
    expect(await keys(undefined, 1)).toEqual(['a:1', 'a:2', 'ab:5', 'x']);
    await storage.getMount().driver.clear?.('a:', {}); // unstorage clears whole mounts only
    expect(await keys()).toEqual(['ab:5', 'x']);
    await storage.clear();
    expect(await keys()).toEqual([]);
  });

  it('keeps items for as long as they are to be kept', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    await storage.setItem('short', 1, { ttl: 2 });
    await storage.setItem('long', 2);
    expect(await storage.getMeta('short')).toMatchObject({ ttl: 2 });
    vi.setSystemTime(Date.now() + 1999);
    expect(await storage.getItem('short')).toBe(1);
    vi.setSystemTime(Date.now() + 1);
    expect(await storage.getItem('short')).toBeNull();
    expect(await storage.getKeys()).toEqual(['long']);
    await storage.dispose();
    storage = open({ ttl: 1 });
    await storage.setItem('other', 3);
    vi.setSystemTime(Date.now() + 1000);
    expect(await storage.getKeys()).toEqual(['long']);
  });

  it('can be mounted beside others, and finds everything again', async () => {
    await storage.setItem('a:b', 1);
    await storage.dispose();
    const host = createStorage();
    host.mount('files', mmcbDriver({ path, ...small }));
    await host.setItem('files:c', 2);
    await host.setItem('elsewhere', 3);
    expect((await host.getKeys('files')).sort()).toEqual(['files:a:b', 'files:c']);
    await host.unmount('files');
    storage = open();
    expect((await storage.getKeys()).sort()).toEqual(['a:b', 'c']);
  });

  it('refuses wrong options, and says what fails', async () => {
    for (const bad of [undefined, {}, { path: 5 }, { path: 'x', tll: 5 }]) {
      expect(await errorOf(() => mmcbDriver(bad as never))).toBeInstanceOf(TypeError);
    }
    expect(() => mmcbDriver({ path: 'x', ttl: 0 })).toThrow(RangeError);
    const driver = mmcbDriver({ path: '/nowhere/at/all.mmcb' });
    await expectCode(() => driver.getItem('a'), 'MMCB_IO');
    await driver.dispose();
  });
});
