import { join } from 'node:path';
import { EventStore } from '../../dist/esm/index.js';

export async function open(folder, durable) {
  const store = await EventStore.open(join(folder, 'events.mmcb'), { durability: durable ? 'commit' : 'interval' });
  return {
    append: (event, expectedVersion) => store.store(event, { expectedVersion }),
    appendBatch: (events) => store.storeBatch(events),
    async loadByAggregate(aggregateId, visit) {
      await store.loadByAggregate(aggregateId).forEach(({ event }) => {
        visit(event);
      });
    },
    async replay(visit) {
      await store.load().forEach(({ event }) => {
        visit(event);
      });
    },
    close: () => store.close(),
  };
}
