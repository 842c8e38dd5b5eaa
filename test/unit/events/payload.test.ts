/** Codecs, compression and upcasters. */
import { describe, expect, it } from 'vitest';
import { EventStore, type EventStoreOptions, json, utf8 } from '../../../src/index.js';
import { anEvent, collect } from '../../contract/event-store-contract.js';
import { errorOf, expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

const small = { initialSize: 65_536, segmentSize: 65_536 };

describe('names', () => {
  it('of any length and any characters come back as they were', async () => {
    const store = await EventStore.open(':memory:', small);
    const lengths = [1, 7, 40, 41, 200];
    const names = ['a', '\u00ff', '\u0100', '\ud800', 'x\u0000'].flatMap((unit) =>
      lengths.map((length) => unit.repeat(length)),
    );
    const events = names.map((name, i) => ({
      ...{ id: name, type: names[(i + 1) % names.length] as string },
      ...{ aggregateId: names[(i + 7) % names.length] as string, data: i },
    }));
    await store.storeBatch(events);
    expect((await collect(store.load())).map(({ event }) => event)).toEqual(events);
    for (const event of events) expect((await store.get(event.id)).event).toEqual(event);
    await store.close();
  });
});

describe('the codec', () => {
  it('is MessagePack, with its types, unless another one is given', async () => {
    const store = await EventStore.open(':memory:', small);
    const data = { when: new Date(5), map: new Map([[1, 2]]), bytes: Buffer.from('x'), big: 5n, none: undefined };
    await store.store({ ...anEvent('a'), id: 'x', data });
    expect((await store.get('x')).event.data).toEqual(data);
    await store.close();
    const texts = await EventStore.open(':memory:', { ...small, codec: utf8() as never });
    await texts.store({ ...anEvent('a'), id: 'x', data: 'text', metadata: 'more' });
    expect((await texts.get('x')).event).toMatchObject({ data: 'text', metadata: 'more' });
    await texts.close();
  });

  it('may use its memory again', async () => {
    const memory = Buffer.alloc(10);
    const codec = {
      encode: (value: unknown) => memory.subarray(0, memory.write(String(value))),
      decode: (bytes: Uint8Array) => Buffer.from(bytes).toString(),
    };
    const store = await EventStore.open(':memory:', { ...small, codec });
    await store.storeBatch([
      { ...anEvent('a'), data: 'one', metadata: 'two' },
      { ...anEvent('a'), data: 'three', metadata: 'four' },
    ]);
    const found = (await collect(store.load())).map(({ event: { data, metadata } }) => [data, metadata]);
    expect(found).toEqual([
      ['one', 'two'],
      ['three', 'four'],
    ]);
    await store.close();
  });

  it('may store other events', async () => {
    const codec = {
      encode: (value: unknown) => {
        if (value === 'noisy')
          stored.push(store.store({ ...anEvent('log'), id: `log${stored.length}`, data: 'heard' }));
        return Buffer.from(String(value));
      },
      decode: (bytes: Uint8Array) => Buffer.from(bytes).toString(),
    };
    const stored: Promise<unknown>[] = [];
    const store = await EventStore.open(':memory:', { ...small, codec });
    await store.storeBatch(['quiet', 'noisy', 'quiet', 'noisy'].map((data) => ({ ...anEvent('a'), data })));
    await Promise.all(stored);
    const found = (await collect(store.load())).map(({ event: { id, data } }) => (id.startsWith('log') ? id : data));
    expect(found).toEqual(['log0', 'log1', 'quiet', 'noisy', 'quiet', 'noisy']);
    await store.close();
  });

  it('may make much of little', async () => {
    const store = await EventStore.open(':memory:', { codec: utf8() as never });
    const sizes = [10, 3_000_000, 0, 70_000, 5_000_000, 1];
    for (const first of [0, 3]) {
      await store.storeBatch(
        sizes.slice(first, first + 3).map((size, i) => ({ ...anEvent('a'), data: String(first + i).repeat(size) })),
      );
    }
    const found = (await collect(store.load())).map(({ event: { data } }) => data);
    expect(found).toEqual(sizes.map((size, i) => String(i).repeat(size)));
    await store.close();
  });

  it('that cannot encode is MMCB_CODEC, and nothing is stored', async () => {
    const store = await EventStore.open(':memory:', { ...small, codec: json() });
    const loop: { self?: unknown } = {};
    loop.self = loop;
    for (const data of [loop, 1n, undefined, () => {}]) {
      await expectCode(() => store.store({ ...anEvent('a'), data }), 'MMCB_CODEC');
      await expectCode(() => store.storeBatch([anEvent('a'), { ...anEvent('a'), data }]), 'MMCB_CODEC');
    }
    await expectCode(() => store.store({ ...anEvent('a'), metadata: 1n }), 'MMCB_CODEC');
    expect(await store.latestVersion()).toBe(0);
    await store.store(anEvent('a'));
    await expectCode(() => store.saveSnapshot('a', loop, 1), 'MMCB_CODEC');
    await store.close();
    const none = await EventStore.open(':memory:', {
      ...small,
      codec: { encode: () => null, decode: () => 1 } as never,
    });
    await expectCode(() => none.store(anEvent('a')), 'MMCB_CODEC');
    await expectCode(() => none.saveSnapshot('a', 1, 1), 'MMCB_CODEC');
    await none.close();
  });

  it('that cannot decode is MMCB_CODEC, of that event', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    await store.store({ ...anEvent('a'), id: 'x', data: { n: 1 } });
    await store.close();
    const other = await EventStore.open(path, { ...small, codec: json() });
    await expectCode(() => other.get('x'), 'MMCB_CODEC');
    await expectCode(() => collect(other.load()), 'MMCB_CODEC');
    expect(other.stats().events).toBe(1); // the index needs no codec
    await other.close();
  });
});

