/** What the caches of several threads leave for each other in their file, whatever they do between any two calls. */
import { describe, expect, it } from 'vitest';
import { FileLayer } from '../../../src/cache/file-layer.js';
import { LoadClaims } from '../../../src/cache/load-claims.js';
import { Outbox } from '../../../src/cache/outbox.js';
import { Siblings } from '../../../src/cache/siblings.js';
import { CompactableBuffer } from '../../../src/index.js';
import { Interruption, NEVER } from '../../support/interrupt.js';
import { tempFile } from '../../support/temp.js';

/** The file layer of one thread. */
function layerOf(path: string): FileLayer {
  const buffer = CompactableBuffer.openSync(path);
  const events = { evicted: () => {}, used: () => false, damaged: () => {} };
  return new FileLayer(buffer, { maxEntries: 100, maxBytes: 1e6 }, events);
}

const close = (...layers: FileLayer[]): void => {
  for (const { buffer } of layers) buffer.closeSync();
};

describe('siblings know of each other', () => {
  const left = {
    'a new file': () => {},
    'a file in which something else says who has it': (file: FileLayer) =>
      file.insertOwn('mmcb:opener', '\xff\xfe\x00'),
    'a file of a run before': (file: FileLayer) => file.insertOwn('mmcb:opener', '1 gone'),
    'a file that a run before has shared': (file: FileLayer) => {
      file.insertOwn('mmcb:opener', '1 gone');
      file.insertOwn('mmcb:shared', '1');
    },
  };

  it.each(Object.entries(left))('in %s, when one opens while others come and go', (_, prepare) => {
    for (let at = NEVER, calls = 0; at < calls; at++) {
      for (const going of [0, 1, 2]) {
        const path = tempFile('cache');
        const files = Array.from({ length: 2 + going }, () => layerOf(path));
        prepare(files[0] as FileLayer);
        const others: Siblings[] = [];
        const interruption = new Interruption(at, () => {
          for (let i = 0; i < going; i++) new Siblings(files[2 + i] as FileLayer, 'briefly', () => {}).close();
          others.push(new Siblings(files[1] as FileLayer, 'other', () => {}));
        });
        const file = files[0] as FileLayer;
        interruption.watch(file.buffer);
        const siblings = new Siblings(file, 'one', () => {});
        interruption.end();
        calls = Math.max(calls, interruption.calls);
        if (others.length > 0) {
          expect([siblings.shared, others[0]?.shared], `call ${at}, ${going} others gone`).toEqual([true, true]);
        } else expect(siblings.shared).toBe(false);
        for (const each of [siblings, ...others]) each.close();
        close(...files);
      }
    }
  });

  it('when one closes while another one opens', () => {
    for (let at = NEVER, calls = 0; at < calls; at++) {
      const path = tempFile('cache');
      const files = [layerOf(path), layerOf(path), layerOf(path)];
      const [first, second, third] = files as [FileLayer, FileLayer, FileLayer];
      const going = new Siblings(first, 'going', () => {});
      const others: Siblings[] = [];
      const interruption = new Interruption(at, () => others.push(new Siblings(second, 'second', () => {})));
      interruption.watch(first.buffer);
      going.close();
      interruption.end();
      calls = Math.max(calls, interruption.calls);
      if (others.length === 0) others.push(new Siblings(second, 'second', () => {}));
      others.push(new Siblings(third, 'third', () => {}));
      expect(
        others.map(({ shared }) => shared),
        `call ${at}`,
      ).toEqual([true, true]);
      for (const each of others) each.close();
      close(...files);
    }
  });
});

