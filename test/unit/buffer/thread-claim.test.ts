/** The claim on a file, of those in one thread; workers/claims.test.ts has threads that race for it. */
import { expect, it } from 'vitest';
import { storeOf } from '../../../src/buffer/compactable-buffer.js';
import { claim, claimForThread, release, unclaim } from '../../../src/buffer/thread-claim.js';
import { CompactableBuffer, DelayQueue, PartitionedQueue } from '../../../src/index.js';
import { expectCode } from '../../support/expect.js';
import { tempFile } from '../../support/temp.js';

it('is that of one, until the ticket is returned or the claim taken away', async () => {
  const path = tempFile();
  const [first, second] = [await CompactableBuffer.open(path), await CompactableBuffer.open(path)];
  const { native } = storeOf(first);
  const mine = claimForThread(first);
  const other = native.drawTicket();
  expect(claim(second, other)).toBe(mine);
  expect(claim(first, other)).toBe(mine);
  await expectCode(() => claimForThread(second), 'MMCB_LOCKED');
  unclaim(second, other); // has none
  expect(claim(second, other)).toBe(mine);
  unclaim(second, mine);
  expect(claim(second, other)).toBeUndefined();
  native.returnTicket(other);
  expect(claim(first, mine)).toBeUndefined();
  release(first, mine);
  await first.close();
  await expectCode(() => claim(first, mine), 'MMCB_CLOSED');
  await second.close();
});

it('is on one file, or one store in memory, and ends with the last who has it open', async () => {
  const path = tempFile();
  const [first, other, memory] = await Promise.all(
    [path, tempFile(), ':memory:'].map((p) => CompactableBuffer.open(p)),
  );
  const tickets = [first, other, memory].map((buffer) => claimForThread(buffer as CompactableBuffer));
  expect(new Set(tickets).size).toBe(3);
  for (const buffer of [first, other, memory]) await buffer?.close();
  const again = await CompactableBuffer.open(path);
  release(again, claimForThread(again));
  await again.close();
  for (const ticket of tickets) storeOf(again).native.returnTicket(ticket);
});

it('needs no space: what is full opens again, and can be emptied', async () => {
  const space = {
    maxSize: 262_144,
    initialSize: 65_536,
    segmentSize: 65_536,
    compaction: { policy: 'disabled' },
  } as const;
  const value = 'v'.repeat(100);
  const queuePath = tempFile();
  let queue = await DelayQueue.open(queuePath, { delay: 0, ...space });
  await expectCode(() => {
    for (let i = 0; ; i++) queue.store({ key: `${i}`, value });
  }, 'MMCB_FULL');
  const { size } = queue;
  await queue.close();
  queue = await DelayQueue.open(queuePath, { delay: 0, ...space });
  expect(queue.retrieve(1e6)).toHaveLength(size);
  await queue.close();

  const options = { path: tempFile(), buffer: space, processingInterval: 2 ** 31 - 1 };
  const partitioned = await PartitionedQueue.start({ ...options, processor: () => {} });
  let pushed = 0;
  await expectCode(() => {
    for (; ; pushed++) partitioned.push(value);
  }, 'MMCB_FULL');
  await partitioned.stop({ timeout: 0 });
  const seen: unknown[] = [];
  const again = await PartitionedQueue.start({ ...options, processor: (batch) => void seen.push(...batch) });
  await again.stop();
  expect(seen).toHaveLength(pushed);
});
