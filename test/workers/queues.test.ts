/** A DelayQueue in several threads: one of them has its index, each item goes to one, and none is needed by the others. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DelayQueue, type DelayQueueOptions, json, StoreAllError } from '../../src/index.js';
import { expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';
import { OtherProcess, Thread } from './threads.js';

type Options = Omit<DelayQueueOptions<unknown>, 'merge'> & { merge?: 'append' | 'throws' };

const basic: Options = { initialSize: 65_536, segmentSize: 65_536, delay: 0 };
const threads: QueueThread[] = [];
const queues: DelayQueue[] = [];

/** A thread with a queue open (queue-worker.mjs). */
class QueueThread extends Thread {
  /** Keys that its loops have got, and those that they are done with. */
  readonly got: string[] = [];
  readonly done: string[] = [];

  constructor(file: string, options: Options) {
    super(file, options, 'queue-worker.mjs');
    this.worker.on('message', (message: { got?: string; done?: string }) => {
      if (message.got !== undefined) this.got.push(message.got);
      if (message.done !== undefined) this.done.push(message.done);
    });
    threads.push(this);
  }

  static async open(file: string, options: Options = basic): Promise<QueueThread> {
    const thread = new QueueThread(file, { ...basic, ...options });
    await thread.ask('open');
    return thread;
  }

  /** Begins to block; resolves when it does. */
  async block(ms: number): Promise<void> {
    const blocked = once(this.worker, 'message');
    this.tell('block', ms);
    await blocked;
  }
}

async function open(file: string, options: DelayQueueOptions<unknown> = basic as never): Promise<DelayQueue> {
  const queue = await DelayQueue.open(file, { ...basic, codec: json(), ...options } as never);
  queues.push(queue);
  return queue;
}

const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 10_000, interval: 5 });
const keys = (first: number, count: number): string[] => Array.from({ length: count }, (_, i) => `key ${first + i}`);

afterEach(async () => {
  await Promise.all(threads.splice(0).map(({ worker }) => worker.terminate()));
  await Promise.all(queues.splice(0).map((queue) => queue.close()));
});

