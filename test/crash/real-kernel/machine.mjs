// A user-mode Linux: a real kernel with a boot id, a page cache and file systems of its own, as a few processes of this one.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What is missing to run it and to look at its disks, or undefined. */
export function whatIsMissing(fs) {
  if (process.platform !== 'linux') return 'Linux';
  if (process.getuid() !== 0) return 'root (to mount the images)';
  for (const command of ['linux.uml', `mkfs.${fs}`, 'mount', 'umount']) {
    if (!found(command)) return command;
  }
  if (!existsSync('/dev/loop-control')) return 'loop devices';
  return undefined;
}

const found = (command) =>
  `${process.env.PATH}:/sbin:/usr/sbin`.split(':').some((folder) => existsSync(join(folder, command)));

/** Runs a command to its end; throws with what it printed. */
export function must(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error ?? stderr + stdout}`);
  return stdout;
}

/** An empty file system in a file. */
export function makeDisk(file, fs) {
  rmSync(file, { force: true });
  must('truncate', '-s', fs === 'xfs' ? '320M' : '48M', file);
  must(`mkfs.${fs}`, '-q', fs === 'xfs' ? '-f' : '-F', file);
}

export const copyDisk = (from, to) => must('cp', '--sparse=always', '--reflink=auto', from, to);

/** The words that the writer leaves outside (test/native/real_kernel). */
const WORDS = ['ready', 'begun', 'durable'];

export class Machine {
  /** The one that runs. */
  static current;

  #process;
  #ended = false;

  /** `folder`: for its files; `disks`: what it has as /dev/ubda, /dev/ubdb; `script`: what it runs, as root. */
  constructor({ folder, disks, script }) {
    this.folder = folder;
    this.acknowledgements = join(folder, 'acknowledgements');
    rmSync(this.acknowledgements, { force: true });
    const init = join(folder, 'init.sh');
    const lines = [
      '#!/bin/sh',
      'export PATH=/sbin:/usr/sbin:/bin:/usr/bin',
      'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /run',
      script,
      'echo o > /proc/sysrq-trigger; sleep 100',
    ];
    writeFileSync(init, `${lines.join('\n')}\n`, { mode: 0o755 });
    this.console = join(folder, 'console.txt');
    const output = openSync(this.console, 'w');
    const args = ['mem=192M', 'root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'rw', `init=${init}`, 'quiet'];
    args.push('con=null', 'con0=null,fd:1', ...disks.map((disk, i) => `ubd${'ab'[i]}=${disk}`));
    this.#process = spawn('linux.uml', args, { stdio: ['ignore', output, output], detached: true });
    closeSync(output);
    Machine.current = this;
    this.exit = new Promise((resolve) => {
      this.#process.once('close', (code) => {
        this.#ended = true;
        resolve(code);
      });
    });
  }

  /** How far the writer is. */
  progress() {
    const bytes = existsSync(this.acknowledgements) ? readFileSync(this.acknowledgements) : Buffer.alloc(0);
    return Object.fromEntries(
      WORDS.map((word, i) => [word, bytes.length >= i * 8 + 8 ? Number(bytes.readBigUInt64LE(i * 8)) : 0]),
    );
  }

  /** Until the writer has said a word; an error when the machine ends instead. */
  async reached(word) {
    const deadline = Date.now() + 120_000;
    while (this.progress()[word] === 0) {
      this.mustRun();
      if (Date.now() > deadline) throw new Error(`it did not start:\n${this.output()}`);
      await delay(5);
    }
  }

  mustRun() {
    if (this.#ended) throw new Error(`the machine has ended by itself:\n${this.output()}`);
  }

  output() {
    return readFileSync(this.console, 'utf8').slice(-2000);
  }

  /** Everything stands still; nothing reaches the disk until `thaw`. */
  async freeze() {
    this.mustRun();
    // Programs inside are traced by the kernel, which has to be the only one to stop them; they cannot write without it.
    const frozen = this.#processes().filter((pid) => !isTraced(pid));
    this.#signal(frozen, 'SIGSTOP');
    while (!frozen.every((pid) => /^[TtZX]?$/.test(stateOf(pid)))) await delay(1);
    this.thaw = () => this.#signal(frozen, 'SIGCONT');
  }

  async kill() {
    this.killNow();
    await this.exit;
  }

  /** The same, without waiting. */
  killNow() {
    if (!this.#ended) this.#signal(this.#processes(), 'SIGKILL');
  }

  #signal(processes, signal) {
    for (const pid of processes) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    }
  }

  /** Its own and those it has started, which are what runs inside and the threads that do its input and output. */
  #processes() {
    const children = new Map();
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const parent = fieldsOf(pid)[1];
      if (parent === undefined) continue;
      children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
    }
    const all = [this.#process.pid];
    for (let i = 0; i < all.length; i++) all.push(...(children.get(String(all[i])) ?? []));
    return all;
  }
}

/** State, parent and so on of a process; nothing if it has gone. */
function fieldsOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

function isTraced(pid) {
  try {
    return !/^TracerPid:\t0$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true; // it has gone
  }
}

const stateOf = (pid) => fieldsOf(pid)[0] ?? '';

/** Mounts an image here, which replays the file system's journal, for as long as `use` runs. */
export function mounted(image, fs, folder, use) {
  must('mount', '-o', fs === 'xfs' ? 'loop,nouuid' : 'loop', image, folder);
  try {
    return use();
  } finally {
    must('umount', folder);
  }
}
