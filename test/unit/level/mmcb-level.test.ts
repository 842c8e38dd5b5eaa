/** What MmcbLevel does beyond the suite of abstract-level: bytes as keys, durability, files, snapshots and threads. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CompactableBuffer, StringMap, utf8 } from '../../../src/index.js';
import { MmcbLevel, type MmcbLevelOptions } from '../../../src/level/index.js';
import { expectCode } from '../../support/expect.js';
import { withSeeds } from '../../support/random.js';
import { tempFile } from '../../support/temp.js';

const bytes = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
const open = async <K = string, V = string>(
  path = tempFile('level'),
  options?: MmcbLevelOptions<K, V>,
): Promise<MmcbLevel<K, V>> => {
  const db = new MmcbLevel<K, V>(path, { initialSize: 0, segmentSize: 65_536, ...options });
  await db.open();
  return db;
};

describe('MmcbLevel', () => {
  it('keeps keys of any bytes apart, and in the order of their bytes', () =>
    withSeeds(3, async (random) => {
      const db = await open<Buffer, Buffer>(undefined, bytes);
      const model = new Map<string, Buffer>();
      for (let i = 0; i < 400; i++) {
        const key = Buffer.from(
          Array.from({ length: random.int(0, 6) }, () => random.pick([0, 1, 0x7f, 0x80, 0xbf, 0xc0, 0xc3, 0xed, 0xff])),
        );
        const value = random.bytes(random.int(0, 300));
        model.set(key.toString('hex'), value);
        await db.put(key, value);
      }
      const expected = [...model].map(([key, value]) => [Buffer.from(key, 'hex'), value] as [Buffer, Buffer]);
      expected.sort(([a], [b]) => Buffer.compare(a, b));
      expect(await db.iterator().all()).toEqual(expected);
      for (const [key, value] of expected) expect(db.getSync(key)).toEqual(value);
      const [low, high] = [expected[expected.length >> 2]?.[0], expected[expected.length >> 1]?.[0]] as [
        Buffer,
        Buffer,
      ];
      const inside = expected.filter(([key]) => Buffer.compare(key, low) > 0 && Buffer.compare(key, high) <= 0);
      expect(await db.iterator({ gt: low, lte: high }).all()).toEqual(inside);
      expect(await db.keys({ gt: low, lte: high, reverse: true }).all()).toEqual(inside.map(([key]) => key).reverse());
      await db.clear({ gt: low, lte: high });
      expect(await db.iterator().all()).toEqual(expected.filter((entry) => !inside.includes(entry)));
      expect(await db.buffer?.verify()).toMatchObject({ ok: true });
      await db.close();
    }));

  it('stores keys so that those of ASCII are the keys of a StringMap', async () => {
    const path = tempFile('level');
    const db = await open(path);
    await db.batch([
      { type: 'put', key: 'plain', value: 'text' },
      { type: 'put', key: 'é東🚀', value: 'not ASCII' },
    ]);
    expect(await db.get('é東🚀')).toBe('not ASCII');
    expect(await db.keys().all()).toEqual(['plain', 'é東🚀']);
    expect(await db.keys({ keyEncoding: 'buffer' }).all()).toEqual([Buffer.from('plain'), Buffer.from('é東🚀')]);
    await db.close();
    const map = await StringMap.open<string>(path, { codec: utf8() });
    expect(map.get('plain')).toBe('text');
    expect(map.get(Buffer.from('é東🚀').toString('latin1'))).toBe('not ASCII');
    await map.close();
  });

  it('is all there when it is opened again', async () => {
    const path = tempFile('level');
    const db = await open<string, unknown>(path, { valueEncoding: 'json' });
    await db.batch(Array.from({ length: 500 }, (_, i) => ({ type: 'put', key: `key ${i}`, value: { i } })));
    await db.del('key 7');
    await db.close();
    await db.open();
    expect(db.buffer?.recovery.status).toBe('clean');
    expect(await db.get('key 8')).toEqual({ i: 8 });
    expect(await db.get('key 7')).toBeUndefined();
    expect(await db.keys().all()).toHaveLength(499);
    await db.close();
  });

  it('does a batch whole or not at all, later operations after earlier ones', async () => {
    const db = await open();
    await db.put('a', 'before');
    await db.batch([
      { type: 'del', key: 'not there' },
      { type: 'put', key: 'b', value: '1' },
      { type: 'del', key: 'a' },
      { type: 'put', key: 'b', value: '2' },
      { type: 'put', key: 'c', value: '3' },
      { type: 'del', key: 'c' },
      { type: 'del', key: 'c' },
    ]);
    expect(await db.iterator().all()).toEqual([['b', '2']]);
    const tooLong = db.batch([
      { type: 'put', key: 'd', value: '4' },
      { type: 'put', key: 'x'.repeat(65_536), value: '' },
    ]);
    await expectCode(() => tooLong, 'MMCB_TOO_LARGE');
    expect(await db.iterator().all()).toEqual([['b', '2']]);
    await db.close();
  });

  it("makes what was written with 'sync' durable before it resolves", async () => {
    const db = await open(undefined, { syncInterval: 2 ** 31 - 1 });
    const durable = (): number => db.buffer?.stats().durableEpoch as number;
    for (const write of [
      () => db.put('a', '1', { sync: true } as object),
      () => db.del('a', { sync: true } as object),
      () => db.batch([{ type: 'put', key: 'b', value: '2' }], { sync: true } as object),
      () =>
        db
          .batch()
          .put('c', '3')
          .write({ sync: true } as object),
    ]) {
      const before = durable();
      await write();
      expect(durable()).toBeGreaterThan(before);
    }
    const before = durable();
    await db.put('d', '4');
    expect(durable()).toBe(before);
    await db.close();
  });

  it('reads large values, now and in snapshots', async () => {
    const db = await open();
    const large = 'x'.repeat(200_000);
    await db.put('a', large);
    await db.put('b', 'small');
    const snapshot = db.snapshot();
    await db.put('a', 'other');
    await db.del('b');
    expect(await db.get('a')).toBe('other');
    expect(await db.get('a', { snapshot })).toBe(large);
    expect(await db.getMany(['a', 'b', 'c'], { snapshot })).toEqual([large, 'small', undefined]);
    expect(await db.hasMany(['a', 'b', 'c'], { snapshot })).toEqual([true, true, false]);
    expect(await db.iterator({ snapshot }).all()).toEqual([
      ['a', large],
      ['b', 'small'],
    ]);
    await db.put('c', 'new');
    await db.clear({ snapshot });
    expect(await db.keys().all()).toEqual(['c']);
    await snapshot.close();
    await db.close();
  });

  it('gives the space that a snapshot held back once it is closed', async () => {
    const db = await open();
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) await db.put(`key ${i}`, 'x'.repeat(10_000));
    };
    await fill();
    const iterator = db.iterator();
    for (let round = 0; round < 5; round++) await fill();
    await db.buffer?.flush();
    await db.buffer?.compact();
    const held = db.buffer?.stats().fileSize as number;
    await iterator.close();
    await db.buffer?.flush(); // what is free waits for a sync point
    await db.buffer?.compact();
    expect(db.buffer?.stats().fileSize).toBeLessThan(held);
    expect(await db.buffer?.verify()).toMatchObject({ ok: true, entries: 50 });
    await db.close();
  });

  it('keeps sublevels apart in one file', async () => {
    const db = await open();
    const users = db.sublevel<string, { name: string }>('users', { valueEncoding: 'json' });
    const names = db.sublevel('names');
    await db.batch([
      { type: 'put', key: '1', value: { name: 'Ada' }, sublevel: users, valueEncoding: 'json' },
      { type: 'put', key: 'Ada', value: '1', sublevel: names },
    ] as never);
    expect(await users.get('1')).toEqual({ name: 'Ada' });
    expect(await names.keys().all()).toEqual(['Ada']);
    await names.clear();
    expect(await users.keys().all()).toEqual(['1']);
    await db.close();
  });

  it('refuses what is no location, and fails to open with the reason in cause', async () => {
    expect(() => new MmcbLevel(1 as unknown as string)).toThrow(/location of MmcbLevel must be a string/);
    expect(() => new MmcbLevel('')).toThrow(/location of MmcbLevel must not be empty/);
    expect(() => new MmcbLevel(':memory:')).toThrow(/must be a file/);
    const path = tempFile('level');
    const missing = new MmcbLevel(path, { createIfMissing: false } as MmcbLevelOptions<string, string>);
    await expect(missing.open()).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' });
    expect(existsSync(path)).toBe(false);
    const foreign = new MmcbLevel(new URL(import.meta.url).pathname);
    await expect(foreign.open()).rejects.toMatchObject({ cause: { code: 'MMCB_NOT_MMCB' } });
  });

  it('reads what is there with readOnly, and writes nothing', async () => {
    const path = tempFile('level');
    const db = await open(path);
    await db.put('a', '1');
    await db.close();
    const reader = await open(path, { readOnly: true });
    expect(await reader.iterator().all()).toEqual([['a', '1']]);
    await expectCode(() => reader.put('b', '2'), 'MMCB_READ_ONLY');
    await expectCode(() => reader.batch([{ type: 'del', key: 'a' }]), 'MMCB_READ_ONLY');
    await expectCode(() => reader.clear({ gt: 'a' }), 'MMCB_READ_ONLY');
    await reader.close();
  });

  it('shares a file with another opener in this process', async () => {
    const path = tempFile('level');
    const buffer = await CompactableBuffer.open(path, { initialSize: 0 });
    const map = new StringMap<string>(buffer, utf8());
    map.set('a', '1');
    const db = await open(path);
    const iterator = db.iterator();
    map.set('b', '2');
    expect(await iterator.all()).toEqual([['a', '1']]);
    expect(await db.iterator().all()).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
    await db.close();
    await buffer.close();
  });
});
