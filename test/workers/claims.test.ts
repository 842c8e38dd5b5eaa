/** The claim that decides which thread has a queue's index: of all that try at the same moment, one gets it. */
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { tempFile } from '../support/temp.js';
import { Thread } from './threads.js';

it('one of several threads gets a file, free or with a claim that holds no more', { timeout: 60_000 }, async () => {
  const rounds = Number(process.env['MMCB_RUNS'] || 400);
  const threads = 2; // they spin: no more than there are processors
  const file = tempFile();
  const shared = new SharedArrayBuffer(4);
  const workers = Array.from({ length: threads }, () => {
    return new Thread(file, { rounds, threads, shared }, 'claim-worker.mjs').worker;
  });
  const won = await Promise.all(
    workers.map(async (worker) => {
      const [message] = (await once(worker, 'message')) as [{ won: number[] }];
      return message.won;
    }),
  );
  expect(won.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: rounds }, (_, round) => round));
  await Promise.all(workers.map((worker) => worker.terminate()));
});