describe('a DelayQueue in several threads', () => {
  it('gives each item to one consumer, wherever it was stored', async () => {
    const file = tempFile();
    const queue = await open(file);
    const workers = await Promise.all([1, 2, 3].map(() => QueueThread.open(file)));
    const mine: string[] = [];
    const loop = (async () => {
      for await (const { key } of queue) mine.push(key);
    })();
    for (const worker of workers) await worker.ask('loop', 0);
    await Promise.all(workers.map((worker, i) => worker.ask('fill', i * 300, 300)));
    for (let i = 900; i < 1200; i++) queue.store({ key: `key ${i}`, value: i });
    await eventually(() => expect(queue.size).toBe(0));
    const all = [...mine, ...workers.flatMap(({ done }) => done)];
    expect(all.sort()).toEqual(keys(0, 1200).sort());
    for (const { done } of workers) expect(done.length).toBeGreaterThan(0);
    expect(queue.stats()).toMatchObject({ acknowledged: 1200, returned: 0 });
    await Promise.all(workers.map((worker) => worker.ask('close')));
    await Promise.all(workers.map((worker) => worker.ask('looped')));
    await queue.close();
    await loop;
  });

  it('can be called by a guest as by its host', async () => {
    const file = tempFile();
    const queue = await open(file, { delay: 100_000 });
    const guest = await QueueThread.open(file);
    expect(await guest.ask('store', { key: 'a', value: 1 })).toBe(true); // the host's delay
    expect(queue.nextDue).toBeGreaterThan(Date.now() + 50_000);
    expect(await guest.ask('nextDue')).toBe(queue.nextDue);
    expect(await guest.ask('retrieve', 10)).toEqual([]);
    expect(await guest.ask('store', { key: 'b', value: 'x', delay: 0, uniqueId: 'id' })).toBe(true);
    expect(await guest.ask('store', { key: 'b', value: 'y', delay: 0, uniqueId: 'id' })).toBe(false);
    expect(await guest.ask('store', { key: 'b', value: { large: 'z'.repeat(100_000) } })).toBe(true);
    expect([await guest.ask('size'), await guest.ask('has', 'b'), await guest.ask('has', 'c')]).toEqual([
      2,
      true,
      false,
    ]);
    expect(await guest.ask('retrieve', 10)).toEqual([{ key: 'b', value: { large: 'z'.repeat(100_000) }, updates: 1 }]);
    queue.store({ key: 'c', value: [3], delay: 0 });
    expect(await guest.ask('lease', 10, 60_000)).toEqual([{ key: 'c', value: [3], updates: 0, attempt: 1 }]);
    queue.store({ key: 'c', value: [4], delay: 0 }); // held
    expect(queue.retrieve(10)).toEqual([]);
    expect(await guest.ask('nack', { delay: 0 })).toEqual([true]);
    expect(await guest.ask('lease', 10, 60_000)).toMatchObject([{ value: [3], attempt: 2 }]);
    expect(await guest.ask('ack')).toEqual([true]);
    expect(queue.retrieve(10)).toEqual([{ key: 'c', value: [4], updates: 0 }]);
    const many = keys(0, 300).map((key, i) => ({ key, value: i, uniqueId: `${i % 100}`, delay: 0 }));
    expect(await guest.ask('storeAll', [...many, ...many])).toBe(300);
    expect(queue.retrieve(1000)).toEqual(many.map(({ key, value }) => ({ key, value, updates: 0 })));
    expect([await guest.ask('delete', 'a'), await guest.ask('delete', 'a')]).toEqual([true, false]);
    expect(await guest.ask('stats')).toMatchObject({
      waiting: 0,
      stored: 305,
      duplicates: 301,
      retrieved: 302,
      leased: 3,
    });
    await guest.ask('close');
    await expect(guest.ask('store', { key: 'a', value: 1 })).rejects.toMatchObject({ code: 'MMCB_CLOSED' });
  });

  it('throws in a guest what it would in its host', async () => {
    const file = tempFile();
    const host = await QueueThread.open(file, { ...basic, maxKeys: 2, merge: 'throws' });
    const queue = await open(file);
    queue.store({ key: 'a', value: 1 });
    const error = await expectCode(() => queue.store({ key: 'a', value: 2 }), 'MMCB_CODEC');
    expect(error.cause).toMatchObject({ message: 'merge is not for today' });
    queue.store({ key: 'b', value: 1 });
    await expectCode(() => queue.store({ key: 'c', value: 1 }), 'MMCB_QUEUE_FULL');
    await expectCode(() => queue.store({ key: 'c', value: 1n }), 'MMCB_CODEC');
    await expectCode(() => queue.store({ key: 'x'.repeat(65_536), value: 1 }), 'MMCB_TOO_LARGE');
    expect(await host.ask('delete', 'b')).toBe(true);
    const item = (key: string, value: unknown) => ({ key, value });
    const full = await expectCode(() => queue.storeAll([item('b', 2), item('c', 1), item('d', 1)]), 'MMCB_QUEUE_FULL');
    expect(full).toBeInstanceOf(StoreAllError);
    expect(full).toMatchObject({ index: 1, cause: { code: 'MMCB_QUEUE_FULL' } });
    expect(await host.ask('delete', 'b')).toBe(true);
    const here = await expectCode(() => queue.storeAll([item('b', 3), item('c', 1n)]), 'MMCB_CODEC');
    expect(here).toMatchObject({ index: 1 });
    const first = await expectCode(() => queue.storeAll([item('c', 1), item('d', 1n)]), 'MMCB_QUEUE_FULL');
    expect(first).toMatchObject({ index: 0 });
    expect(() => queue.store({ key: 5 as never, value: 1 })).toThrow(TypeError);
    expect(() => queue.retrieve(-1)).toThrow(RangeError);
    await expectCode(() => DelayQueue.open(file, { delay: 0 }), 'MMCB_LOCKED'); // once in a thread
    expect(await host.ask('size')).toBe(2);
  });

  it('merges in the host what a guest stores', async () => {
    const file = tempFile();
    await QueueThread.open(file, { ...basic, merge: 'append' });
    const queue = await open(file);
    queue.store({ key: 'a', value: [1] });
    queue.store({ key: 'a', value: [2] });
    expect(queue.retrieve(10)).toEqual([{ key: 'a', value: [1, 2], updates: 1 }]);
  });

  it('keeps what a guest cannot decode', async () => {
    const file = tempFile();
    const queue = await open(file);
    const guest = await QueueThread.open(file);
    await guest.ask('refuse', 'no');
    for (const [i, value] of ['yes', 'no', 'yes'].entries()) queue.store({ key: `${i}`, value });
    expect(await guest.ask('retrieve', 3)).toMatchObject([{ key: '0' }]);
    await expect(guest.ask('retrieve', 3)).rejects.toMatchObject({ code: 'MMCB_CODEC' });
    await expect(guest.ask('lease', 3, 1000)).rejects.toMatchObject({ code: 'MMCB_CODEC' });
    await expect(guest.ask('take')).rejects.toMatchObject({ code: 'MMCB_CODEC' });
    expect(queue.retrieve(3)).toMatchObject([{ key: '1' }, { key: '2' }]);
  });

  it('lets a guest leave its loops as the host can', async () => {
    const file = tempFile();
    const queue = await open(file);
    const guest = await QueueThread.open(file);
    queue.store({ key: 'a', value: 1 });
    expect(await guest.ask('once', 'break')).toMatchObject({ key: 'a' });
    expect(await guest.ask('once', 'throw')).toBe('left');
    expect(queue.stats()).toMatchObject({ waiting: 1, inFlight: 0 });
    expect(await guest.ask('once', 'ack')).toMatchObject({ key: 'a' });
    expect(queue.size).toBe(0);
    await expect(guest.ask('waiting', 'enough')).rejects.toThrow('enough');
    queue.store({ key: 'b', value: 1 });
    expect(queue.retrieve(1)).toMatchObject([{ key: 'b' }]); // nobody is waiting any more
  });

  it('does not do later what a guest has given up waiting for', async () => {
    const file = tempFile();
    const host = await QueueThread.open(file);
    const queue = await open(file, { delay: 0, answerTimeout: 50 });
    queue.store({ key: 'a', value: 1 });
    await host.block(1200);
    const error = await expectCode(() => queue.store({ key: 'b', value: 1 }), 'MMCB_NO_ANSWER');
    expect(error.message).toContain('Nothing was done');
    await expectCode(() => queue.retrieve(1), 'MMCB_NO_ANSWER');
    await expectCode(() => queue.lease(1), 'MMCB_NO_ANSWER');
    const [late] = queues.splice(0);
    await late?.close();
    await expectCode(() => open(file, { delay: 0, answerTimeout: 50 }), 'MMCB_NO_ANSWER');
    const again = await open(file); // by now the host has seen all of it
    expect(again.stats()).toMatchObject({ waiting: 1, inFlight: 0, stored: 1 });
    expect(again.retrieve(5)).toMatchObject([{ key: 'a' }]);
  });

  it('says so where it is not known whether a call is done, and loses nothing that it handed out', async () => {
    const file = tempFile();
    const host = await QueueThread.open(file);
    const queue = await open(file, { delay: 0, answerTimeout: 100 });
    queue.store({ key: 'a', value: 1 });
    for (const call of [() => queue.retrieve(1), () => queue.lease(1, { timeout: 100_000 })]) {
      await host.ask('slow', 400); // in the middle of the call
      const error = await expectCode(call, 'MMCB_NO_ANSWER');
      expect(error.message).toContain('not known');
      await eventually(async () => expect(await host.ask('stats')).toMatchObject({ waiting: 1, inFlight: 0 }));
    }
    expect(await host.ask('stats')).toMatchObject({ leased: 2, returned: 2 });
    expect(queue.retrieve(1)).toMatchObject([{ key: 'a' }]);
  });

  it('stops waiting for a host at a signal', async () => {
    const file = tempFile();
    const host = await QueueThread.open(file);
    await host.block(1000);
    const controller = new AbortController();
    const opening = open(file, { delay: 0, signal: controller.signal });
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(opening).rejects.toThrow('enough');
    const queue = await open(file); // nothing is left of it
    expect(queue.size).toBe(0);
  });

  it('is refused to another process, and to a second opening in the same thread', async () => {
    const file = tempFile();
    const queue = await open(file);
    await expectCode(() => open(file), 'MMCB_LOCKED');
    const other = await OtherProcess.open(file);
    expect(other.opened).toEqual({ code: 'MMCB_LOCKED' });
    await other.end();
    await queue.close();
    const free = await OtherProcess.open(file);
    await expectCode(() => open(file), 'MMCB_LOCKED');
    await free.end();
  });

  it('has one host, also where many open a new file at once', async () => {
    for (let round = 0; round < 3; round++) {
      const file = tempFile();
      const workers = Array.from({ length: 6 }, () => new QueueThread(file, basic));
      await Promise.all(workers.map((worker) => worker.ask('open')));
      await Promise.all(workers.map((worker, i) => worker.ask('store', { key: `key ${i}`, value: i })));
      for (const worker of workers) expect(await worker.ask('size')).toBe(6);
      const taken = await Promise.all(workers.map((worker) => worker.ask('retrieve', 1)));
      expect(
        taken
          .flat()
          .map((item) => (item as { value: number }).value)
          .sort(),
      ).toEqual([0, 1, 2, 3, 4, 5]);
    }
  });

  it('does not wait for itself: two threads that are host to each other', async () => {
    const [one, two] = [tempFile(), tempFile()];
    const mine = await open(one);
    const thread = await QueueThread.open(two); // host of the other
    const guestThere = await open(two);
    const guestHere = new QueueThread(one, basic);
    await guestHere.ask('open');
    // Their thread asks for mine while this one asks for theirs.
    const theirs = guestHere.ask('fill', 0, 500);
    for (let i = 0; i < 500; i++) guestThere.store({ key: `key ${i}`, value: i });
    await theirs;
    expect([mine.size, guestThere.size, await thread.ask('size')]).toEqual([500, 500, 500]);
  });
});