describe('compression', () => {
  const data = { text: 'again and '.repeat(500) };

  it.each<[string, EventStoreOptions['compression']]>([
    ['what this Node has', true],
    ['gzip', { algorithm: 'gzip', level: 9 }],
  ])('by %s takes less space, and may come and go', async (_, compression) => {
    const path = tempFile();
    const sizes: number[] = [];
    for (const option of [false, compression, undefined]) {
      const store = await EventStore.open(path, { ...small, compression: option });
      const before = store.stats().buffer.dataSize;
      await store.store({ ...anEvent('a'), data, metadata: data });
      sizes.push(store.stats().buffer.dataSize - before);
      await store.saveSnapshot('a', data, await store.latestVersion());
      expect(await store.loadSnapshot('a')).toMatchObject({ state: data });
      for (const { event } of await collect(store.load())) expect(event).toMatchObject({ data, metadata: data });
      await store.close();
    }
    expect(sizes[1]).toBeLessThan((sizes[0] as number) / 10);
    expect(sizes[2]).toBe(sizes[0]);
  });

  it.each<[unknown, new () => Error]>([
    ['zstd', TypeError],
    [{ algorithm: 'lzma' }, RangeError],
    [{ levels: 1 }, TypeError],
  ])('refuses %j', async (compression, kind) => {
    const error = await errorOf(() => EventStore.open(':memory:', { ...small, compression: compression as true }));
    expect(error).toBeInstanceOf(kind);
  });
});

describe('upcasters', () => {
  const first = (data: unknown) => ({ ...(data as object), currency: 'EUR' });
  const second = (data: unknown, { metadata }: { metadata?: unknown }) => ({ ...(data as object), by: metadata });

  it('make new data of old, from whatever version it has', async () => {
    const path = tempFile();
    const upcasters = [{}, { Paid: [first] }, { Paid: [first, second] }];
    for (const [i, some] of upcasters.entries()) {
      const store = await EventStore.open(path, { ...small, upcasters: some });
      await store.store({ id: `${i}`, type: 'Paid', aggregateId: 'a', data: { amount: i }, metadata: 'Ada' });
      await store.store({ id: `other ${i}`, type: 'Other', aggregateId: 'a', data: i });
      const [last] = await collect(store.load({ backwards: true, limit: 1 }));
      expect(last?.event.data).toBe(i);
      if (i === 2) {
        const paid = await collect(store.load({ types: ['Paid'] }));
        expect(paid.map(({ event }) => event.data)).toEqual([
          { amount: 0, currency: 'EUR', by: 'Ada' },
          { amount: 1, by: 'Ada' },
          { amount: 2 },
        ]);
      }
      await store.close();
    }
    const older = await EventStore.open(path, { ...small, upcasters: { Paid: [first] } });
    expect((await expectCode(() => older.get('2'), 'MMCB_CODEC')).message).toContain('schema version 3');
    await older.close();
  });

  it('that throw are MMCB_CODEC, with their error', async () => {
    const path = tempFile();
    const store = await EventStore.open(path, small);
    await store.store({ id: 'x', type: 'T', aggregateId: 'a', data: 1 });
    await store.close();
    const cause = new Error('too old');
    const fails = () => {
      throw cause;
    };
    const again = await EventStore.open(path, { ...small, upcasters: { T: [fails] } });
    expect((await expectCode(() => again.get('x'), 'MMCB_CODEC')).cause).toBe(cause);
    await again.close();
  });

  it.each([[[]], ['x'], [{ T: first }], [{ T: [1] }]])('refuses %j', async (upcasters) => {
    const error = await errorOf(() => EventStore.open(':memory:', { ...small, upcasters: upcasters as never }));
    expect(error).toBeInstanceOf(TypeError);
  });
});

describe('snapshots', () => {
  it('have a codec and a schema version of their own', async () => {
    const path = tempFile();
    const codec = utf8() as never;
    const store = await EventStore.open(path, { ...small, snapshots: { codec } });
    await store.store(anEvent('a'));
    await store.saveSnapshot('a', 'text', 1);
    await store.close();
    const newer = await EventStore.open(path, { ...small, snapshots: { codec, schemaVersion: 2 } });
    expect(await newer.loadSnapshot('a')).toBeUndefined();
    expect(await newer.runGC()).toMatchObject({ collected: 0 }); // the one that is there does not count
    await newer.saveSnapshot('a', 'another', 1);
    expect(await newer.loadSnapshot('a')).toMatchObject({ state: 'another' });
    await newer.close();
    const other = await EventStore.open(path, { ...small, snapshots: { schemaVersion: 2, codec: json() } });
    await expectCode(() => other.loadSnapshot('a'), 'MMCB_CODEC');
    await other.close();
  });
});
