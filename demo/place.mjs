// Where the file of the demo lives: on a file system with a disk under it, because tmpfs would make all this look too easy.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from './options.mjs';

const TMPFS = 0x01021994;
/** What a record takes at worst: just before the compaction. Measured with the cities, rounded up. */
const BYTES_PER_RECORD = 1200;

/** The path of the file, and what removes everything that is not to be kept. */
export function choosePlace(path, records) {
  if (path !== undefined) return { ...checked(resolve(path), records), keep: true };
  const parent = statfsSync(tmpdir()).type === TMPFS ? projectCache() : tmpdir();
  const folder = mkdtempSync(join(parent, 'mmcb-demo-'));
  const cleanUp = () => rmSync(folder, { recursive: true, force: true });
  try {
    return { ...checked(join(folder, 'cities.mmcb'), records), cleanUp, keep: false };
  } catch (error) {
    cleanUp();
    throw error;
  }
}

function checked(path, records) {
  if (existsSync(path)) throw new UsageError(`${path} exists already: the demo makes a new file`);
  const folder = dirname(path);
  if (!existsSync(folder)) throw new UsageError(`there is no folder ${folder}`);
  const { bavail, bsize } = statfsSync(folder);
  const needed = records * BYTES_PER_RECORD;
  if (bavail * bsize < needed) {
    const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;
    throw new UsageError(
      `${records} records need up to ${gigabytes(needed)}, and ${folder} has ${gigabytes(bavail * bsize)} left`,
    );
  }
  return { path, acknowledgements: `${path}.acks`, cleanUp: () => rmSync(`${path}.acks`, { force: true }) };
}

function projectCache() {
  const folder = fileURLToPath(new URL('../.cache/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  return folder;
}
