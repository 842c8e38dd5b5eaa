/**
 * The process of queues.test.ts that gets killed: argument 1 says what it runs, 2 the file, 3 its log, 4 its round. Each line
 * of the log is written when a call has returned (accepted, done) or a batch is about to be handed over (delivered).
 */
import { openSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { DelayQueue, PartitionedMap, PartitionedQueue } from '../../dist/esm/index.js';

const [kind, path, logFile, round] = process.argv.slice(2);
const log = openSync(logFile, 'a');
const write = (what, ...ids) => {
  for (const id of ids) writeSync(log, `${what} ${id}\n`);
};
const small = { initialSize: 65_536, segmentSize: 65_536 };
let next = Number(round) * 10_000_000;

const programs = {
  async delay() {
    const queue = await DelayQueue.open(path, { ...small, delay: 2 });
    (async () => {
      for await (const { value, key } of queue) {
        write('delivered', value);
        await turn();
        write('ending', key);
      }
    })();
    for (;;) {
      for (let i = 0; i < 20; i++) {
        const id = next++;
        queue.store({ key: `key ${id}`, value: id, uniqueId: String(id) });
        write('accepted', id);
      }
      const ids = Array.from({ length: 20 }, () => next++);
      queue.storeAll(ids.map((id) => ({ key: `key ${id}`, value: id, uniqueId: String(id) })));
      write('accepted', ...ids);
      for (const lease of queue.lease(5, { timeout: 10_000_000 })) {
        write('delivered', lease.value);
        lease.ack();
        write('done', lease.value);
      }
      await turn();
    }
  },
  async queue() {
    const queue = await PartitionedQueue.start({
      ...{ path, buffer: small, partitions: 2, drainThreshold: 15, processingInterval: 5 },
      processor: async (batch) => {
        write('delivered', ...batch);
        await turn();
      },
    });
    for (;;) {
      const ids = Array.from({ length: 10 }, () => next++);
      queue.push(ids);
      write('accepted', ...ids);
      queue.push(next);
      write('accepted', next++);
      await turn();
    }
  },
  async map() {
    const map = await PartitionedMap.start({
      ...{ path, buffer: small, partitions: 2, drainThreshold: 15, processingInterval: 5 },
      processor: async (batch) => {
        write('delivered', ...batch.map(({ key, value }) => `${key}:${value}`));
        await turn();
      },
    });
    for (;;) {
      for (let i = 0; i < 10; i++) {
        const id = next++;
        const key = `key${id % 7}`;
        map.put(key, id);
        write('accepted', `${key}:${id}`);
      }
      await turn();
    }
  },
};
await programs[kind]();
