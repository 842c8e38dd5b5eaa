/** Wrong arguments and options, values without bytes, calls after close. */

import { describe, expect, it } from 'vitest';
import { DelayQueue, json } from '../../../src/index.js';
import { errorOf, expectCode } from '../../support/expect.js';
import { type DelayQueueSubject, keysOf, pairs } from './subject.js';

export function badInputCases(subject: DelayQueueSubject): void {
  describe('bad input', () => {
    const wrong: [string, unknown, typeof TypeError | typeof RangeError][] = [
      ['no item', undefined, TypeError],
      ['a key that is no string', { key: 1, value: 1 }, TypeError],
      ['a negative delay', { key: 'a', value: 1, delay: -1 }, RangeError],
      ['a NaN delay', { key: 'a', value: 1, delay: Number.NaN }, RangeError],
      ['an infinite delay', { key: 'a', value: 1, delay: Number.POSITIVE_INFINITY }, RangeError],
      ['a unique id that is no string', { key: 'a', value: 1, uniqueId: 5 }, TypeError],
      ['an unknown field', { key: 'a', value: 1, dealy: 5 }, TypeError],
    ];
    it.each(wrong)('%s is refused', async (_, item, type) => {
      expect(await errorOf(() => subject.queue.store(item as never))).toBeInstanceOf(type);
      expect(subject.queue.size).toBe(0);
    });

    it('wrong limits and options are refused', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(1000);
      for (const limit of [-1, Number.NaN, 1.5]) expect(() => subject.queue.retrieve(limit)).toThrow(RangeError);
      expect(() => subject.queue.retrieve('1' as never)).toThrow(TypeError);
      expect(() => subject.queue.lease(1, { timeout: -1 })).toThrow(RangeError);
      expect(() => subject.queue.lease(1, { timeuot: 1 } as never)).toThrow(/timeout/);
      const [lease] = subject.queue.lease(1);
      expect(() => lease?.nack({ delay: Number.NaN })).toThrow(RangeError);
      expect(lease?.ack()).toBe(true);
      for (const bad of [{ delay: -1 }, { delay: Number.NaN }, { delay: 1, ttl: 0 }, { delay: 1, maxKeys: 0 }]) {
        expect(await errorOf(() => DelayQueue.open(':memory:', bad))).toBeInstanceOf(RangeError);
      }
      for (const bad of [{}, undefined, { delay: 1, mrege: 1 }, { delay: 1, merge: 1 }, { delay: 1, readOnly: true }]) {
        expect(await errorOf(() => DelayQueue.open(':memory:', bad as never))).toBeInstanceOf(TypeError);
      }
    });

    it('values that do not encode or decode lose nothing', async () => {
      subject.queue = await subject.fresh({ codec: json() });
      subject.queue.store({ key: 'a', value: 1 });
      const circular: unknown[] = [];
      circular.push(circular);
      await expectCode(() => subject.queue.store({ key: 'a', value: circular }), 'MMCB_CODEC');
      await expectCode(() => subject.queue.store({ key: 'b', value: 1n }), 'MMCB_CODEC');
      await subject.clock.advance(1000);
      expect(pairs(subject.queue.retrieve(10))).toEqual([['a', 1]]);
      subject.queue = await subject.fresh({
        codec: {
          encode: (value) => Buffer.from(String(value)),
          decode: (bytes) => {
            if (bytes.length > 1) throw new Error('too long');
            return bytes.toString();
          },
        },
      });
      subject.queue.store({ key: 'a', value: '1' });
      subject.queue.store({ key: 'b', value: '22' });
      await subject.clock.advance(1000);
      expect(keysOf(subject.queue.retrieve(10))).toEqual(['a']);
      await expectCode(() => subject.queue.retrieve(10), 'MMCB_CODEC');
      await expectCode(() => subject.queue.lease(10), 'MMCB_CODEC');
      await expect(subject.queue.consume().next()).rejects.toMatchObject({ code: 'MMCB_CODEC' });
      expect(subject.queue.size).toBe(1);
    });

    it('every call after close is MMCB_CLOSED', async () => {
      subject.queue.store({ key: 'a', value: 1 });
      await subject.clock.advance(1000);
      const [lease] = subject.queue.lease(1);
      const waiting = subject.queue.consume().next();
      await Promise.all([subject.queue.close(), subject.queue.close()]);
      expect(await waiting).toEqual({ done: true, value: undefined });
      const calls = [
        () => subject.queue.store({ key: 'a', value: 1 }),
        () => subject.queue.retrieve(1),
        () => subject.queue.lease(1),
        () => lease?.ack(),
        () => lease?.nack(),
        () => subject.queue.size,
        () => subject.queue.nextDue,
        () => subject.queue.has('a'),
        () => subject.queue.delete('a'),
        () => subject.queue.stats(),
        () => subject.queue.consume(),
        () => subject.queue.flush(),
      ];
      for (const call of calls) await expectCode(call, 'MMCB_CLOSED');
    });
  });
}
