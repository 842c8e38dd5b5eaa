/** What the compiler must know. Checked by `npm run check`; running it proves that the file is valid. */
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { describe, expectTypeOf, it } from 'vitest';
import {
  AbstractIntMap,
  AbstractStringMap,
  binary,
  type Codec,
  CompactableBuffer,
  compressed,
  type DomainEvent,
  type EntryHeader,
  EventStore,
  type EventStoreLike,
  IntMap,
  json,
  LayeredCache,
  MmcbError,
  type MmcbErrorCode,
  msgpack,
  OrderedMap,
  RecordMap,
  StringMap,
  utf8,
} from '../../src/index.js';
import { MmcbLevel } from '../../src/level/index.js';
import { redisLayer } from '../../src/redis/index.js';

interface Foo {
  id: number;
  name: string;
}

class FooMap extends AbstractIntMap<Foo> {
  encode(foo: Foo): Uint8Array {
    return Buffer.from(JSON.stringify(foo));
  }
  decode(bytes: Uint8Array): Foo {
    return JSON.parse(Buffer.from(bytes).toString()) as Foo;
  }
  rename(id: number, name: string): this {
    return this.set(id, { id, name });
  }
}

class FooByName extends AbstractStringMap<Foo> {
  protected encode(foo: Foo): Buffer {
    return Buffer.from(JSON.stringify(foo));
  }
  protected decode(bytes: Buffer): Foo {
    return JSON.parse(bytes.toString()) as Foo;
  }
}

/** Code that is compiled, and never run. */
const compiled = (_: () => unknown): void => {};

