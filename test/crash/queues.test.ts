/**
 * kill -9 of processes that use queues, again and again on the same file. Whatever was accepted is delivered at least once, in
 * the end; what was acknowledged is not delivered again. MMCB_QUEUE_KILLS sets the number of kills of each kind.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { CompactableBuffer, DelayQueue, PartitionedMap, PartitionedQueue } from '../../src/index.js';
import { Random } from '../support/random.js';
import { tempFile } from '../support/temp.js';
import { killWriter } from './kill-writer.js';

const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
const kills = Number(process.env['MMCB_QUEUE_KILLS'] || 40);
const program = fileURLToPath(new URL('./queue-child.mjs', import.meta.url));
const counts: string[] = [];
afterAll(() => console.log(`kill -9 of queues: ${counts.join('; ')}; seed ${seed}`));

interface Log {
  accepted: Set<string>;
  delivered: Map<string, number>;
  done: Set<string>;
  /** Deliveries of what was acknowledged before. */
  again: string[];
}

function readLog(file: string): Log {
  const log: Log = { accepted: new Set(), delivered: new Map(), done: new Set(), again: [] };
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [''];
  lines.pop(); // empty, or cut short
  for (const line of lines) {
    const [what = '', id = ''] = line.split(' ');
    if (what === 'accepted') log.accepted.add(id);
    else if (what === 'done') log.done.add(id);
    else if (what === 'delivered') {
      if (log.done.has(id)) log.again.push(id);
      log.delivered.set(id, (log.delivered.get(id) ?? 0) + 1);
    }
  }
  return log;
}

/** Runs the child until it is killed, `kills` times. */
async function killed(kind: string, path: string, logFile: string): Promise<void> {
  const random = new Random(seed);
  for (let round = 0; round < kills; round++) {
    await killWriter(program, [kind, path, logFile, String(round)], logFile, random.int(0, 60));
  }
}

async function verified(path: string): Promise<void> {
  const buffer = await CompactableBuffer.open(path);
  expect(await buffer.verify()).toMatchObject({ ok: true });
  await buffer.close();
}

describe(`kill -9 of queues (MMCB_SEED=${seed})`, () => {
  it('a DelayQueue', async () => {
    const [path, logFile] = [tempFile('delay'), tempFile('log')];
    await killed('delay', path, logFile);
    await verified(path);
    const { accepted, delivered, done, again } = readLog(logFile);
    // A lease of the processes that were killed ends at its deadline, which is far off.
    const queue = await DelayQueue.open<number>(path, { delay: 0, clock: () => Date.now() + 20_000_000 });
    const left = queue.retrieve(Number.POSITIVE_INFINITY).map(({ value }) => String(value));
    const lost = [...accepted].filter((id) => !delivered.has(id) && !left.includes(id));
    expect(lost).toEqual([]);
    expect(again).toEqual([]);
    expect(left.filter((id) => done.has(id))).toEqual([]);
    expect(new Set(left).size).toBe(left.length);
    const [some] = accepted;
    expect(queue.store({ key: `key ${some}`, value: 0, uniqueId: String(some) })).toBe(false); // remembered
    await queue.close();
    counts.push(`DelayQueue ${kills} kills, ${accepted.size} stored, ${left.length} left at the end`);
  });

  it('a PartitionedQueue', async () => {
    const [path, logFile] = [tempFile('queue'), tempFile('log')];
    await killed('queue', path, logFile);
    await verified(path);
    const { accepted, delivered } = readLog(logFile);
    const left: string[] = [];
    const queue = await PartitionedQueue.start<number>({
      ...{ path, processor: (batch: number[]) => void left.push(...batch.map(String)) },
    });
    await queue.stop();
    const found = new Set([...delivered.keys(), ...left]);
    expect([...accepted].filter((id) => !found.has(id))).toEqual([]);
    // At most one batch of each partition is delivered again after each kill.
    const twice = [...delivered.values()].reduce((sum, times) => sum + times - 1, 0);
    expect(twice).toBeLessThanOrEqual(kills * 2 * 10);
    counts.push(`PartitionedQueue ${kills} kills, ${accepted.size} pushed, ${twice} delivered again`);
  });

  it('a PartitionedMap', async () => {
    const [path, logFile] = [tempFile('map'), tempFile('log')];
    await killed('map', path, logFile);
    await verified(path);
    const { accepted, delivered } = readLog(logFile);
    const map = await PartitionedMap.start<string, number>({
      path,
      processor: (batch) => void batch.map(({ key, value }) => delivered.set(`${key}:${value}`, 1)),
    });
    await map.stop();
    // Of each key the last write that was accepted, or a later one, has been delivered.
    const last = new Map<string, number>();
    const reached = new Map<string, number>();
    const note = (target: Map<string, number>, entry: string): void => {
      const [key = '', value] = entry.split(':');
      target.set(key, Math.max(target.get(key) ?? 0, Number(value)));
    };
    for (const entry of accepted) note(last, entry);
    for (const entry of delivered.keys()) note(reached, entry);
    for (const [key, value] of last) expect(reached.get(key)).toBeGreaterThanOrEqual(value);
    counts.push(`PartitionedMap ${kills} kills, ${accepted.size} put`);
  });
});
