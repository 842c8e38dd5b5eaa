/** One engine, one group, in a process of its own: node --expose-gc bench/one.mjs <JSON>. Prints JSON: { ns: { name: ns per operation } }. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeInput, workloads } from './workloads.mjs';

const { engine, group, ...settings } = JSON.parse(process.argv[2]);
const { open, operations } = await import(`./engines/${engine}.mjs`);
const folder = mkdtempSync(join(tmpdir(), 'mmcb-bench-'));
try {
  const input = makeInput(settings);
  const store = await open(folder, group, settings);
  const ns = {};
  for (const workload of workloads[group](input)) {
    if (operations !== undefined && !operations.includes(workload.name)) continue;
    warmMemory(Math.min(2 ** 31, settings.entries * settings.larger * 4));
    ns[workload.name] = await measure(store, workload, settings.entries);
    await delay(20); // background work may finish, events may be delivered
  }
  const note = store.note?.();
  await store.close();
  console.log(JSON.stringify({ ns, note }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(store, { name, run, writes, check }, count) {
  const operation = run(store);
  const start = process.hrtime.bigint();
  let bytes = 0;
  if (check === undefined) for (let i = 0; i < count; i++) operation(i);
  else for (let i = 0; i < count; i++) bytes += operation(i).length;
  if (writes) await store.written?.();
  const ns = Number(process.hrtime.bigint() - start) / count;
  if (check !== undefined && bytes !== check * count)
    throw new Error(`${name}: ${bytes} bytes instead of ${check * count}`);
  return ns;
}

/**
 * Makes the operating system have this much memory at hand. A virtual machine may have given free memory back to its host;
 * the first touch of such a page costs 10 µs, which would be measured instead of the engine.
 */
function warmMemory(bytes) {
  let memory = Buffer.allocUnsafeSlow(bytes);
  for (let i = 0; i < bytes; i += 4096) memory[i] = 1;
  memory = undefined;
  globalThis.gc();
}
