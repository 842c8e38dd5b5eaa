/** The suite of kill.test.ts and kill-workers.test.ts. */
import { afterAll, describe, it } from 'vitest';
import { Random } from '../support/random.js';
import { Chain, type Setting, Totals } from './chain.js';

const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
const all = Number(process.env['MMCB_KILLS'] || 520);

const small = { initialSize: 65_536, segmentSize: 65_536 };
const settings: Omit<Setting, 'workers'>[] = [
  {
    name: "durability 'process', compaction all the time",
    options: { ...small, durability: 'process', syncInterval: 30, compaction: { policy: 'time', interval: 3 } },
    largest: 150_000, // more than a segment
  },
  {
    name: "durability 'interval', a sync point every 5 ms, compaction by 'space'",
    options: { ...small, durability: 'interval', syncInterval: 5, compaction: { policy: 'space', checkInterval: 5 } },
    largest: 150_000,
  },
  {
    name: "durability 'interval', as it comes",
    options: { durability: 'interval' },
    largest: 60_000,
  },
  {
    name: "durability 'process', as it comes",
    options: { durability: 'process', extensionFactor: 2 },
    largest: 60_000,
  },
];

/** Declares the tests: one chain for each setting, `share` of all kills among them. Two run at a time. */
export function describeKills(who: string, workers: number, share: number): void {
  const totals = new Totals();
  const each = Math.ceil((all * share) / settings.length);

  afterAll(() => console.log(`kill -9, ${who}: ${totals}; seed ${seed}`));

  describe(`kill -9, ${who} (MMCB_SEED=${seed})`, () => {
    it.concurrent.each(settings.map((setting, index) => ({ ...setting, index })))(
      '$name',
      async ({ index, ...setting }) => {
        const random = new Random(seed * 10 + index + 5 * Math.sign(workers));
        await new Chain({ ...setting, workers }, random, seed, totals).run(each);
      },
      Math.max(600_000, each * 4000),
    );
  });
}
