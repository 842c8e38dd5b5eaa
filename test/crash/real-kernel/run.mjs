// A real kernel cut short: a user-mode Linux (Debian's user-mode-linux) runs the engine on a real file system, and loses what
// it had not written. What its disk holds then is mounted here, and checked against what the writer had been told.
//
//   npm run test:real-kernel -- [--fs ext4|xfs] [--mode freeze|kill|log-writes|flakey] [--cuts N] [--seed S] [--bug kName]
//
//   freeze      the machine stands still while its disk is copied, again and again
//   kill        kill -9 of the machine, and the next one boots from its disk
//   log-writes  all writes are logged (dm-log-writes); images of cuts between any two of them, unflushed ones lost or torn
//   flakey      the file's blocks fail under a sync (device mapper): EIO, and pages that are clean and were never written
//
// It needs root, user-mode-linux, loop devices; the last two modes dmsetup and kmod. --bug switches a seeded bug on, which
// must be found. Ends at the first failure, with the image kept. The last line is `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { generator } from '../../../bench/lib/random.mjs';
import { installDebianPackages } from '../../../scripts/lib/debian.mjs';
import { cmake, fail, finish, root, skip } from '../../../scripts/lib/run.mjs';
import { Machine, mounted, must, whatIsMissing } from './machine.mjs';
import { modes, whatModeNeeds } from './modes.mjs';

const { values } = parseArgs({
  options: {
    fs: { type: 'string', default: 'ext4' },
    mode: { type: 'string', default: 'freeze' },
    cuts: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    bug: { type: 'string', multiple: true, default: [] },
  },
});
const { fs, mode, bug } = values;
const cuts = Number(values.cuts);
const seed = Number(values.seed);
const buildFolder = join(root, 'build', 'native-plain');
const folder = join(root, 'build', `real-kernel-${process.pid}`);

/** What is cut when follows from the seed, as far as the machine's own timing allows. */
class Random {
  constructor(start) {
    this.next = generator(start);
  }
  int(min, max) {
    return min + Math.floor(this.next() * (max - min + 1));
  }
  chance(probability) {
    return this.next() < probability;
  }
  pick(items) {
    return items[this.int(0, items.length - 1)];
  }
}

class Rig {
  fs = fs;
  folder = folder;
  mount = join(folder, 'mnt');
  program = join(buildFolder, 'mmcb_real_kernel');
  bugs = bug.map((name) => `--bug ${name}`).join(' ');
  random = new Random(seed);
  counts = { cuts: 0, boots: 0, tooEarly: 0, undone: 0, found: new Map() };
  /** Of the machine that runs: { seed }. */
  boot;
  /** An image to go on from: { image, seed, calls }. */
  last;

  /** Checks the image of a cut; the number of calls that it holds, or undefined if there is no store yet. */
  check(image, { least, ready, begun, durable }) {
    this.counts.cuts++;
    const store = join(this.mount, 'store');
    const result = mounted(image, this.fs, this.mount, () => {
      // Before the store was open for the first time nothing was promised, not even a file.
      if (!existsSync(store) && ready === 0 && least === 0) return undefined;
      const range = [String(Math.max(least, durable)), String(Math.max(least, begun))];
      const args = ['check', store, String(this.boot.seed), ...range, ...this.bugs.split(' ').filter(Boolean)];
      return spawnSync(this.program, args, { encoding: 'utf8' });
    });
    if (result === undefined) {
      this.counts.tooEarly++;
      return undefined;
    }
    const said = /^ok (\d+) (\S+) (\d+)$/m.exec(result.stdout);
    if (result.status !== 0 || said === null) {
      this.fail(image, `exit code ${result.status ?? result.signal}: ${result.stdout}${result.stderr}`);
    }
    const { found } = this.counts;
    found.set(said[2], (found.get(said[2]) ?? 0) + 1);
    this.counts.undone += Math.max(0, begun - Number(said[1]));
    return Number(said[1]);
  }

  fail(image, what) {
    const kept = join(root, 'build', `real-kernel-failed-${seed}.img`);
    renameSync(image, kept);
    throw new Error(
      `cut ${this.counts.cuts}, seed ${seed}, ${fs}, ${mode}; image (as the check left it): ${kept}\n${what}`,
    );
  }

  cleanUp() {
    if (readFileSync('/proc/mounts', 'utf8').includes(` ${this.mount} `)) must('umount', this.mount);
    rmSync(folder, { recursive: true, force: true });
  }

  summary() {
    const { cuts, boots, tooEarly, undone, found, writes } = this.counts;
    const opened = [...found].map(([status, count]) => `${count} ${status}`).join(', ');
    return (
      `real kernel, ${fs}, ${mode}: ${cuts} cuts in ${boots} boots` +
      (writes === undefined ? '' : ` and ${writes} logged writes`) +
      (found.size === 0 ? '' : `; opened as: ${opened}; ${tooEarly} before there was a file; ${undone} calls undone`) +
      `; seed ${seed}`
    );
  }
}

async function main() {
  if (!(mode in modes)) throw new Error(`--mode is one of ${Object.keys(modes).join(', ')}`);
  const missing = () => whatIsMissing(fs) ?? whatModeNeeds(mode);
  const packages = ['user-mode-linux', 'e2fsprogs', ...(fs === 'xfs' ? ['xfsprogs'] : []), 'dmsetup', 'kmod'];
  if (missing() !== undefined) await installDebianPackages(...packages);
  if (missing() !== undefined) return skip('real-kernel', `${fs}, ${mode}: there is no ${missing()}`);
  const options = ['-DMMCB_BUILD_TESTS=ON', '-DMMCB_BUILD_ADDON=OFF'];
  await cmake(buildFolder, options, ['mmcb_real_kernel']);
  const rig = new Rig();
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      Machine.current?.killNow();
      rig.cleanUp();
      process.exit(1);
    });
  }
  mkdirSync(rig.mount, { recursive: true });
  try {
    await modes[mode](rig, cuts);
    console.log(rig.summary());
    finish('real-kernel', { passed: 1, failed: 0 });
  } catch (error) {
    console.error(rig.summary());
    finish('real-kernel', { passed: 0, failed: 1 });
    throw error;
  } finally {
    rig.cleanUp();
  }
}

await main().catch(fail);
