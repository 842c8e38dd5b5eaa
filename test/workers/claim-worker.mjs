/**
 * A thread that claims a file over and over, at the same moment as others: round by round it waits until all are there, claims,
 * and tells whether it got the file. Between the rounds the claim is taken away, or its ticket returned: then it is one that
 * holds no more.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { CompactableBuffer, storeOf } from '../../dist/esm/buffer/compactable-buffer.js';
import { claim, release } from '../../dist/esm/buffer/thread-claim.js';

const { file, options } = workerData;
const { rounds, threads, shared } = options;
const barrier = new Int32Array(shared);
const buffer = CompactableBuffer.openSync(file, { initialSize: 65_536, segmentSize: 65_536 });
const { native } = storeOf(buffer);

/** Returns when all threads have called it so often. */
function meet(times) {
  Atomics.add(barrier, 0, 1);
  while (Atomics.load(barrier, 0) < times * threads); // no sleep: they are to leave together
}

const won = [];
for (let round = 0; round < rounds; round++) {
  const ticket = native.drawTicket();
  meet(round * 2 + 1);
  const isMine = claim(buffer, ticket) === undefined;
  meet(round * 2 + 2);
  if (isMine) won.push(round);
  if (isMine && round % 2 === 0) release(buffer, ticket);
  else native.returnTicket(ticket);
}
parentPort.postMessage({ won });
await buffer.close();
