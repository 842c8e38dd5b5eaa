// An exporter of telemetry, as OpenTelemetry's batch processors are, but one that loses nothing when the process dies or the
// collector is away: spans stay in the file until the collector has taken them.
import { PartitionedQueue } from 'mmcb';

let collected = 0;
let away = true;
async function collector(spans) {
  if (away) {
    away = false;
    throw new Error('503');
  }
  collected += spans.length;
}

const spans = await PartitionedQueue.start({
  path: 'spans.mmcb',
  partitions: 1,
  processor: (batch) => collector(batch),
  processingBatchSize: 512,
  processingTimeout: 10_000,
  drainThreshold: 512, // a full batch does not wait for the timer
  retry: { retries: 10, backoff: 5 },
  maxItems: 100_000,
  overflow: 'drop-oldest', // counted, and told
});
spans.on('processing:failed', ({ error, willRetry }) => {
  console.log(error.message, willRetry); // prints: 503 true
});
for (let id = 0; id < 2000; id++) spans.push({ id, name: 'GET /', duration: id % 50 });
await spans.stop();
console.log(collected, spans.stats().dropped['drop-oldest']); // prints: 2000 0
