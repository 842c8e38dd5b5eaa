// The ways in which the kernel is cut short. Each is run(rig, cuts): it makes so many cuts and checks each of them.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { copyDisk, Machine, makeDisk, must } from './machine.mjs';
import { WriteLog } from './write-log.mjs';

// The kernel writes dirty pages back at once, and not after half a minute.
const EAGER = 'echo 3 > /proc/sys/vm/dirty_writeback_centisecs; echo 5 > /proc/sys/vm/dirty_expire_centisecs';

const MODULES = () => {
  const folder = '/usr/lib/uml/modules';
  return join(folder, readdirSync(folder)[0], 'kernel/drivers/md');
};
/** A device of the device mapper at /run/<name>; `table`: one line, in which $SIZE is the size of the disk. */
const deviceMapper = (modules, name, table) =>
  [
    ...modules.map((module) => `insmod ${MODULES()}/${module}.ko`),
    'mkdir -p /run/udev /run/lvm',
    'SIZE=$(blockdev --getsz /dev/ubda)',
    `dmsetup create ${name} --noudevsync --noudevrules --table "${table}" || echo FAILED: no device`,
    `mknod /run/${name} b $(cat /sys/block/dm-0/dev | tr : ' ')`,
  ].join('\n');

const writer = (rig, machine, from, more = '') =>
  `${rig.program} write ${rig.mount}/store ${rig.boot.seed} ${from} --ack ${machine}/acknowledgements ${more} ${rig.bugs}`;

function start(rig, disk, from) {
  const script = [`mount -t ${rig.fs} /dev/ubda ${rig.mount} || echo FAILED: no disk`, EAGER];
  script.push(writer(rig, rig.folder, from));
  rig.counts.boots++;
  return new Machine({ folder: rig.folder, disks: [disk], script: script.join('\n') });
}

/** A disk to begin with: an empty one, or the image of a cut, which the writer has to recover. */
function firstDisk(rig, disk, chained) {
  if (chained && rig.last !== undefined) {
    copyDisk(rig.last.image, disk);
    rig.boot = rig.last;
    return rig.last.calls;
  }
  makeDisk(disk, rig.fs);
  rig.boot = { seed: rig.random.int(1, 1_000_000) };
  return 0;
}

/** Keeps an image to go on from. */
function remember(rig, image) {
  const kept = join(rig.folder, 'last.img');
  copyDisk(image, kept);
  return (calls) => {
    rig.last = { image: kept, seed: rig.boot.seed, calls };
  };
}

/** The machine stands still while its disk is copied: what it had not written yet is lost. Many cuts in one boot. */
async function freeze(rig, cuts) {
  const [disk, image] = [join(rig.folder, 'disk.img'), join(rig.folder, 'cut.img')];
  while (rig.counts.cuts < cuts) {
    const from = firstDisk(rig, disk, rig.random.chance(0.5));
    const machine = start(rig, disk, from);
    try {
      await machine.reached('begun');
      const atMost = rig.random.int(10, 60);
      for (let i = 0; i < atMost && rig.counts.cuts < cuts; i++) {
        // The first ones often fall into the recovery of the writer.
        await delay(rig.random.next() * (i < 2 ? 20 : 120));
        await machine.freeze();
        const progress = machine.progress();
        copyDisk(disk, image);
        machine.thaw();
        const settle = remember(rig, image);
        const calls = rig.check(image, { least: from, ...progress });
        if (calls !== undefined) settle(calls);
      }
    } finally {
      await machine.kill();
    }
  }
}

/** kill -9 of the machine, and the next one boots from the same disk. */
async function kill(rig, cuts) {
  const [disk, image] = [join(rig.folder, 'disk.img'), join(rig.folder, 'cut.img')];
  while (rig.counts.cuts < cuts) {
    const from = firstDisk(rig, disk, rig.random.chance(0.95));
    const machine = start(rig, disk, from);
    try {
      const early = rig.random.chance(0.25);
      await machine.reached(early ? 'begun' : 'ready');
      await delay(rig.random.next() * (early ? 30 : 500));
      machine.mustRun();
    } finally {
      await machine.kill();
    }
    copyDisk(disk, image);
    const settle = remember(rig, image);
    const calls = rig.check(image, { least: from, ...machine.progress() });
    if (calls === undefined) rig.last = undefined;
    else settle(calls);
  }
}

