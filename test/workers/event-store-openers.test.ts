/** Event stores that threads open and close all the time, while one collects: no version is given twice, none is missed. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { EventStore, type EventStoreOptions } from '../../src/index.js';
import { anEvent } from '../contract/event-store-contract.js';
import { tempFile } from '../support/temp.js';
import { Thread } from './threads.js';

const milliseconds = Number(process.env['MMCB_OPENERS_MS'] || 3000);

it.each(['process', 'commit'] as const)(
  "threads that come and go, durability '%s'",
  { timeout: 60_000 },
  async (durability) => {
    const file = tempFile('events');
    const options: EventStoreOptions = {
      ...{ initialSize: 65_536, segmentSize: 65_536, durability },
      compaction: { policy: 'time', interval: 5 },
    };
    const store = await EventStore.open(file, options);
    const workers = ['first', 'second', 'third'].map((name) => {
      return new Thread(file, { name, store: options }, 'event-store-openers.mjs').worker;
    });
    const answers = workers.map(async (worker) => {
      const [answer] = (await once(worker, 'message')) as [{ opened: number; versions: number[] }];
      return answer;
    });
    const given: number[] = [];
    for (const end = performance.now() + milliseconds; performance.now() < end; ) {
      const version = await store.store(anEvent('main'));
      given.push(version);
      for (let i = 0; i < 2; i++) await store.saveSnapshot('main', { i }, version);
      if (given.length % 5 === 0) await store.runGC({ before: Math.max(1, version - 20) });
      await delay(0);
    }
    for (const worker of workers) worker.postMessage('stop');
    for (const { opened, versions } of await Promise.all(answers)) {
      expect(opened).toBeGreaterThan(3);
      given.push(...versions);
    }
    given.sort((a, b) => a - b);
    expect(given).toEqual(Array.from(given, (_, i) => i + 1));
    const again = await EventStore.open(file, options);
    for (const each of [store, again]) {
      let events = 0;
      for (const id of each.aggregateIds()) events += await each.aggregateVersion(id);
      expect(events).toBe(given.length);
      expect(each.stats()).toMatchObject({ latestVersion: given.length, missing: 0, damaged: 0 });
    }
    await again.close();
    await store.close();
  },
);
