// A stream of updates, many for each key, as a Kafka topic has them. What goes on is the last state of each key, at most every
// 50 ms, and each update is counted. Killed at any time, it goes on with what it had buffered.
import { DelayQueue } from 'mmcb';

const queue = await DelayQueue.open('positions.mmcb', {
  delay: 50,
  merge: (before, next) => ({ ...next, distance: before.distance + next.distance }),
});

// The consumer of the topic: each message has an offset, so that one that is delivered twice is dropped.
for (let offset = 0; offset < 1000; offset++) {
  const ship = `ship ${offset % 3}`;
  queue.store({ key: ship, value: { at: offset, distance: 1 }, uniqueId: `${offset}` });
  queue.store({ key: ship, value: { at: offset, distance: 1 }, uniqueId: `${offset}` });
}

let left = 3;
for await (const { key, value, updates } of queue) {
  if (key === 'ship 0') console.log(key, value.at, value.distance, updates); // prints: ship 0 999 334 333
  left -= 1;
  if (left === 0) await queue.close(); // ends the loop
}
