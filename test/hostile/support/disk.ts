/** Small file systems of the kinds that behave differently when they are full: mounted for a test file, filled, freed. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isInstalled, notRoot, run, runAsRoot } from './commands.js';
import { clean, devicesOf, place, runId } from './leftovers.js';

export const kinds = ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const;
export type Kind = (typeof kinds)[number];

const MiB = 1 << 20;
/** Bytes of the image: the least that each kind takes, or enough for the tests. */
const imageSize = { ext4: 96 * MiB, xfs: 320 * MiB, btrfs: 160 * MiB };
/** What tests have of it. The rest is taken up for good, so that filling does not take long. */
const room = 48 * MiB;

let count = 0;

/** One file system of its own. */
export class Disk {
  readonly folder: string;
  /** Where it is mounted; belongs to this user. */
  readonly path: string;
  readonly #foreign: string;

  constructor(
    readonly kind: Kind,
    readonly mountOptions = '',
  ) {
    this.folder = join(place, `${runId()}-${process.pid}-${kind}-${++count}`);
    this.path = join(this.folder, 'mount');
    this.#foreign = join(this.path, 'foreign');
  }

  /** Why a kind cannot be had here, or undefined: found out by trying. */
  static missing(kind: Kind): string | undefined {
    const reason = notRoot();
    if (reason !== undefined) return reason;
    if (kind !== 'tmpfs' && !isInstalled(`mkfs.${kind}`)) return `mkfs.${kind} is not installed`;
    const disk = new Disk(kind);
    try {
      disk.mount();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    } finally {
      clean(disk.folder);
    }
  }

  /** Makes the file system and mounts it. Throws where the system does not allow it. */
  mount(): void {
    const { kind, folder, path } = this;
    mkdirSync(path, { recursive: true });
    if (kind === 'tmpfs') runAsRoot('mount', '-t', 'tmpfs', '-o', `size=${room}`, 'tmpfs', path);
    else {
      const image = join(folder, 'image');
      writeFileSync(image, '');
      truncateSync(image, imageSize[kind]);
      // ext4 keeps a twentieth for root otherwise, and a test may run as root.
      const options = { ext4: ['-q', '-F', '-m', '0'], xfs: ['-q', '-f'], btrfs: ['-q', '-f'] }[kind];
      run(`mkfs.${kind}`, ...options, image);
      const mountOptions = ['loop', this.mountOptions].filter(Boolean).join(',');
      runAsRoot('mount', '-t', kind, '-o', mountOptions, image, path);
    }
    runAsRoot('chown', String(process.getuid?.() ?? 0), path);
    const ballast = this.available - room;
    if (ballast > 0) run('fallocate', '-l', String(ballast), join(path, 'ballast'));
  }

  /** A path in it at which there is nothing yet. */
  file(name = 'store.mmcb'): string {
    return join(this.path, name);
  }

  /** Bytes that can still be written, as it says itself. */
  get available(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** The names in it, without the foreign files of this class. */
  names(): string[] {
    return readdirSync(this.path).filter((name) => !['foreign', 'ballast', 'lost+found'].includes(name));
  }

  /** Fills it with a foreign file, but for `leave` bytes. With none left no block can be had any more. */
  fill({ leave = 0 } = {}): void {
    const file = openSync(this.#foreign, 'a');
    try {
      const write = (size: number): boolean => {
        try {
          return writeSync(file, Buffer.alloc(size, 7)) > 0;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
          throw error;
        }
      };
      // In steps that get smaller, because btrfs thinks for long over each write near the end. What was only promised
      // (delayed allocation) becomes exact with a sync: again, until not one block is left.
      for (let round = 0; round < 4; round++) {
        let wrote = false;
        for (let size = MiB; size >= 4096; size /= 4) {
          while ((leave === 0 || this.available > leave + size) && write(size)) wrote = true;
        }
        fsyncSync(file);
        if (!wrote) return;
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives the space of the foreign file back. */
  async free(): Promise<void> {
    rmSync(this.#foreign, { force: true });
    runAsRoot('sync', '--file-system', this.path); // XFS and btrfs free in the background
    const deadline = Date.now() + 10_000;
    while (this.available < MiB) {
      if (Date.now() > deadline)
        throw new Error(`${this.kind}: no space ten seconds after the foreign file was removed`);
      await delay(5);
    }
  }

  /** Removes everything that tests have put there. */
  async empty(): Promise<void> {
    for (const name of this.names()) rmSync(join(this.path, name), { recursive: true, force: true });
    await this.free();
  }

  remount(options: string): void {
    runAsRoot('mount', '-o', `remount,${options}`, this.path);
  }

  /** Unmounts it; an error if something still uses it, or if its loop device stays. */
  async unmount(): Promise<void> {
    const image = join(this.folder, 'image');
    runAsRoot('umount', this.path);
    if (this.kind !== 'tmpfs') {
      const deadline = Date.now() + 5000;
      while (devicesOf(image).length > 0) {
        if (Date.now() > deadline) throw new Error(`the loop device of ${image} was not detached`);
        await delay(5);
      }
    }
    clean(this.folder);
  }
}
