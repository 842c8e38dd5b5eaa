/** The same path in several threads is one engine, and a thread that ends, however it ends, harms nothing. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type BufferOptions, binary, CompactableBuffer, IntMap, StringMap } from '../../src/index.js';
import { expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';
import { Thread } from './threads.js';

const options: BufferOptions = { initialSize: 65_536, segmentSize: 65_536, syncInterval: 20 };
const threads: Thread[] = [];

function thread(file: string): Thread {
  const made = new Thread(file, options);
  threads.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(threads.splice(0).map(({ worker }) => worker.terminate()));
});

describe('one file in several threads', () => {
  it('is one engine: what one writes the others read, and all agree on the size', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file, options);
    const ints = new IntMap<Uint8Array>(buffer, binary());
    const [a, b] = [thread(file), thread(file)];
    const mine = buffer.add('by the main thread');
    const theirs = (await a.ask('add', 'by thread a')) as number;
    expect(await b.ask('read', mine)).toBe('by the main thread');
    expect(await b.ask('read', theirs)).toBe('by thread a');
    expect(buffer.read(theirs).toString()).toBe('by thread a');
    await b.ask('update', theirs, 'by thread b, and longer than what thread a had put there');
    expect(buffer.read(theirs).toString()).toContain('thread b');
    await a.ask('remove', mine);
    expect(buffer.has(mine)).toBe(false);
    await expect(b.ask('read', mine)).rejects.toMatchObject({ code: 'MMCB_NOT_FOUND' });

    await Promise.all([a.ask('fill', 0, 3000), b.ask('fill', 3000, 3000)]);
    expect(ints.size).toBe(6000);
    expect(await a.ask('size')).toEqual([6000, 0]);
    expect(await b.ask('size')).toEqual([6000, 0]);
    for (let key = 0; key < 6000; key += 7) expect(ints.get(key)?.toString()).toBe(`value ${key}`);
    expect(await a.ask('getInt', 5999)).toBe('value 5999');
    expect(await b.ask('getInt', 0)).toBe('value 0');
    expect(await a.ask('verify')).toEqual([]);
    await buffer.close();
  });

  it('goes on in the others when one closes it', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file, options);
    const [a, b] = [thread(file), thread(file)];
    const address = (await a.ask('add', 'hello')) as number;
    await a.ask('close');
    await expect(a.ask('read', address)).rejects.toMatchObject({ code: 'MMCB_CLOSED' });
    expect(await b.ask('read', address)).toBe('hello');
    await buffer.close();
    await expectCode(() => buffer.read(address), 'MMCB_CLOSED');
    await b.ask('update', address, 'still here');
    await b.ask('flush');
    expect(await b.ask('read', address)).toBe('still here');
    await b.ask('close');

    const again = await CompactableBuffer.open(file, options);
    expect(again.recovery.status).toBe('clean');
    expect(again.read(address).toString()).toBe('still here');
    await again.close();
  });

  it('may be opened twice in one thread, by another name too', async () => {
    const file = tempFile();
    const first = await CompactableBuffer.open(file, options);
    const second = CompactableBuffer.openSync(file.replace(/([^/\\]+)$/, './$1'), options);
    const address = first.add('x');
    expect(second.read(address).toString()).toBe('x');
    await first.close();
    expect(second.read(address).toString()).toBe('x');
    second.update(address, 'y');
    await second.close();
    const third = await CompactableBuffer.open(file, options);
    expect(third.recovery.status).toBe('clean');
    expect(third.read(address).toString()).toBe('y');
    await third.close();
  });

  it('is not harmed by threads that exit without closing it', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file, options);
    const leaving = [thread(file), thread(file)];
    await Promise.all(leaving.map((one, i) => one.ask('fill', i * 1000, 1000)));
    await Promise.all(leaving.map((one) => one.leave()));
    expect(new IntMap(buffer, binary()).size).toBe(2000);
    expect((await buffer.verify()).errors).toEqual([]);
    await buffer.close();
    // They held nothing: the close was the last one, and so a clean one.
    const again = await CompactableBuffer.open(file, options);
    expect(again.recovery.status).toBe('clean');
    await again.close();
  });

  it('is closed in order when the last thread to use it is terminated', async () => {
    const file = tempFile();
    const one = thread(file);
    await one.ask('fill', 0, 500);
    await one.worker.terminate();
    const buffer = await CompactableBuffer.open(file, options);
    expect(['clean', 'replayed']).toContain(buffer.recovery.status);
    expect(new IntMap(buffer, binary()).size).toBe(500);
    await buffer.close();
  });

  it('is not harmed by 12 threads terminated in the middle of writing, while others work', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file, { ...options, compaction: { policy: 'time', interval: 5 } });
    const ints = new IntMap<Uint8Array>(buffer, binary());
    const strings = new StringMap<Uint8Array>(buffer, binary());
    const steady = thread(file);
    const rounds = 6;
    let steps = 0;
    for (let round = 0; round < rounds; round++) {
      const victims = [thread(file), thread(file)];
      const counters = victims.map(() => new SharedArrayBuffer(4));
      for (const [i, victim] of victims.entries()) {
        victim.tell('churn', 1_000_000 * (1 + round * 2 + i), counters[i]);
      }
      const done = (): number[] => counters.map((counter) => Atomics.load(new Int32Array(counter), 0));
      while (done().some((count) => count < 40)) await delay(1);
      // Meanwhile the others go on.
      const filling = steady.ask('fill', round * 500, 500);
      for (let key = 0; key < 500; key++) strings.set(`main ${round} ${key}`, Buffer.from(`string ${key}`));
      await delay(round * 3);
      await Promise.all(victims.map(({ worker }) => worker.terminate()));
      await filling;
      steps += done().reduce((sum, count) => sum + count, 0);
      expect((await buffer.verify()).errors).toEqual([]);
    }
    expect(steps).toBeGreaterThan(rounds * 2 * 40);
    for (let key = 0; key < rounds * 500; key++) expect(ints.get(key)?.toString()).toBe(`value ${key}`);
    for (let round = 0; round < rounds; round++) {
      for (let key = 0; key < 500; key++) {
        expect(strings.get(`main ${round} ${key}`)?.toString()).toBe(`string ${key}`);
      }
    }
    expect(await steady.ask('size')).toEqual([ints.size, strings.size]);
    // What the victims held is gone with them: nothing keeps space from being reused.
    expect(buffer.stats().readers).toBe(0);
    await steady.ask('close');
    const { count } = buffer.stats();
    await buffer.close();

    const again = await CompactableBuffer.open(file, options);
    expect(again.recovery).toMatchObject({ status: 'clean', entries: count });
    expect((await again.verify()).errors).toEqual([]);
    await again.close();
  }, 60_000);
});
