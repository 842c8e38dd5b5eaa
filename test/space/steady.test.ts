/**
 * Promise 5: the file's size follows the live data. MMCB_SPACE=full runs 1 million entries and 20 million updates;
 * MMCB_VERBOSE=1 prints how the file is made up on the way.
 */
import { describe, expect, it } from 'vitest';
import { tempFile } from '../support/temp.js';
import { describeOutcome, type Load, steadyUpdates } from './steady.js';

const full = process.env['MMCB_SPACE'] === 'full';
const seed = Number(process.env['MMCB_SEED'] ?? 1);
const load: Load = full
  ? { entries: 1_000_000, operations: 20_000_000, mean: 512, seed }
  : { entries: 100_000, operations: 1_000_000, mean: 512, seed };

describe("steady random updates, policy 'space'", () => {
  it.each([
    ['interval', 1.5],
    // Updates overwrite in place, so that an entry keeps the room of the largest value that it has had: 1.74 here.
    ['process', 2],
  ] as const)(
    "keep the file small, durability '%s': at most %f x",
    async (durability, most) => {
      const outcome = await steadyUpdates(tempFile('steady'), load, { durability });
      console.log(`durability '${durability}': ${describeOutcome(load, outcome)}`);
      expect(outcome.errors).toEqual([]);
      expect(outcome.worst.bySize).toBeLessThanOrEqual(most);
      expect(outcome.worst.byBlocks).toBeLessThanOrEqual(most);
    },
    3_600_000,
  );
});
