/** Events by version, versions by id and by aggregate. Appends are transactions on lmdb's own thread, which groups them. */
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';

export async function open(folder, durable) {
  const root = openLmdb({
    path: join(folder, 'events.lmdb'),
    mapSize: 32 * 2 ** 30,
    ...(durable ? {} : { noSync: true, overlappingSync: false }),
  });
  const events = root.openDB('events', { keyEncoding: 'uint32', sharedStructuresKey: 0xffffffff });
  const ids = root.openDB('ids', {});
  const aggregates = root.openDB('aggregates', {});
  let version = 0;

  const latest = (aggregateId) => {
    const range = { start: [aggregateId, Number.POSITIVE_INFINITY], end: [aggregateId, 0], reverse: true, limit: 1 };
    for (const key of aggregates.getKeys(range)) return key[1];
    return 0;
  };
  const store = ({ event, expected }) => {
    if (ids.get(event.id) !== undefined) return;
    const aggregateVersion = latest(event.aggregateId);
    if (expected !== undefined && aggregateVersion !== expected) throw new Error('conflict');
    version += 1;
    events.put(version, { ...event, aggregateVersion: aggregateVersion + 1, at: Date.now() });
    ids.put(event.id, version);
    aggregates.put([event.aggregateId, aggregateVersion + 1], version);
  };
  const append = async (appends) => {
    const done = root.transaction(() => appends.forEach(store));
    if (durable) await Promise.all([done, root.flushed]);
    else await done;
  };
  return {
    append: (event, expected) => append([{ event, expected }]),
    appendBatch: (batch) => append(batch.map((event) => ({ event }))),
    async loadByAggregate(aggregateId, visit) {
      const range = { start: [aggregateId, 0], end: [aggregateId, Number.POSITIVE_INFINITY] };
      for (const { value } of aggregates.getRange(range)) visit(events.get(value));
    },
    async replay(visit) {
      for (const { value } of events.getRange({ start: 1, end: 0xfffffffe })) visit(value);
    },
    close: () => root.close(),
  };
}
