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
  it.each(['interval', 'process'] as const)("keep the file below 1.5 x, durability '%s'", async (durability) => {
    const outcome = await steadyUpdates(tempFile('steady'), load, { durability });
    console.log(`durability '${durability}': ${describeOutcome(load, outcome)}`);
    expect(outcome.errors).toEqual([]);
    expect(outcome.worst.bySize).toBeLessThanOrEqual(1.5);
    expect(outcome.worst.byBlocks).toBeLessThanOrEqual(1.5);
  }, 3_600_000);
});
