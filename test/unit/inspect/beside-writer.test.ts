/** Reading while a thread overwrites entries in place as fast as it can: nothing is taken for damage. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { CompactableBuffer } from '../../../src/index.js';
import { LiveFile } from '../../../src/inspect/live-file.js';
import { tempFile } from '../../support/temp.js';

const looks = Number(process.env['MMCB_RUNS'] ?? 40);

it('takes no change that is half done for damage', { timeout: 60_000 }, async () => {
  const file = tempFile();
  const buffer = await CompactableBuffer.open(file, { durability: 'process' });
  const program = `
    import { workerData, parentPort } from 'node:worker_threads';
    import { CompactableBuffer } from '${new URL('../../../dist/esm/index.js', import.meta.url)}';
    const buffer = await CompactableBuffer.open(workerData);
    const addresses = Array.from({ length: 2000 }, () => buffer.add(Buffer.alloc(800)));
    parentPort.postMessage('ready');
    let n = 0;
    setInterval(() => {
      for (let i = 0; i < 20_000; i++, n++) buffer.update(addresses[(n * 7919) % 2000], Buffer.alloc(700 + (n % 300), n));
    }, 0);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { workerData: file });
  await once(worker, 'message');
  const live = new LiveFile(file);
  for (let i = 0; i < looks; i++) {
    await live.look(20);
    expect(live.picture()).toMatchObject({ problem: '', totals: { lostEntries: 0 } });
  }
  expect(live.picture().totals.liveEntries).toBe(2000);
  await live.close();
  await worker.terminate();
  await buffer.close();
});
