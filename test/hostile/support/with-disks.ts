/** Runs tests on each kind of file system that can be had here. What cannot be had is counted as skipped, and says why. */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { Disk, type Kind } from './disk.js';
import { killAll } from './store-process.js';

/** Why kinds cannot be had, as setup.ts found out (and printed). */
const missing = JSON.parse(process.env['MMCB_HOSTILE_MISSING'] ?? '{}') as Partial<Record<Kind, string>>;

/** `tests` is called at collection; its disk is there in tests and hooks, and empty for each test. */
export function describeDisk(title: string, kind: Kind, tests: (disk: Disk) => void, mountOptions = ''): void {
  const disk = new Disk(kind, mountOptions);
  const reason = missing[kind];
  if (reason !== undefined) {
    describe.skip(`${title} (${reason})`, () => tests(disk));
    return;
  }
  describe(title, () => {
    beforeAll(() => disk.mount());
    afterAll(() => disk.unmount());
    afterEach(async () => {
      await killAll(); // what is open takes space, even if it is removed
      await disk.empty();
    });
    tests(disk);
  });
}
