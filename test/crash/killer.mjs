/**
 * A thread that kills its process in the middle of what another thread does: workerData is shared memory. When word 0
 * becomes 1 it waits for as long as word 1 says (microseconds), then it is over. What runs in native code meanwhile, on
 * whatever thread, is cut where it is.
 */
import { workerData } from 'node:worker_threads';

const words = new Int32Array(workerData);
Atomics.wait(words, 0, 0);
const end = process.hrtime.bigint() + BigInt(words[1]) * 1000n;
while (process.hrtime.bigint() < end);
process.kill(process.pid, 'SIGKILL');