it('a claim that is over is taken away once: not the one that another thread has put in its place', async () => {
  for (let at = NEVER, calls = 0; at < calls; at++) {
    const path = tempFile('cache');
    const files = [layerOf(path), layerOf(path)] as const;
    const siblings = files.map((file, i) => new Siblings(file, `${i}`, () => {})) as [Siblings, Siblings];
    const claims = files.map((file, i) => new LoadClaims(file, siblings[i] as Siblings, `${i}`, 30_000));
    const [one, other] = claims as [LoadClaims, LoadClaims];
    files[0].insertOwn('ckey', '1 0 gone'); // of a run before
    const taken: Promise<boolean>[] = [];
    const interruption = new Interruption(at, () => {
      files[1].removeOwn('ckey', '1 0 gone');
      taken.push(other.take('key'));
    });
    const trying = one.take('key'); // it waits for the one who has it
    one.wake('key');
    interruption.watch(files[0].buffer);
    expect(await trying).toBe(false);
    interruption.end();
    calls = Math.max(calls, interruption.calls);
    if (taken.length > 0) {
      expect(await taken[0]).toBe(true);
      expect(files[0].own('ckey')?.split(' ')[2], `call ${at}`).toBe('1');
    }
    close(...files);
  }
});

it('a sweep takes away what is over, and not what another thread has put in its place', () => {
  const record = (end: number) => ({
    ...{ expires: end, staleUntil: end, validated: 0, run: 1, time: 1, origin: '12345678', absent: false },
    encoded: { bytes: Buffer.from(`until ${end}`), text: false },
  });
  for (let at = NEVER, calls = 0; at < calls; at++) {
    const path = tempFile('cache');
    const files = [layerOf(path), layerOf(path)] as const;
    for (const key of ['a', 'b', 'c']) files[0].write(key, record(key === 'c' ? 500 : 50), 0);
    let wasReplaced = false;
    const interruption = new Interruption(at, () => {
      files[1].write('b', record(900), 0);
      wasReplaced = true;
    });
    interruption.watch(files[0].buffer);
    const over: string[] = [];
    files[0].sweep(100, (key) => over.push(key)).step(Number.POSITIVE_INFINITY);
    interruption.end();
    calls = Math.max(calls, interruption.calls);
    const left = ['a', 'b', 'c'].filter((key) => files[1].read(key) !== undefined);
    // Where it comes after the removal, the other one's is new.
    const [isOver, isLeft] = [over.includes('b'), left.includes('b')];
    expect([over[0], left.at(-1), isLeft || isOver], `call ${at}`).toEqual(['a', 'c', true]);
    expect(isLeft, `call ${at}`).toBe(wasReplaced);
    close(...files);
  }
});

describe('an outbox', () => {
  const write = (time: number, text: string) => ({
    ...{ key: 'key', stamp: { time, origin: '12345678' }, expires: 1e15, staleUntil: 1e15 },
    encoded: { bytes: Buffer.from(text), text: false },
  });

  it('leaves a newer write in the file that another thread has put in the place of one that it settles', () => {
    const path = tempFile('cache');
    const files = [layerOf(path), layerOf(path), layerOf(path)] as const;
    const first = new Outbox(files[0], 10);
    first.add(write(1, 'old'));
    const second = new Outbox(files[1], 10); // takes it over
    first.add(write(2, 'new'));
    second.settle('key', write(1, '').stamp);
    expect(second.size).toBe(0);
    expect(new Outbox(files[2], 10).get('key')?.encoded?.bytes.toString()).toBe('new');
    first.settle('key', write(2, '').stamp);
    expect(new Outbox(files[2], 10).size).toBe(0);
    close(...files);
  });

  it('adds and settles whatever another thread takes away meanwhile', () => {
    for (const work of ['add', 'settle'] as const) {
      for (let at = NEVER, calls = 0; at < calls; at++) {
        const path = tempFile('cache');
        const files = [layerOf(path), layerOf(path), layerOf(path)] as const;
        const first = new Outbox(files[0], 10);
        first.add(write(1, 'old'));
        const second = new Outbox(files[1], 10);
        const interruption = new Interruption(at, () => second.settle('key', write(1, '').stamp));
        interruption.watch(files[0].buffer);
        if (work === 'add') first.add(write(2, 'new'));
        else first.settle('key', write(1, '').stamp);
        interruption.end();
        calls = Math.max(calls, interruption.calls);
        const kept = new Outbox(files[2], 10).get('key')?.encoded?.bytes.toString();
        expect(kept, `${work}, call ${at}`).toBe(work === 'add' ? 'new' : undefined);
        close(...files);
      }
    }
  });
});
