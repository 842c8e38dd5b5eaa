/**
 * kill -9: a child writes in every way there is, and is killed, again and again on the same file: at a random moment, or by
 * a thread of its own in the middle of opening, of a batch, of compaction, of a sync point, of closing. After each kill
 * every operation that returned is there, byte for byte; the one under way is there wholly or not at all; the file
 * verifies. Here the main thread writes; in kill-workers.test.ts workers do. MMCB_KILLS sets the number of kills of both
 * together, MMCB_SEED the seed (what the children do, and when they are killed as far as that can be repeated). On failure
 * the file and the logs of the last child are kept, and named.
 */
import { describeKills } from './kills.js';

describeKills('the main thread writes', 0, 3 / 4);
