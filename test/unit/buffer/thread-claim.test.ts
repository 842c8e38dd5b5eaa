/** The claim on a file, whatever another thread does between any two calls of one that claims it. */
import { expect, it } from 'vitest';
import { storeOf } from '../../../src/buffer/compactable-buffer.js';
import { claim, release } from '../../../src/buffer/thread-claim.js';
import { CompactableBuffer } from '../../../src/index.js';
import { Interruption, NEVER } from '../../support/interrupt.js';
import { tempFile } from '../../support/temp.js';

/** What the other one does: claims, and perhaps gives the file back and claims it again. */
const claims = [0, 1, 2, 3];

it('of two threads one gets a file, free or with a claim that holds no more', async () => {
  for (const isFree of [true, false]) {
    for (const times of claims) {
      for (let at = NEVER, calls = 0; at < calls; at++) {
        const path = tempFile('claimed');
        const [first, second] = [await CompactableBuffer.open(path), await CompactableBuffer.open(path)];
        const { native } = storeOf(first);
        if (!isFree) {
          const gone = native.drawTicket();
          expect(claim(first, gone)).toBeUndefined();
          native.returnTicket(gone);
        }
        let others: number | undefined;
        const interruption = new Interruption(at, () => {
          for (let i = 0; i < times; i++) {
            if (others !== undefined) release(first, others);
            others = native.drawTicket();
            expect(claim(first, others)).toBeUndefined();
          }
        });
        interruption.watch(second);
        const mine = native.drawTicket();
        const holder = claim(second, mine);
        interruption.end();
        calls = Math.max(calls, interruption.calls);
        const what = `${isFree ? 'free' : 'left'}, ${times} claims before call ${at}`;
        // Who is too late with his claim finds mine.
        if (holder !== undefined) expect(holder, what).toBe(others);
        else if (others !== undefined) throw new Error(`two have it: ${what}`);
        const last = native.drawTicket();
        expect(claim(first, last), what).toBe(others ?? mine);
        await second.close();
        await first.close();
      }
    }
  }
});
