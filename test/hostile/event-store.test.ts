/** An event store at the limit of file size: a batch is stored or not at all, nothing is lost, and it goes on when there is room. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { EventStore } from '../../src/index.js';
import { anEvent, collect, versionsOf } from '../contract/event-store-contract.js';
import { tempFile } from '../support/temp.js';
import { isInstalled } from './support/commands.js';

const program = fileURLToPath(new URL('./event-store-child.mjs', import.meta.url));
const noPrlimit = isInstalled('prlimit') ? undefined : 'prlimit is not installed';
if (noPrlimit !== undefined) console.warn(`SKIPPED: event stores at their limit: ${noPrlimit}`);

describe.skipIf(noPrlimit !== undefined)(`an event store at the limit of file size${noPrlimit ?? ''}`, () => {
  it('fails with MMCB_NO_SPACE, half-stores nothing, and goes on', async () => {
    const path = tempFile();
    const { stdout } = await promisify(execFile)('prlimit', ['--fsize=1048576', process.execPath, program, path]);
    const said = JSON.parse(stdout) as { acknowledged: number; failure: object; latest: number };
    expect(said.acknowledged).toBeGreaterThan(100);
    expect(said).toMatchObject({
      failure: { code: 'MMCB_NO_SPACE', cause: 'EFBIG' },
      latest: said.acknowledged,
    });
    const store = await EventStore.open(path);
    expect(store.recovery.status).toBe('clean');
    expect(versionsOf(await collect(store.load()))).toEqual(Array.from({ length: said.latest }, (_, i) => i + 1));
    expect(await store.runGC({ before: said.latest })).toMatchObject({ collected: said.latest - 1 });
    expect(await store.store(anEvent('a'), { expectedVersion: said.latest })).toBe(said.latest + 1);
    expect(await store.buffer.verify()).toMatchObject({ ok: true });
    await store.close();
  });
});
