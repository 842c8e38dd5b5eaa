/**
 * The process that gets killed. It loads everything, starts as many workers as its first argument says, and waits for a line on
 * stdin with { file, log, options, tasks, moment, reopens }. Then it opens the file and writes to it, itself or by its workers, until
 * it is killed: from outside, or, if there is a moment, by a thread of its own (killer.mjs) in the middle of what the moment
 * names: { type: an operation of writer.mjs, 'open', 'compact', 'flush' or 'close', after: how many times before that,
 * delay: microseconds into it }.
 */
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { CompactableBuffer } from '../../dist/esm/index.js';
import { LogWriter } from './log.mjs';
import { storeOf, writing } from './writer.mjs';

const kill = new SharedArrayBuffer(8);
const words = new Int32Array(kill);
const here = (name) => new URL(name, import.meta.url);
if (process.argv[3] === 'kills') new Worker(here('./killer.mjs'), { workerData: kill }).on('error', failed);
const workers = Array.from(
  { length: Number(process.argv[2]) },
  () => new Worker(here('./writing-thread.mjs'), { workerData: kill }),
);
for (const worker of workers) worker.on('error', failed);

for await (const line of createInterface({ input: process.stdin })) {
  await run(JSON.parse(line));
  break;
}

function trigger() {
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
}

async function run({ file, log: logFile, options, tasks, moment, reopens = false }) {
  words[1] = moment?.delay ?? 0;
  const log = new LogWriter(`${logFile}.0`);
  if (moment?.type === 'open') trigger();
  const store = {};
  const open = async (kind) => {
    const buffer = await CompactableBuffer.open(file, options);
    Object.assign(store, storeOf(buffer));
    log.write(kind, { status: buffer.recovery.status, entries: buffer.recovery.entries });
  };
  await open('o');
  // What had returned when a sync point was asked for is on the disk once it has been reached.
  const durable = async (syncPoint) => {
    const { returned } = log;
    await syncPoint();
    log.write('f', returned);
  };
  for (const [i, worker] of workers.entries()) {
    // One of them has the moment.
    const its = i === 0 ? moment : undefined;
    worker.postMessage({ file, options, log: `${logFile}.${i + 1}`, task: tasks[i], moment: its });
  }
  const { buffer } = store;
  tasks[0].addresses ??= [...buffer.addresses()].filter((address) => buffer.readHeader(address).kind === 'plain');
  const mine = workers.length === 0 ? writing(store, log, tasks[0], moment, trigger) : undefined;
  const pending = []; // work that closing would cut short
  for (let round = 0; ; round++) {
    if (moment?.type === 'close' && round >= moment.after) {
      trigger();
      await store.buffer.close();
      return; // the killer's thread keeps the process alive
    }
    const chance = mine?.next().value ?? (round % 10) / 10;
    if (round >= moment?.after && (moment.type === 'compact' || moment.type === 'flush')) {
      trigger();
      store.buffer[moment.type]().catch(failed);
    } else if (chance < 0.15) pending.push(store.buffer.compact().catch(failed));
    else if (chance < 0.3) pending.push(durable(() => store.buffer.flush()).catch(failed));
    else if (chance < 0.35 && reopens) {
      await Promise.all(pending.splice(0));
      await durable(() => store.buffer.close());
      await open('r');
    }
    if (mine === undefined && round % 10 === 9) await store.buffer.compact().catch(failed);
    await turn();
  }
}

function failed(error) {
  console.error(error);
  process.exit(1);
}
