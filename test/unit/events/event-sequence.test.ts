/** What loads and subscriptions can do besides `for await`, for which see the contract. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventStore } from '../../../src/index.js';
import { anEvent, versionsOf } from '../../contract/event-store-contract.js';

let store: EventStore;

beforeEach(async () => {
  store = await EventStore.open(':memory:');
});

afterEach(async () => {
  await store.close();
});

describe('a load', () => {
  beforeEach(async () => {
    await store.storeBatch(Array.from({ length: 700 }, (_, i) => anEvent(`aggregate ${i % 7}`)));
  });

  it('hands each event to forEach, and waits for promises', async () => {
    const found: number[] = [];
    await store.load().forEach(({ version }) => {
      found.push(version);
    });
    expect(found).toEqual(Array.from({ length: 700 }, (_, i) => i + 1));
    let atWork = 0;
    const events = store.loadByAggregate('aggregate 3');
    await events.forEach(async ({ version }) => {
      expect(++atWork).toBe(1);
      found.push(version);
      if (version % 5 === 0) await new Promise(setImmediate);
      atWork -= 1;
    });
    expect(found.slice(700)).toEqual(Array.from({ length: 100 }, (_, i) => i * 7 + 4));
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it('reduces to a state, from functions and from promises of it; toArray has what is left', async () => {
    const sum = 350 * 701;
    expect(await store.load().reduce((total, { version }) => total + version, 0)).toBe(sum);
    expect(await store.load().reduce(async (total, { version }) => total + version, 0)).toBe(sum);
    expect(await store.loadByAggregate('nobody').reduce(() => 1, 0)).toBe(0);
    const events = store.load({ since: 400 });
    expect((await events.next()).value?.version).toBe(401);
    expect(versionsOf(await events.toArray())).toEqual(Array.from({ length: 299 }, (_, i) => i + 402));
    expect(await events.toArray()).toEqual([]);
  });

  it('ends where a visitor throws or rejects', async () => {
    const enough = new Error('enough');
    const visitors = [
      (): never => {
        throw enough;
      },
      () => Promise.reject(enough),
    ];
    for (const fail of visitors) {
      const events = store.load();
      const found: number[] = [];
      const visited = events.forEach(async ({ version }) => {
        if (version === 300) await fail();
        found.push(version);
      });
      await expect(visited).rejects.toBe(enough);
      expect(found).toHaveLength(299);
      expect(await events.next()).toEqual({ done: true, value: undefined });
      await expect(store.load().reduce(fail, 0)).rejects.toBe(enough);
    }
  });

  it('lets a visitor ask for the next event itself, and end it', async () => {
    const events = store.load();
    const pairs: [number, number | undefined][] = [];
    await events.forEach(async ({ version }) => {
      pairs.push([version, (await events.next()).value?.version]);
      if (version >= 599) await events.return();
    });
    expect(pairs).toEqual(Array.from({ length: 300 }, (_, i) => [i * 2 + 1, i * 2 + 2]));
  });

  it('stops a visit when its signal is aborted', async () => {
    const controller = new AbortController();
    const found: number[] = [];
    const visited = store.load({ signal: controller.signal }).forEach(({ version }) => {
      found.push(version);
      if (version === 100) controller.abort(new Error('aborted'));
    });
    await expect(visited).rejects.toThrow('aborted');
    expect(found).toHaveLength(100);
  });
});

describe('a subscription', () => {
  it('is handed to forEach until it is aborted', async () => {
    await store.storeBatch([anEvent('a'), anEvent('b')]);
    const controller = new AbortController();
    const found: number[] = [];
    const visited = store.subscribe({ signal: controller.signal }).forEach(({ version }) => {
      found.push(version);
      if (version === 4) controller.abort(new Error('aborted'));
    });
    await store.storeBatch([anEvent('a'), anEvent('b')]);
    await expect(visited).rejects.toThrow('aborted');
    expect(found).toEqual([1, 2, 3, 4]);
  });

  it('answers what is in memory at once, also after it had to wait', async () => {
    const events = store.subscribe();
    const first = events.next();
    const stored = store.storeBatch(Array.from({ length: 100 }, () => anEvent('a')));
    await first;
    for (let i = 1; i < 100; i++) {
      let isAnswered = false;
      const next = events.next().then(({ value }) => {
        isAnswered = true;
        return value?.version;
      });
      await undefined; // one turn of the microtasks
      expect(isAnswered).toBe(true);
      expect(await next).toBe(i + 1);
    }
    await stored;
  });
});
