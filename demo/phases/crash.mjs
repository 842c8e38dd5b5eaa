import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { outcome, perform } from '../crash/operations.mjs';
import { count, milliseconds } from '../format.mjs';

const writer = fileURLToPath(new URL('../crash/writer.mjs', import.meta.url));
const LONGEST_LIFE = 400; // milliseconds from the first acknowledgement to the kill
const LONGEST_START = 60_000;

/** Kills a process that writes to the file, at a random moment, opens the file again and looks for everything. */
export async function crashes(demo, kills) {
  const { model, checks, screen, figures, open } = demo;
  screen.phase(`kill -9 a writing process, ${kills === 1 ? 'once' : `${count(kills)} times`}`);
  screen.detail('A child process adds, updates and deletes, with a sync point and a compaction every 50 ms, and');
  screen.detail('acknowledges every call that has returned. Then it is killed, and the file is opened again.');
  await demo.map.close();
  const rows = [['', 'killed after', 'acknowledged', 'missing or wrong', 'recovery', 'records']];
  for (let kill = 1; kill <= kills; kill++) {
    const first = model.applied;
    const life = await killWriter(demo);
    const acknowledged = readAcknowledgements(demo, first);

    const started = performance.now();
    demo.map = await open();
    const ms = performance.now() - started;
    const { recovery } = demo.map.buffer;
    checks.that(recovery.status === 'replayed', () => `recovery says '${recovery.status}' instead of 'replayed'`);
    checks.that(recovery.lost === 0 && recovery.quarantined === 0, 'recovery found damage');

    while (model.applied < acknowledged) model.apply();
    finishLastCall(demo);
    const failed = checks.failed;
    await checks.everything(demo.map, model, screen.bar('checking', model.count));
    const verified = await demo.map.verify();
    checks.that(verified.ok, () => `verify(): ${JSON.stringify(verified.errors.slice(0, 3))}`);
    figures.recoveries.push(ms);
    const wrong = count(checks.failed - failed);
    rows.push([
      `kill ${kill}`,
      milliseconds(life),
      count(acknowledged - first),
      wrong,
      milliseconds(ms),
      count(recovery.entries),
    ]);
    figures.moment('recovered', demo.map);
    if (kill < kills) await demo.map.close();
  }
  screen.details(rows);
  checks.conclude(
    'Each time: every acknowledged call is there, byte by byte, nothing deleted came back, verify() is clean.',
  );
}

/** Starts a writer, waits until it writes, and kills it. Returns how long it wrote, in milliseconds. */
async function killWriter({ path, acknowledgements, model }) {
  const before = size(acknowledgements);
  const args = [writer, path, acknowledgements, String(model.count), String(model.applied)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const killChild = () => child.kill('SIGKILL');
  process.once('exit', killChild);
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const ended = once(child, 'close');
  const deadline = Date.now() + LONGEST_START;
  while (size(acknowledgements) === before && child.exitCode === null && Date.now() < deadline) await setTimeout(1);
  const started = performance.now();
  await setTimeout(randomInt(1, LONGEST_LIFE));
  killChild();
  const life = performance.now() - started;
  const [code, signal] = await ended;
  process.off('exit', killChild);
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself (${code ?? signal}):\n${errors}`);
  return life;
}

const size = (path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** The number of the first operation that was not acknowledged. */
function readAcknowledgements({ acknowledgements, checks }, first) {
  const bytes = readFileSync(acknowledgements);
  const end = bytes.length - (bytes.length % 4);
  const last = end === 0 ? -1 : bytes.readUInt32LE(end - 4);
  checks.that(last >= first, 'the writer acknowledged nothing before it was killed');
  return Math.max(first, last + 1);
}

/** The call that was cut off is there or not, but nothing in between. Then it is done, and all is certain again. */
function finishLastCall({ map, model, checks }) {
  const { key, before, after } = outcome(model, model.applied);
  const found = map.get(key);
  checks.that(
    isDeepStrictEqual(found, before) || isDeepStrictEqual(found, after),
    () => `the call that was cut off left ${JSON.stringify(found)} at ${key}`,
  );
  perform(map, model, model.applied);
  model.apply();
}
