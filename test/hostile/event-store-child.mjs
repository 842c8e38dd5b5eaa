/** Stores batches until there is no room, and says what came of it. Argument 1 is the file. */
import { EventStore } from '../../dist/esm/index.js';

const store = await EventStore.open(process.argv[2], { initialSize: 0, segmentSize: 65_536 });
let next = 0;
const batch = (size, bytes) =>
  Array.from({ length: size }, () => ({ id: `${next++}`, type: 'T', aggregateId: 'a', data: 'x'.repeat(bytes) }));
let acknowledged = 0;
let failure;
while (failure === undefined) {
  const events = batch(20, 1000);
  await store.storeBatch(events, { expectedVersion: acknowledged }).then(
    () => {
      acknowledged += events.length;
    },
    (error) => {
      failure = { code: error.code, cause: error.cause?.code };
    },
  );
}
const latest = await store.latestVersion();
await store.flush();
await store.close();
console.log(JSON.stringify({ acknowledged, failure, latest }));
