/**
 * What every CompactableBuffer does, wherever it lives. `bufferContract(backend)` declares the suite; see
 * test/unit/buffer/contract.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BufferOptions, CompactableBuffer } from '../../src/index.js';
import type { Backend } from '../support/backends.js';
import { errorOf, expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';

const SLAB = 65_536;
/** Sizes around every limit: empty, the 8 KiB above which values get memory of their own, the slab, a segment, many. */
const sizes = [0, 1, 7, 8, 100, 8_191, 8_192, 8_193, SLAB - 1, SLAB, SLAB + 1, 200_000, 3_000_000];

const pattern = (size: number, salt = 1): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => i * 31 + salt));

export function bufferContract(backend: Backend): void {
  let buffer: CompactableBuffer;
  let path: string;
  const open = (options?: BufferOptions): Promise<CompactableBuffer> =>
    CompactableBuffer.open(path, { ...backend.options, ...options });

  beforeEach(async () => {
    path = backend.path();
    buffer = await open();
  });
  afterEach(() => buffer.close());

  describe('entries', () => {
    it.each(sizes)('keeps an entry of %i bytes', (size) => {
      const data = pattern(size);
      const address = buffer.add(data);
      expect(Number.isSafeInteger(address)).toBe(true);
      expect(buffer.has(address)).toBe(true);
      expect(buffer.read(address).equals(data)).toBe(true);
      expect(buffer.readHeader(address)).toMatchObject({ status: 'valid', kind: 'plain', dataSize: size, keySize: 0 });
      expect(buffer.readHeader(address).capacity).toBeGreaterThanOrEqual(size);
    });

    it('stores strings as UTF-8', () => {
      const address = buffer.add('Zürich 🚀');
      expect(buffer.read(address).toString()).toBe('Zürich 🚀');
      buffer.update(address, '');
      expect(buffer.read(address).length).toBe(0);
    });

    it('keeps the address over growing and shrinking updates', () => {
      const address = buffer.add('x');
      const others = Array.from({ length: 50 }, (_, i) => buffer.add(pattern(100, i)));
      for (const size of [...sizes, ...sizes.toReversed()]) {
        buffer.update(address, pattern(size, size));
        expect(buffer.read(address).equals(pattern(size, size))).toBe(true);
      }
      for (const [i, other] of others.entries()) expect(buffer.read(other).equals(pattern(100, i))).toBe(true);
    });

    it('copies what it is given', () => {
      const data = Buffer.from('before');
      const address = buffer.add(data);
      data.fill('-');
      expect(buffer.read(address).toString()).toBe('before');
    });

    it('gives copies that stay as they are', () => {
      const address = buffer.add('first');
      const large = buffer.add(pattern(20_000));
      const copies = [buffer.read(address), buffer.read(large)];
      buffer.update(address, 'other');
      buffer.update(large, pattern(20_000, 9));
      for (let i = 0; i < 2_000; i++) buffer.read(address);
      buffer.remove(address);
      expect(copies[0]?.toString()).toBe('first');
      expect(copies[1]?.equals(pattern(20_000))).toBe(true);
      copies[0]?.fill('-'); // and writing to them changes nothing
      const again = buffer.add('second');
      expect(buffer.read(again).toString()).toBe('second');
    });

    it('accepts a view of a larger memory', () => {
      const memory = pattern(64);
      expect(buffer.read(buffer.add(memory.subarray(10, 20))).equals(memory.subarray(10, 20))).toBe(true);
      expect(buffer.read(buffer.add(new Uint8Array(memory.buffer, memory.byteOffset, 5)))).toHaveLength(5);
    });

    it('forgets what is removed, for good', async () => {
      const address = buffer.add('gone');
      buffer.remove(address);
      expect(buffer.has(address)).toBe(false);
      expect(buffer.readHeader(address)).toMatchObject({ status: 'removed', dataSize: 0, capacity: 0 });
      const successors = Array.from({ length: 100 }, () => buffer.add('new'));
      expect(successors).not.toContain(address);
      await expectCode(() => buffer.read(address), 'MMCB_NOT_FOUND');
      await expectCode(() => buffer.update(address, 'x'), 'MMCB_NOT_FOUND');
      await expectCode(() => buffer.remove(address), 'MMCB_NOT_FOUND');
      await expectCode(() => buffer.readInto(address, Buffer.alloc(4)), 'MMCB_NOT_FOUND');
      await expectCode(() => buffer.view(address, () => 0), 'MMCB_NOT_FOUND');
      const error = await expectCode(() => buffer.read(address), 'MMCB_NOT_FOUND');
      expect(error.message).toContain(String(address));
    });

    it('knows no address that it has not given out', async () => {
      buffer.add('x');
      for (const address of [999_999, 2 ** 32 * 7 + 5, Number.MAX_SAFE_INTEGER]) {
        expect(buffer.has(address)).toBe(false);
        await expectCode(() => buffer.read(address), 'MMCB_NOT_FOUND');
        await expectCode(() => buffer.readHeader(address), 'MMCB_NOT_FOUND');
      }
    });
  });

  describe('readInto', () => {
    it('copies from a position, as much as fits', () => {
      const data = pattern(100);
      const address = buffer.add(data);
      const target = Buffer.alloc(30);
      expect(buffer.readInto(address, target)).toBe(30);
      expect(target.equals(data.subarray(0, 30))).toBe(true);
      expect(buffer.readInto(address, target, 90)).toBe(10);
      expect(target.subarray(0, 10).equals(data.subarray(90))).toBe(true);
      expect(target.subarray(10).equals(data.subarray(10, 30))).toBe(true);
      expect(buffer.readInto(address, target, 100)).toBe(0);
      expect(buffer.readInto(address, target, 10 ** 12)).toBe(0);
      expect(buffer.readInto(address, new Uint8Array(0))).toBe(0);
    });
  });

  describe('iteration', () => {
    it('goes over all entries, once', () => {
      const model = new Map(
        Array.from({ length: 3_000 }, (_, i) => [buffer.add(pattern(i % 90, i)), pattern(i % 90, i)]),
      );
      const large = buffer.add(pattern(SLAB + 5));
      model.set(large, pattern(SLAB + 5));
      for (const address of [...model.keys()].filter((_, i) => i % 3 === 0)) {
        buffer.remove(address);
        model.delete(address);
      }
      expect([...buffer.addresses()].sort()).toEqual([...model.keys()].sort());
      const found = new Map(buffer.entries());
      expect(found.size).toBe(model.size);
      for (const [address, data] of model) expect(found.get(address)?.equals(data)).toBe(true);
    });

    it('of nothing ends at once', () => {
      expect([...buffer.addresses()]).toEqual([]);
      expect(buffer.entries().next()).toEqual({ done: true, value: undefined });
    });

    it('skips what is removed, and shows what is updated, meanwhile', () => {
      const addresses = Array.from({ length: 100 }, (_, i) => buffer.add(`entry ${i}`));
      const seen = new Map<number, string>();
      for (const [address, data] of buffer.entries()) {
        if (seen.size === 0) {
          for (const [i, other] of addresses.entries()) {
            if (other === address) continue;
            if (i % 2 === 0) buffer.remove(other);
            else buffer.update(other, `updated ${i}`);
          }
        }
        seen.set(address, data.toString());
      }
      for (const [i, address] of addresses.entries()) {
        if (buffer.has(address)) expect(seen.get(address)).toMatch(/entry|updated/);
        if (!buffer.has(address)) expect(seen.has(address) && seen.get(address) !== `entry ${i}`).toBe(false);
      }
      expect(seen.size).toBe([...buffer.addresses()].length);
    });

    it('lets an iterator go early, and be kept over a close', async () => {
      for (let i = 0; i < 500; i++) buffer.add('x');
      for (const _ of buffer.entries()) break;
      const iterator = buffer.addresses();
      iterator.next();
      expect(iterator.return?.()).toEqual({ done: true, value: undefined });
      expect(iterator.next().done).toBe(true);
      const kept = buffer.entries();
      kept.next();
      await buffer.close();
      await expectCode(() => kept.next(), 'MMCB_CLOSED');
    });
  });

  describe('batch', () => {
    it('does adds, updates and removes, and tells the addresses of the adds', () => {
      const a = buffer.add('a');
      const b = buffer.add('b');
      const result = buffer.batch([
        { type: 'add', data: 'c' },
        { type: 'update', address: a, data: pattern(5_000) },
        { type: 'remove', address: b },
        { type: 'add', data: pattern(SLAB + 1) },
      ]);
      expect(result).toHaveLength(4);
      expect([result[1], result[2]]).toEqual([undefined, undefined]);
      expect(buffer.read(result[0] as number).toString()).toBe('c');
      expect(buffer.read(a).equals(pattern(5_000))).toBe(true);
      expect(buffer.has(b)).toBe(false);
      expect(buffer.read(result[3] as number).equals(pattern(SLAB + 1))).toBe(true);
      expect(buffer.batch([])).toEqual([]);
    });

    it('does nothing when one of them cannot be done', async () => {
      const a = buffer.add('a');
      const gone = buffer.add('gone');
      buffer.remove(gone);
      const before = buffer.stats().count;
      const batch = (): unknown =>
        buffer.batch([
          { type: 'add', data: 'new' },
          { type: 'update', address: a, data: 'changed' },
          { type: 'remove', address: gone },
        ]);
      await expectCode(batch, 'MMCB_NOT_FOUND');
      expect(buffer.read(a).toString()).toBe('a');
      expect(buffer.stats().count).toBe(before);
      expect([...buffer.addresses()]).toEqual([a]);
    });

    it('takes thousands of operations', () => {
      const operations = Array.from({ length: 5_000 }, (_, i) => ({ type: 'add' as const, data: `entry ${i}` }));
      const addresses = buffer.batch(operations);
      expect(new Set(addresses).size).toBe(5_000);
      expect(buffer.read(addresses[4_321] as number).toString()).toBe('entry 4321');
    });
  });

  describe('the whole', () => {
    it('counts', () => {
      const addresses = Array.from({ length: 10 }, () => buffer.add(pattern(1_000)));
      buffer.update(addresses[0] as number, pattern(10));
      buffer.remove(addresses[1] as number);
      const stats = buffer.stats();
      expect(stats).toMatchObject({
        count: 9,
        intCount: 0,
        stringCount: 0,
        dataSize: 8_010,
        adds: 10,
        updates: 1,
        removes: 1,
      });
      expect(stats.deletionRatio).toBeGreaterThanOrEqual(0);
      expect(stats.deletionRatio).toBeLessThanOrEqual(1);
      expect(stats.freeRatio).toBeGreaterThanOrEqual(0);
      expect(stats.freeRatio).toBeLessThanOrEqual(1);
    });

    it('flushes, also many times at once', async () => {
      buffer.add('x');
      await Promise.all(Array.from({ length: 20 }, () => buffer.flush()));
      await buffer.flush({ signal: new AbortController().signal });
    });

    it('compacts while it is used, and loses nothing', async () => {
      const addresses = Array.from({ length: 2_000 }, (_, i) => buffer.add(pattern(100, i)));
      for (const [i, address] of addresses.entries()) if (i % 2 === 0) buffer.remove(address);
      const compaction = buffer.compact({ onProgress: () => {} });
      const added = buffer.add('meanwhile');
      const report = await compaction;
      expect(report.ms).toBeGreaterThanOrEqual(0);
      expect(report.sizeAfter).toBeGreaterThanOrEqual(0);
      expect(buffer.read(added).toString()).toBe('meanwhile');
      for (const [i, address] of addresses.entries()) {
        expect(buffer.has(address)).toBe(i % 2 === 1);
        if (i % 2 === 1) expect(buffer.read(address).equals(pattern(100, i))).toBe(true);
      }
    });

    it('verifies', async () => {
      for (let i = 0; i < 100; i++) buffer.add(pattern(i));
      expect(await buffer.verify()).toMatchObject({ ok: true, errors: [], entries: 100 });
    });

    it('backs up, with the same addresses', async () => {
      const addresses = Array.from({ length: 100 }, (_, i) => buffer.add(pattern(i, i)));
      const target = tempFile('backup');
      await buffer.backup(target);
      buffer.update(addresses[0] as number, 'later');
      await using copy = await CompactableBuffer.open(target, { readOnly: true });
      for (const [i, address] of addresses.entries()) expect(copy.read(address).equals(pattern(i, i))).toBe(true);
      const error = await expectCode(() => buffer.backup(target), 'MMCB_IO');
      expect(error.cause).toMatchObject({ code: 'EEXIST' });
    });

    it('gives up long work when asked to, with the reason', async () => {
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      for (const work of [
        () => buffer.flush({ signal }),
        () => buffer.compact({ signal }),
        () => buffer.verify({ signal }),
        () => buffer.backup(tempFile(), { signal }),
        () => open({ signal }),
      ]) {
        expect(await errorOf(work)).toBe(reason);
      }
      const controller = new AbortController();
      const work = Promise.allSettled([
        buffer.compact({ signal: controller.signal }),
        buffer.verify({ signal: controller.signal }),
      ]);
      controller.abort(reason);
      for (const result of await work) expect(result).toEqual({ status: 'rejected', reason });
      expect((await buffer.verify()).ok).toBe(true);
    });
  });

  it.runIf(backend.persistent)('is all there when opened again', async () => {
    expect(buffer.recovery).toMatchObject({ status: 'created', entries: 0 });
    const model = new Map(sizes.map((size) => [buffer.add(pattern(size)), pattern(size)]));
    const gone = buffer.add('gone');
    buffer.remove(gone);
    await buffer.close();
    buffer = await open();
    expect(buffer.path).toBe(path);
    expect(buffer.recovery).toMatchObject({ status: 'clean', entries: model.size, lost: 0, quarantined: 0 });
    expect([...buffer.addresses()].sort()).toEqual([...model.keys()].sort());
    for (const [address, data] of model) expect(buffer.read(address).equals(data)).toBe(true);
    expect(buffer.has(gone)).toBe(false);
    const fresh = buffer.add('fresh');
    expect([...model.keys(), gone]).not.toContain(fresh);
  });

  it.runIf(backend.persistent)('can be opened for reading only', async () => {
    const address = buffer.add('x');
    await buffer.close();
    buffer = await open({ readOnly: true });
    expect(buffer.read(address).toString()).toBe('x');
    await expectCode(() => buffer.add('y'), 'MMCB_READ_ONLY');
    await expectCode(() => buffer.update(address, 'y'), 'MMCB_READ_ONLY');
    await expectCode(() => buffer.remove(address), 'MMCB_READ_ONLY');
    await expectCode(() => buffer.batch([{ type: 'add', data: 'y' }]), 'MMCB_READ_ONLY');
    expect(buffer.read(address).toString()).toBe('x');
  });
}
