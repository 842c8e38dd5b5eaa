/** Tkrzw's HashDBM, by its own program, tkrzw_dbm_perf. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { installDebianPackages } from '../../scripts/lib/debian.mjs';
import { must, works } from '../../scripts/lib/run.mjs';

const program = 'tkrzw_dbm_perf';

/** Its two ways to map a file; which is faster depends on the call, and each call is given its better one. */
export const FILES = ['mmap-para', 'mmap-atom'];

/** Its version, or undefined where it is not there and cannot be installed. */
export async function findTkrzw() {
  const version = () => must('tkrzw_build_util', 'tkrzw_build_util', ['version']).then(parseVersion, () => 'unknown');
  if (await isThere()) return version();
  return (await installDebianPackages('tkrzw-utils')) && (await isThere()) ? version() : undefined;
}

const isThere = async () => (await works('sh', ['-c', `command -v ${program}`])) === true;

const parseVersion = (text) => /\d+(\.\d+)+/.exec(text)?.[0] ?? 'unknown';

/** ns per { set, get, remove } of one round. */
export async function runTkrzw({ folder, entries, size, file }) {
  const path = join(folder, 'hash.tkh');
  try {
    const count = ['--iter', String(entries), '--size', String(size), '--threads', '1', '--buckets', String(entries)];
    const args = ['sequence', '--dbm', 'hash', '--random_key', ...count, '--path', path, '--file', file];
    return parsePasses(await must(program, program, args), entries);
  } finally {
    rmSync(path, { force: true });
  }
}

/** The lines `Setting done: elapsed_time=0.694106 num_records=...` and so on. */
export function parsePasses(output, entries) {
  const found = {};
  for (const [call, title] of [
    ['set', 'Setting'],
    ['get', 'Getting'],
    ['remove', 'Removing'],
  ]) {
    const seconds = Number(new RegExp(`^${title} done: elapsed_time=([\\d.]+)`, 'm').exec(output)?.[1]);
    if (!(seconds > 0)) throw new Error(`${program} says nothing of ${title.toLowerCase()}:\n${output}`);
    found[call] = (seconds * 1e9) / entries;
  }
  return found;
}
