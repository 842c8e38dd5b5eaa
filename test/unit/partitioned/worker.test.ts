/** A processor given as a module's URL runs in threads. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PartitionedQueue } from '../../../src/index.js';
import { tempFolder } from '../../support/temp.js';

function moduleWith(code: string): URL {
  const file = join(tempFolder(), 'processor.mjs');
  writeFileSync(file, code);
  return pathToFileURL(file);
}

describe('a processor in a module', () => {
  it('gets its batches, in threads, and can fail without harm', async () => {
    const processor = moduleWith(`
      import { appendFileSync } from 'node:fs';
      import { isMainThread } from 'node:worker_threads';
      export default async (batch, { partition, attempt }) => {
        if (batch.includes('exit') && attempt === 1) process.exit(3);
        if (batch.includes('fail') && attempt === 1) throw new TypeError('failed on purpose');
        appendFileSync(new URL('./out', import.meta.url), JSON.stringify([isMainThread, batch, attempt]) + '\\n');
      };`);
    const { readFileSync } = await import('node:fs');
    const queue = await PartitionedQueue.start<string>({
      ...{ processor, partitions: 1, delivery: 'at-least-once', retry: { retries: 2, backoff: 0 } },
    });
    const failed: unknown[] = [];
    queue.on('processing:failed', ({ error }) => failed.push(error));
    for (const item of ['a', 'fail', 'exit']) {
      queue.push(item);
      await queue.drain();
    }
    await queue.stop();
    const lines = readFileSync(new URL('./out', processor), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      [false, ['a'], 1],
      [false, ['fail'], 2],
      [false, ['exit'], 2],
    ]);
    expect(failed).toMatchObject([{ name: 'TypeError', message: 'failed on purpose' }, { message: /code 3/ }]);
  });

  it('that cannot be loaded fails its batches', async () => {
    const queue = await PartitionedQueue.start<unknown>({ processor: new URL('file:///no/such/module.mjs') });
    const failed: unknown[] = [];
    queue.on('processing:failed', ({ error }) => failed.push(error));
    queue.push('a');
    await queue.stop();
    expect(failed).toMatchObject([{ code: 'ERR_MODULE_NOT_FOUND' }]);
  });
});
