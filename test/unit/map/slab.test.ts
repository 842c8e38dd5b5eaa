/** Values lie in memory that is used again: nothing that was given out may change, whatever is done meanwhile. */
import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { binary, type Codec, IntMap, StringMap } from '../../../src/index.js';

const bytes = (n: number): Buffer => Buffer.alloc(1 + (n % 500), n % 251);

describe('values given out', () => {
  let map: IntMap<Uint8Array>;
  beforeEach(() => {
    map = IntMap.openSync(':memory:', { codec: binary() });
    map.setMany(Array.from({ length: 2_000 }, (_, n) => [n, bytes(n)]));
  });
  afterEach(() => map.closeSync());

  it('never change', () => {
    const single = Array.from({ length: 2_000 }, (_, n) => map.get(n));
    const many = map.getMany(Array.from({ length: 2_000 }, (_, n) => n));
    const iterated = new Map(map);
    const paused = map.entries();
    paused.next();
    for (let n = 0; n < 2_000; n++) map.set(n, bytes(n + 1));
    for (let n = 0; n < 2_000; n++) map.get(n);
    map.getMany(Array.from({ length: 2_000 }, (_, n) => n));
    for (const _ of map);
    for (let n = 0; n < 2_000; n++) {
      for (const value of [single[n], many[n], iterated.get(n)]) {
        if (!bytes(n).equals(value as Uint8Array)) throw new Error(`value ${n} has changed`);
      }
    }
    for (const [n, value] of paused) expect(bytes(n + 1).equals(value)).toBe(true);
  });

  it('belong to whoever got them', () => {
    (map.get(7) as Uint8Array).fill(0);
    expect(bytes(7).equals(map.get(7) as Uint8Array)).toBe(true);
  });

  it('cannot be taken away with their memory', () => {
    const value = map.get(7) as Buffer;
    const { port1, port2 } = new MessageChannel();
    try {
      port1.postMessage(value.buffer, [value.buffer as ArrayBuffer]);
    } catch {
      // newer Nodes throw, older ones copy
    } finally {
      port1.close();
      port2.close();
    }
    expect(value.length).toBe(bytes(7).length);
    expect(bytes(8).equals(map.get(8) as Uint8Array)).toBe(true);
  });
});

describe('a codec that calls back into the map', () => {
  /** Decodes by looking at what is in memory after having used the map for something else. */
  function nosy(slice: boolean): { codec: Codec<string>; attach(map: IntMap<string>): void } {
    let map: IntMap<string> | undefined;
    let depth = 0;
    const meddle = (): void => {
      if (map === undefined || depth > 1) return;
      depth++;
      map.get(1);
      map.getMany([2, 3, 4, 5, 6]);
      for (const _ of map.values()) break;
      map.set(99, 'x'.repeat(depth * 1_000));
      depth--;
    };
    const codec: Codec<string> = {
      encode: (value) => Buffer.from(value),
      decode(bytes) {
        meddle();
        return Buffer.from(bytes).toString();
      },
    };
    if (slice) {
      codec.decodeSlice = (memory, start, end) => {
        meddle();
        return memory.toString('utf8', start, end);
      };
    }
    return {
      codec,
      attach(to) {
        map = to;
      },
    };
  }

  it.each([true, false])('decodes the right bytes (decodeSlice: %s)', (slice) => {
    const { codec, attach } = nosy(slice);
    using map = IntMap.openSync<string>(':memory:', { codec });
    const model = new Map(Array.from({ length: 300 }, (_, n) => [n, `value ${n} `.repeat(1 + (n % 40))]));
    map.setMany(model);
    attach(map);
    for (const [n, value] of model) if (n !== 99) expect(map.get(n)).toBe(value);
    const keys = [...model.keys()].filter((n) => n !== 99);
    expect(map.getMany(keys)).toEqual(keys.map((n) => model.get(n)));
    for (const [n, value] of map) if (n !== 99) expect(value).toBe(model.get(n));
  });

  it('may close the map', () => {
    const map = IntMap.openSync<string>(':memory:', {
      codec: {
        encode: (value) => Buffer.from(value),
        decode(bytes) {
          map.closeSync();
          return bytes.toString();
        },
      },
    });
    map.set(1, 'last words');
    expect(map.get(1)).toBe('last words');
    expect(() => map.get(1)).toThrow(/closed/);
  });

  it('may close the map while encoding', () => {
    const map = IntMap.openSync<string>(':memory:', {
      codec: {
        encode(value) {
          map.closeSync();
          return Buffer.from(value);
        },
        decode: (bytes) => bytes.toString(),
      },
    });
    expect(() => map.set(1, 'x')).toThrow(/closed/);
  });
});

describe('several maps', () => {
  it('share a buffer, and keep their keys apart', () => {
    using ints = IntMap.openSync<string>(':memory:');
    const strings = new StringMap<string>(ints.buffer);
    for (let n = 0; n < 200; n++) {
      ints.set(n, `int ${n}`);
      strings.set(String(n), `string ${n}`);
    }
    expect([ints.size, strings.size, ints.buffer.stats().count]).toEqual([200, 200, 400]);
    strings.clear();
    expect([ints.size, strings.size]).toEqual([200, 0]);
    expect([...ints.buffer.addresses()]).toHaveLength(200);
    expect([...ints.buffer.entries()]).toHaveLength(200);
  });
});
