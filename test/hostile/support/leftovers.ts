/** Where disks live, and how they are taken away whatever became of the tests that mounted them. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runAsRoot } from './commands.js';

/** In build/, because that is on a real file system where /tmp may not be. */
export const place = fileURLToPath(new URL('../../../build/hostile/', import.meta.url));

/** The process of the run that this process belongs to. */
export const runId = (): string => process.env['MMCB_HOSTILE_RUN'] ?? String(process.pid);

/** Unmounts what a folder of `place` has mounted, detaches its loop device, and removes it. True if anything was there. */
export function clean(folder: string): boolean {
  let found = false;
  const mountPoint = join(folder, 'mount');
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    if (line.split(' ')[1] !== mountPoint) continue;
    found = true;
    try {
      runAsRoot('umount', mountPoint);
    } catch {
      runAsRoot('umount', '--lazy', mountPoint); // something still runs in there: it goes when that does
    }
  }
  const image = join(folder, 'image');
  if (existsSync(image)) {
    for (const device of devicesOf(image)) {
      found = true;
      runAsRoot('losetup', '--detach', device);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  return found;
}

/** The loop devices on an image. Unmounting detaches them, but not at once. */
export function devicesOf(image: string): string[] {
  return runAsRoot('losetup', '--noheadings', '--output', 'NAME', '--associated', image).split('\n').filter(Boolean);
}
