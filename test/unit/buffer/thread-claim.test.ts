/** The claim on a file, of those in one thread; workers/claims.test.ts has threads that race for it. */
import { expect, it } from 'vitest';
import { storeOf } from '../../../src/buffer/compactable-buffer.js';
import { claim, claimForThread, release, unclaim } from '../../../src/buffer/thread-claim.js';
import { CompactableBuffer } from '../../../src/index.js';
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
