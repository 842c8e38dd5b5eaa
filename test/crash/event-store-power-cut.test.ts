/**
 * Power cuts of processes that use an event store, simulated as in power-cut.test.ts, again and again on the same file. With
 * durability 'commit' every resolved store, checkpoint and snapshot is on the disk; a consumer was shown nothing that the cut
 * took back. MMCB_EVENT_CUTS sets the number of cuts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../support/random.js';
import { tempFolder } from '../support/temp.js';
import { EventStoreLog } from './event-store-log.js';
import { buildShim } from './power-cut/shim.js';

const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
const cuts = Number(process.env['MMCB_EVENT_CUTS'] || 30);
const program = fileURLToPath(new URL('./event-store-child.mjs', import.meta.url));

let shim = '';
beforeAll(() => {
  shim = buildShim();
});

const options = { initialSize: 65_536, segmentSize: 65_536, syncInterval: 50 };

/** Cuts the power of one process after another; how many events there are in the end. `lies`: fdatasync does nothing. */
async function cutAgain(workers: number, count: number, lies = false): Promise<{ log: EventStoreLog; events: number }> {
  const folder = tempFolder();
  const [file, disk, copy] = ['events.mmcb', 'disk', 'copy'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const log = new EventStoreLog(join(folder, 'log'));
  const random = new Random(seed + workers);
  let events = 0;
  for (let round = 0; round < count; round++) {
    const report = join(folder, `cut-${round}.json`);
    const child = spawn(
      process.execPath,
      [program, file, log.file, String(round), JSON.stringify({ options, workers })],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          ...process.env,
          LD_PRELOAD: shim,
          MMCB_CUT_FILE: file,
          MMCB_CUT_DISK: disk,
          MMCB_CUT_REPORT: report,
          MMCB_CUT_SEED: String(random.int(0, 2 ** 31)),
          MMCB_CUT_BOOT_ID: `00000000-0000-4000-8000-${String(round + 1).padStart(12, '0')}`,
          ...(lies ? { MMCB_CUT_LIES: '1' } : {}),
        },
      },
    );
    let output = '';
    child.stderr.on('data', (text) => {
      output += text;
    });
    const exit = once(child, 'close');
    await Promise.race([exit, delay(60_000, undefined, { ref: false })]);
    child.kill('SIGKILL');
    await exit;
    if (!existsSync(report)) throw new Error(`no cut in round ${round}:\n${output}`);
    copyFileSync(disk, file); // into the same inode: only the contents are the disk's
    // A copy is looked at, so that the next process recovers what the cut has left.
    copyFileSync(file, copy);
    if (log.openings > 0 || log.size > 0) events = await log.check(copy, options);
    rmSync(copy, { force: true });
  }
  return { log, events };
}

describe.runIf(process.platform === 'linux')(`power cuts of event stores (MMCB_SEED=${seed})`, () => {
  it.concurrent.each([
    ['one thread', 0],
    ['two threads', 1],
  ])('%s', async (name, workers) => {
    const { log, events } = await cutAgain(workers, cuts / 2);
    expect(log.stored.size).toBeGreaterThan(0);
    console.log(
      `power cuts of event stores, ${name}: ${cuts / 2} cuts, ${log.stored.size} events acknowledged, ${events} left, ` +
        `${log.saved} delivered; seed ${seed}`,
    );
  });

  // A test of the test.
  it('a disk that lies about fdatasync is found out', async () => {
    const error: unknown = await cutAgain(0, 40, true).catch((reason) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).not.toMatch(/no cut|ended by itself/);
  });
});