describe('types', () => {
  it('of a cache are those of its values', () => {
    compiled(async () => {
      const cache = await LayeredCache.open<Foo>({
        encode: (key, foo) => `${key}${foo.id}`,
        decode: (_, text: string) => ({ id: 1, name: text }),
      });
      expectTypeOf(cache).toEqualTypeOf<LayeredCache<Foo>>();
      expectTypeOf(await cache.get('a')).toEqualTypeOf<Foo | undefined>();
      expectTypeOf(cache.peek('a')).toEqualTypeOf<Foo | undefined>();
      expectTypeOf(await cache.getOrLoad('a', () => undefined)).toEqualTypeOf<Foo | undefined>();
      expectTypeOf(await cache.set('a', { id: 1, name: '' }, LayeredCache.NoExpiry)).toEqualTypeOf<boolean>();
      cache.onDelete((key, foo, reason) => {
        expectTypeOf(key).toEqualTypeOf<string>();
        expectTypeOf(foo).toEqualTypeOf<Foo>();
        expectTypeOf(reason).toEqualTypeOf<'delete' | 'expiry' | 'eviction'>();
      });
      // @ts-expect-error a number is no Foo
      await cache.put('a', 1);
      const client = createClient();
      await LayeredCache.open({ redis: redisLayer(client, { prefix: 'a:' }) });
      await LayeredCache.open({ redis: redisLayer(new Redis({ lazyConnect: true })) });
      await LayeredCache.open({ redis: redisLayer({ url: 'redis://localhost', socket: { keepAlive: true } }) });
    });
  });

  it('of keys in order', () => {
    compiled(async () => {
      const map = await OrderedMap.open<Foo>('foos.mmcb', { codec: json() });
      expectTypeOf(map).toEqualTypeOf<OrderedMap<Foo>>();
      expectTypeOf(map.range({ gte: 'a', reverse: true })).toEqualTypeOf<IterableIterator<[string, Foo]>>();
      expectTypeOf(map.first({ gt: 'a' })).toEqualTypeOf<[string, Foo] | undefined>();
      expectTypeOf(map.deleteRange({ lt: 'a', limit: 1 })).toEqualTypeOf<number>();
      // @ts-expect-error keys are strings
      map.range({ gt: 1 });
      const db = new MmcbLevel<string, Foo>('foos.mmcb', { valueEncoding: 'json', syncInterval: 10 });
      expectTypeOf(await db.get('a')).toEqualTypeOf<Foo | undefined>();
      expectTypeOf(db.buffer).toEqualTypeOf<CompactableBuffer | undefined>();
      // @ts-expect-error its order is not an option
      new MmcbLevel('foos.mmcb', { ordered: false });
    });
  });

  it('of a subclass are those of the subclass', () => {
    compiled(async () => {
      const foos = await FooMap.open('foos.mmcb');
      expectTypeOf(foos).toEqualTypeOf<FooMap>();
      expectTypeOf(foos.get(1)).toEqualTypeOf<Foo | undefined>();
      expectTypeOf(foos.rename(1, 'a').set(2, { id: 2, name: 'b' })).toEqualTypeOf<FooMap>();
      expectTypeOf(FooByName.openSync('foos.mmcb', { readOnly: true })).toEqualTypeOf<FooByName>();
      expectTypeOf(new FooMap(foos.buffer)).toEqualTypeOf<FooMap>();
      // @ts-expect-error an abstract class cannot be opened
      AbstractIntMap.open('foos.mmcb');
      // @ts-expect-error a subclass has its own encode and decode
      FooMap.open('foos.mmcb', { codec: json() });
      // @ts-expect-error strings are no keys
      foos.get('1');
      // @ts-expect-error nor is anything but a Foo a value
      foos.set(1, { id: 1 });
    });
  });

  it('of maps follow from their codecs', () => {
    compiled(async () => {
      expectTypeOf(await IntMap.open<Foo>('x')).toEqualTypeOf<IntMap<Foo>>();
      expectTypeOf(await IntMap.open('x', { codec: utf8() })).toEqualTypeOf<IntMap<string>>();
      expectTypeOf(StringMap.openSync('x', { codec: json<Foo>() })).toEqualTypeOf<StringMap<Foo>>();
      expectTypeOf(IntMap.openSync('x')).toEqualTypeOf<IntMap<unknown>>();
      expectTypeOf(compressed(json<Foo>())).toEqualTypeOf<Codec<Foo>>();
      expectTypeOf(msgpack<Foo>().decode).returns.toEqualTypeOf<Foo>();
      expectTypeOf(binary()).toEqualTypeOf<Codec<Uint8Array>>();
      // @ts-expect-error the codec is for strings
      IntMap.open<Foo>('x', { codec: utf8() });
    });
  });

  it('of maps are those of Map', () => {
    compiled(() => {
      const map = IntMap.openSync<Foo>('x');
      expectTypeOf([...map]).toEqualTypeOf<[number, Foo][]>();
      expectTypeOf([...map.keys()]).toEqualTypeOf<number[]>();
      expectTypeOf(map.getMany([1])).toEqualTypeOf<(Foo | undefined)[]>();
      expectTypeOf(map.update(1, (foo) => foo ?? { id: 1, name: '' })).toEqualTypeOf<Foo>();
      expectTypeOf(new Map(map)).toEqualTypeOf<Map<number, Foo>>();
      map.setMany(new Map<number, Foo>());
      map.forEach((value, key, same) => {
        expectTypeOf(value).toEqualTypeOf<Foo>();
        expectTypeOf(key).toEqualTypeOf<number>();
        expectTypeOf(same).toEqualTypeOf<IntMap<Foo>>();
      });
      // @ts-expect-error size is read-only
      map.size = 5;
    });
  });

  it('of records know their ids', () => {
    compiled(async () => {
      const records = await RecordMap.open<Foo>('x', { id: 'id' });
      expectTypeOf(records.getAll()).toEqualTypeOf<Foo[]>();
      expectTypeOf(records.get(1)).toEqualTypeOf<Foo | undefined>();
      await RecordMap.open<Foo>('x', { id: (foo) => foo.name, codec: json() });
      // @ts-expect-error there is no such field
      await RecordMap.open<Foo>('x', { id: 'key' });
      // @ts-expect-error the id is required
      await RecordMap.open<Foo>('x', {});
    });
  });

  it('of a buffer are exact', () => {
    compiled(async () => {
      await using buffer = await CompactableBuffer.open('x', { compaction: { policy: 'time', interval: 5 } });
      expectTypeOf(buffer.add('x')).toEqualTypeOf<number>();
      expectTypeOf(buffer.readHeader(1)).toEqualTypeOf<EntryHeader>();
      expectTypeOf(buffer.view(1, (bytes) => bytes.length)).toEqualTypeOf<number>();
      expectTypeOf(buffer.batch([{ type: 'remove', address: 1 }])).toEqualTypeOf<(number | undefined)[]>();
      expectTypeOf(buffer.recovery.status).toEqualTypeOf<
        'created' | 'clean' | 'replayed' | 'rolled back' | 'salvaged'
      >();
      buffer.on('compaction', (report) => expectTypeOf(report.movedBytes).toEqualTypeOf<number>());
      buffer.on('error', (error) => expectTypeOf(error).toEqualTypeOf<Error>());
      // @ts-expect-error an interval belongs to the policy 'time'
      CompactableBuffer.open('x', { compaction: { policy: 'space', interval: 5 } });
      // @ts-expect-error there is no such option
      CompactableBuffer.open('x', { readonly: true });
      // @ts-expect-error an update has an address
      buffer.batch([{ type: 'update', data: 'x' }]);
    });
  });

  it('of errors name all codes', () => {
    expectTypeOf(new MmcbError('MMCB_IO').code).toEqualTypeOf<MmcbErrorCode>();
    expectTypeOf<'MMCB_NOT_FOUND'>().toMatchTypeOf<MmcbErrorCode>();
    // @ts-expect-error there is no such code
    compiled(() => new MmcbError('MMCB_NONE'));
  });
});

describe('event stores', () => {
  type Opened = DomainEvent<'Opened', { owner: string }>;
  type Deposited = DomainEvent<'Deposited', { amount: number }, { by: string }>;

  it('know their events', async () => {
    const store = await EventStore.open<Opened | Deposited>(':memory:');
    const opened: Opened = { id: '1', type: 'Opened', aggregateId: 'a', data: { owner: 'Ada' } };
    expectTypeOf(await store.store(opened, { expectedVersion: 'none' })).toEqualTypeOf<number>();
    // @ts-expect-error: no such event
    store.store({ ...opened, id: '2', type: 'Closed' }).catch(() => {});
    // @ts-expect-error: no such type
    store.load({ types: ['Closed'] });
    for await (const { event, version, aggregateVersion, timestamp } of store.load({ types: ['Deposited'] })) {
      expectTypeOf(event).toEqualTypeOf<Opened | Deposited>();
      if (event.type === 'Deposited') expectTypeOf(event.data.amount).toEqualTypeOf<number>();
      expectTypeOf([version, aggregateVersion, timestamp]).toEqualTypeOf<number[]>();
    }
    expectTypeOf(await store.loadSnapshot<{ balance: number }>('a')).toEqualTypeOf<
      { readonly state: { balance: number }; readonly version: number; readonly timestamp: number } | undefined
    >();
    expectTypeOf(store).toExtend<EventStoreLike<Opened | Deposited>>();
    await store.close();
  });
});
