/** Loops over a queue. */

import { describe, expect, it } from 'vitest';
import { type DelayQueueSubject, keysOf } from './subject.js';

export function consumerCases(subject: DelayQueueSubject): void {
  describe('consumers', () => {
    it('wait for what is due, with one timer, and acknowledge what they are done with', async () => {
      const got: unknown[] = [];
      const loop = (async () => {
        for await (const { key, value } of subject.queue) got.push([key, value, subject.clock.now()]);
      })();
      await subject.clock.advance(0);
      expect(subject.clock.timers.size).toBe(0); // nothing to wait for
      const start = subject.clock.now();
      subject.queue.store({ key: 'a', value: 1 });
      subject.queue.store({ key: 'b', value: 1, delay: 400 });
      expect(subject.clock.timers.size).toBe(1);
      const { timersSet } = subject.clock;
      await subject.clock.advance(10_000);
      expect(got).toEqual([
        ['b', 1, start + 400],
        ['a', 1, start + 1000],
      ]);
      expect(subject.clock.timersSet - timersSet).toBe(1); // for a, after b
      expect(subject.queue.size).toBe(0);
      await subject.queue.close();
      await loop;
    });

    it('get each item once, however many there are', async () => {
      const got: string[][] = [[], [], []];
      const loops = got.map(async (mine) => {
        for await (const { key } of subject.queue) {
          mine.push(key);
          await Promise.resolve();
        }
      });
      for (let i = 0; i < 300; i++) subject.queue.store({ key: `k${i}`, value: i, delay: i % 7 });
      await subject.clock.advance(10);
      expect(got.flat().sort()).toEqual(Array.from({ length: 300 }, (_, i) => `k${i}`).sort());
      expect(got.every((mine) => mine.length > 50)).toBe(true);
      await subject.queue.close();
      await Promise.all(loops);
    });

    it('give back what they leave the loop with, unless they have said that it is done', async () => {
      for (const key of ['a', 'b', 'c']) subject.queue.store({ key, value: 1 });
      await subject.clock.advance(1000);
      for await (const item of subject.queue) if (item.key === 'b') break;
      expect(subject.queue.size).toBe(2);
      const failing = (async () => {
        for await (const item of subject.queue) throw new Error(item.key);
      })();
      await expect(failing).rejects.toThrow('b');
      for await (const item of subject.queue) {
        item.ack();
        break;
      }
      expect(keysOf(subject.queue.retrieve(10))).toEqual(['c']);
    });

    it('stop waiting at a signal, and lose nothing', async () => {
      const controller = new AbortController();
      const waiting = subject.queue.consume({ signal: controller.signal }).next();
      subject.queue.store({ key: 'a', value: 1 });
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
      expect(subject.clock.timers.size).toBe(0);
      await subject.clock.advance(1000);
      expect(subject.queue.size).toBe(1);
    });

    it('wake for a lease that has run out', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(1000);
      subject.queue.lease(1, { timeout: 700 });
      const next = subject.queue.consume().next();
      await subject.clock.advance(700);
      expect((await next).value).toMatchObject({ key: 'a', attempt: 2 });
    });
  });
}
