/** The index alone: what it knows, and what it costs. */
import { describe, expect, it } from 'vitest';
import { type EventHead, EventIndex, NONE } from '../../../src/events/event-index.js';
import { HashIndex } from '../../../src/events/hash-index.js';
import { RowTable } from '../../../src/events/row-table.js';
import { Versions } from '../../../src/events/versions.js';

const head = (aggregateId: string, aggregateVersion: number, more: Partial<EventHead> = {}): EventHead => ({
  ...{ aggregateId, type: 'T', idHash: aggregateVersion, aggregateVersion, isCollected: false },
  ...more,
});

describe('EventIndex', () => {
  it('takes at most 27 bytes for each event and 12 for each aggregate, and 8 more for each event with gaps', () => {
    const aggregates = 10_000;
    for (const count of [100_000, 131_072, 200_000, 800_000]) {
      const index = new EventIndex();
      for (let i = 0; i < count; i++) {
        index.add(
          i + 1,
          head(`a ${i % aggregates}`, Math.floor(i / aggregates) + 1, { idHash: (i * 2654435761) >>> 0 }),
        );
      }
      const chunk = 65_536 * 16; // the last one is not full
      const least = index.bytes - aggregates * 12 - 3 * 65_536 * 4;
      expect(least).toBeLessThanOrEqual(count * 27 + chunk);
      const before = index.bytes;
      index.add(count + 2, head('a 0', 1));
      expect(index.bytes - before).toBeLessThanOrEqual(count * 8 + 2 * chunk); // and a chunk of rows
      expect(index.rowOf(count)).toBe(count - 1);
      expect(index.rowOf(count + 1)).toBe(NONE);
      expect(index.rowOf(count + 2)).toBe(count);
    }
  });

  it('links the events of an aggregate, from the last to the first', () => {
    const index = new EventIndex();
    for (let i = 0; i < 12; i++) index.add(i + 1, head(`a ${i % 3}`, Math.floor(i / 3) + 1));
    const aggregate = index.aggregates.find('a 1') as number;
    const rows: number[] = [];
    for (let row = index.lastOf(aggregate); row !== NONE; row = index.previous(row)) rows.push(index.versionOf(row));
    expect(rows).toEqual([11, 8, 5, 2]);
    expect(index.aggregateVersion(aggregate)).toBe(4);
    expect(index).toMatchObject({ latest: 12, size: 12, rows: 12, missing: 0 });
  });

  it('counts what is missing, and not what was collected', () => {
    const index = new EventIndex();
    index.add(3, head('a', 2, { isCollected: true })); // 1 and 3 were collected
    index.add(4, head('a', 3));
    index.add(6, head('b', 2)); // 2 and 5 are lost
    expect(index).toMatchObject({ latest: 6, size: 2, rows: 3, missing: 2 });
    index.reach(8);
    expect(index).toMatchObject({ latest: 8, missing: 4 });
    expect(index.isRest(0)).toBe(true);
    expect(index.typeOf(0)).toBe(index.typeOf(1));
  });

  it('is made anew without what was collected', () => {
    const index = new EventIndex();
    for (let i = 0; i < 10; i++) index.add(i + 1, head(`a ${i % 2}`, Math.floor(i / 2) + 1, { idHash: i }));
    const next = index.without((row) => (row === 4 ? 'rest' : row < 4 && row % 2 === 0 ? 'drop' : 'keep'));
    expect(Array.from({ length: next.rows }, (_, row) => next.versionOf(row))).toEqual([2, 4, 5, 6, 7, 8, 9, 10]);
    expect(next).toMatchObject({ latest: 10, size: 7, rows: 8, missing: 0 });
    expect(next.isRest(2)).toBe(true);
    expect(next.previous(2)).toBe(NONE);
    expect(next.find(6, () => true)).toBe(4);
    expect(next.find(0, () => true)).toBe(NONE);
    const aggregate = next.aggregates.find('a 0') as number;
    expect(next.aggregateVersion(aggregate)).toBe(5);
    next.add(11, head('a 0', 6));
    expect(next.previous(next.lastOf(aggregate))).toBe(6);
  });
});

describe('HashIndex', () => {
  it('finds rows among others of the same hash, however many there are', () => {
    const hashes = (row: number): number => row % 7;
    const index = new HashIndex(hashes);
    for (let row = 0; row < 3000; row++) index.add(row);
    for (let row = 0; row < 3000; row += 13) expect(index.find(hashes(row), (one) => one === row)).toBe(row);
    expect(index.find(3, () => false)).toBe(-1);
    expect(index.find(8, () => true)).toBe(-1);
  });
});

describe('RowTable', () => {
  it('keeps numbers of 32 bits over its chunks', () => {
    const table = new RowTable(3);
    for (let i = 0; i < 140_000; i++) {
      expect(table.add()).toBe(i);
      table.set(i, 2, 0xffff_ffff - i);
    }
    expect(table.length).toBe(140_000);
    for (let i = 0; i < 140_000; i += 999) {
      expect(table.get(i, 2)).toBe(0xffff_ffff - i);
      expect(table.get(i, 0)).toBe(0);
    }
  });
});

describe('Versions', () => {
  it('are found with and without gaps, beyond 32 bits', () => {
    const versions = new Versions();
    const all: number[] = [];
    for (let i = 0; i < 200; i++) all.push(2 ** 40 + i);
    for (let i = 0; i < 200; i++) all.push(2 ** 41 + i * 3);
    for (const version of all) versions.add(version);
    for (const [row, version] of all.entries()) {
      expect(versions.at(row)).toBe(version);
      expect(versions.from(version)).toBe(row);
    }
    expect(versions.from(0)).toBe(0);
    expect(versions.from(2 ** 41 + 1)).toBe(201);
    expect(versions.from(2 ** 50)).toBe(400);
    const plain = new Versions();
    expect(plain.from(5)).toBe(0);
    plain.add(7);
    expect([plain.from(6), plain.from(7), plain.from(8), plain.bytes]).toEqual([0, 0, 1, 0]);
  });
});