/** Every write of the file system is logged, with the flushes; what a cut between two of them could leave is made of that. */
async function logWrites(rig, cuts) {
  const [disk, log, empty] = ['disk.img', 'log.img', 'empty.img'].map((name) => join(rig.folder, name));
  const image = join(rig.folder, 'cut.img');
  while (rig.counts.cuts < cuts) {
    firstDisk(rig, disk, false);
    copyDisk(disk, empty);
    must('truncate', '-s', '0', log);
    must('truncate', '-s', '2G', log);
    const script = [
      deviceMapper(['dm-mod', 'dm-log-writes'], 'logged', '0 $SIZE log-writes /dev/ubda /dev/ubdb'),
      `mount -t ${rig.fs} /run/logged ${rig.mount} || echo FAILED: no disk`,
      EAGER,
      `${writer(rig, rig.folder, 0, `--ack-in ${rig.mount}/acknowledged`)} & WRITER=$!`,
      'sleep 5; kill -9 $WRITER; wait $WRITER',
      `umount ${rig.mount}; dmsetup remove logged --noudevsync; sync; echo the log is whole`,
    ];
    rig.counts.boots++;
    const machine = new Machine({ folder: rig.folder, disks: [disk, log], script: script.join('\n') });
    try {
      await machine.exit;
    } finally {
      await machine.kill();
    }
    const progress = machine.progress();
    if (!machine.output().includes('the log is whole') || progress.ready === 0) throw new Error(machine.output());
    const writes = new WriteLog(log);
    try {
      const acknowledged = writes.acknowledged();
      const first = acknowledged.findIndex((count) => count !== 0);
      const wanted = Math.min(400, cuts - rig.counts.cuts);
      // Most of them while the writer runs; the beginning is the same each time.
      const low = () => (rig.random.chance(0.1) ? 0 : Math.max(0, first));
      const indexes = Array.from({ length: wanted }, () => rig.random.int(low(), writes.entries.length - 1));
      indexes.sort((a, b) => a - b);
      await writes.replay(empty, indexes, image, rig.random, (index) => {
        const durable = acknowledged[index];
        rig.check(image, { least: 0, begun: progress.begun, durable, ready: durable === 0 ? 0 : 1 });
      });
      rig.counts.writes = (rig.counts.writes ?? 0) + writes.entries.length;
    } finally {
      writes.close();
    }
  }
}

/**
 * The blocks of the file fail under a sync, and are well again afterwards: fifty rounds of it in one boot. The file system's
 * own blocks do not fail: with failing metadata ext4 (6.1) has been seen to lose blocks that were synced with success later.
 * The engine notices that, but nobody can be exact on top of it.
 */
async function flakey(rig, cuts) {
  const disk = join(rig.folder, 'disk.img');
  while (rig.counts.cuts < cuts) {
    firstDisk(rig, disk, false);
    const rounds = Math.min(50, cuts - rig.counts.cuts);
    const table = (what) =>
      `dmsetup suspend --noudevsync --nolockfs flakey && dmsetup load flakey ${what} && ` +
      'dmsetup resume --noudevsync flakey';
    const mount = `mount -t ${rig.fs} /run/flakey ${rig.mount}`;
    const script = [
      deviceMapper(['dm-mod'], 'flakey', '0 $SIZE linear /dev/ubda 0'),
      `${mount} || echo FAILED: no disk`,
      'export SIZE',
      `${rig.program} eio ${rig.mount}/store ${rig.boot.seed} ${rounds} $SIZE '${table('/run/table')}' ` +
        `'${table('--table "0 $SIZE linear /dev/ubda 0"')}' 'umount ${rig.mount} && ${mount}' ${rig.bugs}`,
    ];
    rig.counts.boots++;
    const machine = new Machine({ folder: rig.folder, disks: [disk], script: script.join('\n') });
    try {
      await machine.exit;
    } finally {
      await machine.kill();
    }
    const said = /^ok (\d+) rounds of EIO: .*$/m.exec(machine.output());
    if (said === null) rig.fail(disk, machine.output());
    console.log(said[0]);
    rig.counts.cuts += Number(said[1]);
  }
}

export const modes = { freeze, kill, 'log-writes': logWrites, flakey };

/** What a mode needs besides a machine, or undefined. */
export function whatModeNeeds(mode) {
  if (mode !== 'log-writes' && mode !== 'flakey') return undefined;
  if (!existsSync('/sbin/dmsetup') && !existsSync('/usr/sbin/dmsetup')) return 'dmsetup';
  if (!existsSync('/sbin/insmod') && !existsSync('/usr/sbin/insmod')) return 'insmod (kmod)';
  return undefined;
}
