/**
 * One engine and one group of workloads, in a process of its own: node --expose-gc bench/trial.mjs TASK, where TASK is JSON:
 * { engine, group, durability, entries, size, operations, seconds, seed, warmUp, folder? }. Prints JSON:
 * { workloads: { name: { ns, operations, latency? } }, memory, disk, notes }.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadEngine } from './engines/index.mjs';
import { bytesOnDisk, residentMemory } from './lib/memory.mjs';
import { syncPeriodically } from './lib/sync-files.mjs';
import { measure } from './measure.mjs';
import { groups } from './workloads/index.mjs';
import { makeInput } from './workloads/input.mjs';

const task = JSON.parse(process.argv[2]);
const engine = await loadEngine(task.engine);
const group = groups[task.group];
const folder = mkdtempSync(join(task.folder ?? tmpdir(), 'mmcb-bench-'));
try {
  // First on a small store (but for figures that are no times of JavaScript), so that no engine is measured while its JavaScript is still being compiled.
  if (task.warmUp > 0 && !group.withoutStore) {
    const small = { entries: Math.min(task.entries, task.warmUp), seconds: 0.05, latencies: false };
    await trial({ ...task, ...small, folder: mkdtempSync(join(folder, 'warm-up-')) });
  }
  const result = await trial({ ...task, latencies: true, folder: mkdtempSync(join(folder, 'store-')) });
  console.log(JSON.stringify(result));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function trial(settings) {
  const { folder: place, entries, size, durability } = settings;
  const workloads = await group.make(makeInput(settings), settings);
  const memory = Math.min(2 ** 31, entries * size * 8 + 2 ** 26);
  globalThis.gc();
  const before = residentMemory();
  const { keys, values, withoutStore } = group;
  const store = withoutStore ? { close() {} } : await engine.open({ ...settings, keys, values });
  const stopSync = durability === 'periodic' && !engine.syncsItself ? await syncPeriodically(place) : undefined;
  const result = { workloads: {}, memory: { loaded: undefined, peak: { own: 0, mapped: 0 } }, disk: {}, notes: {} };
  for (const workload of workloads) {
    if (!takesPart(store, workload, settings)) continue;
    const figures = await measure(store, workload, { memory, latencies: settings.latencies });
    const { also, ...own } = figures;
    if (!workload.unreported) Object.assign(result.workloads, { [workload.name]: own }, also);
    notePeak(result.memory.peak, before);
    if (workload.loads) {
      globalThis.gc();
      result.memory.loaded = growth(before);
      result.disk.loaded = bytesOnDisk(place);
    }
    await delay(20); // background work may finish, events may be delivered
  }
  Object.assign(result.notes, store.notes?.());
  if (stopSync !== undefined) result.notes.periodicSyncs = await stopSync();
  await store.close();
  result.disk.closed = bytesOnDisk(place);
  return result;
}

function takesPart(store, { name, needs, writes, unreported, measure: own }, { durability }) {
  if (engine.leavesOut?.includes(name) || !needs.every((method) => method in store)) return false;
  // Syncing changes nothing for reads; the first table has them.
  return durability !== 'periodic' || writes || unreported || own !== undefined;
}

function growth(before) {
  const now = residentMemory();
  return { own: now.own - before.own, mapped: now.mapped - before.mapped };
}

/** As of the ends of the timed sections, before garbage is collected. */
function notePeak(peak, before) {
  const now = growth(before);
  peak.own = Math.max(peak.own, now.own);
  peak.mapped = Math.max(peak.mapped, now.mapped);
}
