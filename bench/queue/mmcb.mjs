import { binary, DelayQueue, PartitionedMap, PartitionedQueue } from '../../dist/esm/index.js';

const GROUP = 100;

/**
 * A DelayQueue on a file, with a clock that stands still until everything is to be retrieved. Items are stored 100 at a time,
 * as Redis gets them, or one by one.
 */
export async function mmcbQueue(path, durability, singly) {
  let time = 0;
  const queue = await DelayQueue.open(path, { delay: 1000, durability, codec: binary(), clock: () => time });
  return {
    replaces: true,
    store(keys, value) {
      if (singly) for (const key of keys) queue.store({ key, value });
      else
        for (let i = 0; i < keys.length; i += GROUP)
          queue.storeAll(keys.slice(i, i + GROUP).map((key) => ({ key, value })));
    },
    memory(n) {
      const { indexBytes, buffer } = queue.stats();
      return `memory for each key: index ${(indexBytes / n).toFixed(1)} B, buffer ${(buffer.tableMemory / n).toFixed(1)} B`;
    },
    retrieve(n) {
      time += 10_000;
      for (let i = 0; i < n; ) i += queue.retrieve(GROUP).length;
    },
    close: () => queue.close(),
  };
}

/** Pushes of 100 B to a PartitionedQueue, and puts to a PartitionedMap, none of which is processed meanwhile. */
export async function pushesToPartitionedQueue(path, count, measure) {
  const value = Buffer.alloc(100, 'x');
  const hundred = Array.from({ length: 100 }, () => value);
  const options = { codec: binary(), processor: () => {}, processingInterval: 2 ** 31 - 1, partitionKey: 1 };
  for (const home of [{}, { path }]) {
    console.log(`PartitionedQueue, ${home.path === undefined ? 'in memory' : 'durable'}`);
    const queue = await PartitionedQueue.start({ ...options, ...home });
    await measure('push, 100 at a time', count, () => {
      for (let i = 0; i < count; i += 100) queue.push(hundred);
    });
    await measure('process, 1000 at a time', count, () => {
      queue.updateOptions({ processingBatchSize: 1000 });
      return queue.drain();
    });
    await measure('push, one at a time', count, () => {
      for (let i = 0; i < count; i++) queue.push(value);
    });
    await queue.stop();
  }
  console.log('PartitionedMap, in memory');
  const map = await PartitionedMap.start({ processor: () => {}, processingInterval: 2 ** 31 - 1 });
  await measure('put, 1000 keys', count, () => {
    for (let i = 0; i < count; i++) map.put(i % 1000, value);
  });
  await map.stop();
}
