/**
 * The process of event-store.test.ts and event-store-power-cut.test.ts that gets killed: argument 1 is the file, 2 the log, 3
 * the round, 4 says how: { options, workers }. Lines of the log: an event was stored (its call has returned); a consumer went
 * on from its checkpoint, was given an event, has saved its checkpoint; a snapshot was saved; events before a version are about
 * to be collected.
 */
import { openSync, writeSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { EventStore } from '../../dist/esm/index.js';

const [path, logFile, round, settings] = isMainThread ? process.argv.slice(2) : workerData;
const { options, workers = 0 } = JSON.parse(settings);
const log = openSync(logFile, 'a');
const write = (...words) => writeSync(log, `${words.join(' ')}\n`);
/** So that a store that does not wait for the disk does not grow for ever. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 2));

const who = isMainThread ? 'main' : 'worker';
const store = await EventStore.open(path, options);
write('opened', await store.latestVersion(), store.recovery.status);
let next = 0;
const anEvent = (aggregateId, more) => ({
  id: `${round} ${who} ${next++}`,
  type: 'Happened',
  aggregateId,
  data: { ...more, filler: 'x'.repeat((next * 37) % 700) },
});

async function single(name) {
  for (let expected = await store.aggregateVersion(name); ; expected++) {
    const event = anEvent(name);
    const version = await store.store(event, { expectedVersion: expected });
    write('stored', version, event.id);
    if (expected % 10 === 0) await pause();
  }
}

async function batches(name) {
  for (let i = 0; ; i++) {
    const size = 1 + ((i * 7) % 20);
    const batch = `${round} ${who} ${i}`;
    const events = Array.from({ length: size }, (_, k) => anEvent(`${name} ${k % 4}`, { batch, size }));
    const versions = await store.storeBatch(events);
    for (const [k, version] of versions.entries()) write('stored', version, events[k].id);
    await pause();
  }
}

async function consumer() {
  const checkpoint = store.checkpoint('consumer');
  const since = await checkpoint.load();
  write('from', since);
  for await (const { version } of store.subscribe({ since })) {
    write('delivered', version);
    await checkpoint.save(version);
    write('saved', version);
  }
}

async function collector() {
  const checkpoint = store.checkpoint('consumer');
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    const last = await store.aggregateVersion('single main');
    for await (const { version } of store.loadByAggregate('single main', { backwards: true, limit: 1 })) {
      await store.saveSnapshot('single main', { last }, version);
      write('snapshot', version);
    }
    const before = (await checkpoint.load()) - 20;
    if (before > 0) {
      write('collect', before);
      await store.runGC({ before, compact: before % 3 === 0 });
    }
  }
}

const fail = (error) => {
  console.error(error);
  process.exit(1);
};
for (let i = 0; i < workers; i++)
  new Worker(new URL(import.meta.url), { workerData: process.argv.slice(2) }).on('error', fail);
single(`single ${who}`).catch(fail);
batches(`batch ${who}`).catch(fail);
if (isMainThread) {
  consumer().catch(fail);
  collector().catch(fail);
}
