/** The parts of a cache that can be looked at by themselves. */
import { describe, expect, it } from 'vitest';
import { Breaker } from '../../../src/cache/breaker.js';
import { Entry } from '../../../src/cache/entry.js';
import { Deadlines } from '../../../src/cache/expiry.js';
import { packRecord, unpackRecord } from '../../../src/cache/file-record.js';
import { Flights } from '../../../src/cache/flights.js';
import { MemoryLayer } from '../../../src/cache/memory-layer.js';
import { isNewer, StampClock, TICKS } from '../../../src/cache/stamp.js';

describe('stamps', () => {
  it('grow, whatever the clock does, and follow it as long as it goes on', () => {
    let now = 1000;
    const clock = new StampClock(() => now);
    const stamps = [clock.next(), clock.next()];
    now = 500;
    stamps.push(clock.next());
    now = 2000;
    stamps.push(clock.next());
    for (let i = 1; i < stamps.length; i++) expect(isNewer(stamps[i] as never, stamps[i - 1] as never)).toBe(true);
    expect(stamps.at(-1)?.time).toBe(2000 * TICKS);
  });

  it('are newer than what was observed, if that can be believed', () => {
    const clock = new StampClock(() => 1000);
    clock.observe(5000 * TICKS);
    expect(clock.next().time).toBe(5000 * TICKS + 1);
    clock.observe(1e13 * TICKS);
    expect(clock.next().time).toBe(5000 * TICKS + 2);
  });

  it('of the same moment are told apart by who made them', () => {
    const [a, b] = [
      { time: 1, origin: 'a' },
      { time: 1, origin: 'b' },
    ];
    expect([isNewer(a, b), isNewer(b, a), isNewer(a, a)]).toEqual([false, true, false]);
  });
});

it('deadlines are those of the expiry, the default or none, less the jitter', () => {
  expect(new Deadlines(0, 0).of(0, 10)).toBe(Number.POSITIVE_INFINITY);
  const deadlines = new Deadlines(100, 0.5, () => 0.5);
  expect([deadlines.of(0, 10), deadlines.of(40, 10), deadlines.of(-5, 10)]).toEqual([85, 40, 5]);
  expect(deadlines.of(Number.POSITIVE_INFINITY, 10)).toBe(Number.POSITIVE_INFINITY);
});

it('a breaker opens after failures in a row, and waits longer each time', () => {
  const breaker = new Breaker(3);
  breaker.failed();
  breaker.failed();
  breaker.succeeded();
  expect([breaker.failed(), breaker.failed(), breaker.failed()]).toEqual([false, false, true]);
  breaker.open();
  expect([breaker.isOpen, breaker.failed()]).toEqual([true, false]);
  expect(Array.from({ length: 8 }, () => breaker.nextWait())).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000]);
  breaker.close();
  expect([breaker.isOpen, breaker.nextWait()]).toEqual([false, 50]);
});

it('the memory layer spares what was used since its hand came by', () => {
  const evicted: string[] = [];
  const layer = new MemoryLayer({ maxEntries: 3, maxBytes: 100 }, (key) => evicted.push(key));
  const entry = (bytes: number) => new Entry('', 1, 1, bytes, 0, '', 0, false);
  for (const key of ['a', 'b', 'c']) layer.put(key, entry(10));
  layer.use(layer.placeOf('a') as number);
  layer.put('d', entry(10));
  layer.put('e', entry(10));
  expect(evicted).toEqual(['b', 'c']);
  layer.put('f', entry(90));
  expect([layer.size, layer.bytes]).toEqual([2, 100]);
  layer.put('f', entry(5));
  layer.delete('f');
  expect(layer.bytes).toBe(10);
  expect([layer.fits(101), layer.fits(100)]).toEqual([false, true]);
});

it('the memory layer holds what a Map would, less what it told of as evicted', () => {
  const held = new Map<string, Entry>();
  const bounds = { maxEntries: 300, maxBytes: 20_000 };
  const layer = new MemoryLayer(bounds, (key) => expect(held.delete(key)).toBe(true));
  let random = 1;
  const below = (limit: number): number => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return Math.floor((random / 2 ** 32) * limit);
  };
  for (let i = 0; i < 20_000; i++) {
    const key = `${below(600)}`;
    const place = layer.placeOf(key);
    expect(place !== undefined).toBe(held.has(key));
    if (below(4) === 0) {
      expect(layer.delete(key)).toBe(held.get(key));
      held.delete(key);
    } else if (place !== undefined && below(2) === 0) {
      layer.use(place);
      expect([layer.keyAt(place), layer.takeUsed(key), layer.takeUsed(key)]).toEqual([key, true, false]);
    } else {
      const entry = new Entry(`value ${i}`, i, i, below(200), 0, '', 0, false);
      held.set(key, entry);
      layer.put(key, entry);
      const at = layer.placeOf(key) as number;
      expect([layer.valueAt(at), layer.expiresAt(at), layer.entryAt(at)]).toEqual([entry.value, i, entry]);
    }
    expect(layer.size).toBe(held.size);
    expect(layer.size).toBeLessThanOrEqual(bounds.maxEntries);
    expect(layer.bytes).toBeLessThanOrEqual(bounds.maxBytes);
  }
  expect(layer.bytes).toBe([...held.values()].reduce((sum, entry) => sum + entry.bytes, 0));
  expect(layer.places).toBeLessThanOrEqual(bounds.maxEntries + 1); // places are used again
  layer.clear();
  expect([layer.size, layer.bytes, layer.places, layer.placeOf('1')]).toEqual([0, 0, 0, undefined]);
});

it('flights are marked by changes of their key, but not by their own', () => {
  const flights = new Flights();
  const [a, own, b] = [flights.begin('a'), flights.begin('a'), flights.begin('b')];
  flights.changed('a', own);
  expect([a.dirty, own.dirty, b.dirty]).toEqual([true, false, false]);
  flights.end('a', own);
  flights.changed(undefined);
  expect([own.dirty, b.dirty]).toEqual([false, true]);
});

it('a record comes back as it was, and what is none is not taken for one', () => {
  const record = {
    expires: Number.POSITIVE_INFINITY,
    staleUntil: 1.5,
    validated: Number.NEGATIVE_INFINITY,
    run: 0xffffffff,
    time: 2 ** 53 - 1,
    origin: 'ab-_cdef',
    absent: true,
    encoded: { bytes: Buffer.from([0, 255]), text: true },
  };
  const packed = packRecord(record);
  expect(unpackRecord(packed)).toEqual(record);
  expect(unpackRecord(packRecord({ ...record, origin: '' }))?.origin).toBe('');
  expect(unpackRecord(packed.subarray(0, 47))).toBeUndefined();
  packed[0] = 2;
  expect(unpackRecord(packed)).toBeUndefined();
});