describe('the end of a thread', () => {
  it('gives back what a guest held', async () => {
    const file = tempFile();
    const queue = await open(file);
    const guest = await QueueThread.open(file);
    queue.store({ key: 'a', value: 1 });
    queue.store({ key: 'b', value: 2 });
    expect(await guest.ask('take')).toMatchObject({ key: 'a' });
    expect(await guest.ask('lease', 1, 600)).toMatchObject([{ key: 'b' }]);
    const next = queue.consume().next();
    await guest.worker.terminate();
    expect((await next).value).toMatchObject({ key: 'a', attempt: 2 }); // as soon as it is seen
    expect((await queue.consume().next()).value).toMatchObject({ key: 'b', attempt: 2 }); // when its time is over
  });

  it('gives back what a guest held when it closes the queue', async () => {
    const file = tempFile();
    const queue = await open(file);
    const guest = await QueueThread.open(file);
    queue.store({ key: 'a', value: 1 });
    await guest.ask('take');
    await guest.ask('close');
    await eventually(() => expect(queue.stats()).toMatchObject({ waiting: 1, inFlight: 0 }));
  });

  it.each(['close', 'terminate'])('makes a guest the host, by %s: what is under way goes on', async (how) => {
    const file = tempFile();
    const host = await QueueThread.open(file, { ...basic, delay: 10 });
    const [a, b] = await Promise.all([QueueThread.open(file), QueueThread.open(file)]);
    await host.ask('store', { key: 'leased', value: 1 });
    await eventually(async () => expect(await a.ask('lease', 1, 60_000)).toHaveLength(1));
    await host.ask('store', { key: 'leased', value: 2 }); // held
    await host.ask('store', { key: 'taken', value: 3 });
    expect(await b.ask('take')).toMatchObject({ key: 'taken' });
    await a.ask('loop', 0);
    await b.ask('loop', 0);
    await host.ask('store', { key: 'later', value: 4, delay: 400 });

    if (how === 'close') await host.ask('close');
    else await host.worker.terminate();

    await eventually(() => expect([...a.done, ...b.done]).toEqual(['later']));
    expect(await a.ask('size')).toBe(2);
    expect(await a.ask('ack')).toEqual([true]);
    await eventually(() => expect([...a.done, ...b.done].sort()).toEqual(['later', 'leased']));
    await b.worker.terminate(); // host or not
    await eventually(() => expect(a.done).toContain('taken'));
    expect(await a.ask('size')).toBe(0);
  });

  it('is seen by a guest that calls', async () => {
    const file = tempFile();
    const host = await QueueThread.open(file);
    const queue = await open(file);
    queue.store({ key: 'a', value: 1 });
    await host.worker.terminate();
    queue.store({ key: 'b', value: 2 });
    expect(queue.retrieve(5)).toMatchObject([{ key: 'a' }, { key: 'b' }]);
    const second = await QueueThread.open(file);
    await second.ask('fill', 0, 10);
    expect(queue.size).toBe(10);
  });

  const rounds = Number(process.env['MMCB_RUNS'] || 8);
  const timeout = 30_000 + rounds * 2000;
  it('loses nothing and does nothing twice, however often the host goes', { timeout }, async () => {
    const file = tempFile();
    const living: QueueThread[] = [];
    const all: QueueThread[] = [];
    let stored = 0;
    for (let round = 0; round < rounds; round++) {
      while (living.length < 3) {
        const worker = await QueueThread.open(file);
        await worker.ask('loop', round % 2);
        living.push(worker);
        all.push(worker);
      }
      await (living[2] as QueueThread).ask('fill', stored, 60);
      stored += 60;
      await delay(round * 3);
      // The one that has been there longest: the host, or one that holds something.
      const [oldest] = living.splice(round % 3 === 2 ? 1 : 0, 1);
      if (round % 4 === 3) await oldest?.ask('close');
      else await oldest?.worker.terminate();
    }
    await eventually(async () => expect(await living[0]?.ask('size')).toBe(0));
    const done = all.flatMap((worker) => worker.done);
    const got = all.flatMap((worker) => worker.got);
    // Handed out again is what was being worked on when a thread ended: at most one item each.
    expect([...new Set(got)].sort()).toEqual(keys(0, stored).sort());
    expect(got.length - stored).toBeLessThanOrEqual(rounds * 2);
    expect(done.length).toBeLessThanOrEqual(got.length);
  });
});
