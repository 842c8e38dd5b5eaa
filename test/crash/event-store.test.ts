/**
 * kill -9 of processes that use an event store, again and again on the same file. Every resolved store is there, versions are
 * gap-free, batches whole; a consumer misses and repeats nothing from its checkpoint on. MMCB_EVENT_KILLS sets the number of
 * kills of each kind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { EventStoreOptions } from '../../src/index.js';
import { Random } from '../support/random.js';
import { tempFile } from '../support/temp.js';
import { EventStoreLog } from './event-store-log.js';

const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
const kills = Number(process.env['MMCB_EVENT_KILLS'] || 34);
const program = fileURLToPath(new URL('./event-store-child.mjs', import.meta.url));
const counts: string[] = [];
afterAll(() => console.log(`kill -9 of event stores: ${counts.join('; ')}; seed ${seed}`));

const small: EventStoreOptions = { initialSize: 65_536, segmentSize: 65_536 };

interface Setting {
  readonly name: string;
  readonly options: EventStoreOptions;
  /** Threads that write besides the main one. */
  readonly workers: number;
  /** How many openings there are in a round. */
  readonly openings: number;
}

const settings: Setting[] = [
  { name: "durability 'commit'", options: small, workers: 0, openings: 1 },
  { name: "durability 'commit', two threads", options: small, workers: 1, openings: 2 },
  {
    name: "durability 'process', two threads, compaction all the time",
    options: { ...small, durability: 'process', compaction: { policy: 'time', interval: 3 } },
    workers: 1,
    openings: 2,
  },
];

describe(`kill -9 of event stores (MMCB_SEED=${seed})`, () => {
  it.concurrent.each(settings)('$name', async ({ name, options, workers, openings }) => {
    const [path, log] = [tempFile('events'), new EventStoreLog(tempFile('log'))];
    const random = new Random(seed + workers);
    let events = 0;
    for (let round = 0; round < kills; round++) {
      const how = JSON.stringify({ options, workers });
      const child = spawn(process.execPath, [program, path, log.file, String(round), how], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let output = '';
      child.stderr.on('data', (text) => {
        output += text;
      });
      const exit = once(child, 'close');
      const [before, deadline] = [log.openings, Date.now() + 60_000];
      while (child.exitCode === null && Date.now() < deadline) {
        log.read();
        if (log.openings >= before + openings) break;
        await delay(2);
      }
      await delay(random.int(0, 120));
      child.kill('SIGKILL');
      await exit;
      if (child.signalCode !== 'SIGKILL') throw new Error(`the child ended by itself:\n${output}`);
      // Now and then the next process recovers what this one has left.
      if (round % 3 === 2 || round === kills - 1) events = await log.check(path, options);
      log.read();
      expect(log.wrong).toEqual([]);
    }
    expect(log.stored.size).toBeGreaterThan(kills);
    counts.push(
      `${name}: ${kills} kills, ${log.stored.size} events acknowledged, ${events} left, ${log.saved} delivered`,
    );
  });
});
