/** What figures depend on besides the code: machine, system, file system, commit. */
import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { root } from '../scripts/lib/run.mjs';

const FILE_SYSTEMS = { 61267: 'ext4', 1481003842: 'xfs', 2435016766: 'btrfs', 16914836: 'tmpfs', 801189825: 'zfs' };

export function aboutMachine(folder) {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    system: `${type()} ${release()}`,
    fileSystem: fileSystemOf(folder),
    node: process.version,
  };
}

/** The kind of file system that a folder is on. Sync costs nothing on tmpfs: figures from there would mislead. */
export function fileSystemOf(folder) {
  const { type: number } = statfsSync(folder);
  return FILE_SYSTEMS[number] ?? `file system ${number.toString(16)}`;
}

export const currentLoad = () => Number(loadavg()[0].toFixed(2));

export function currentCommit() {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+changes');
  } catch {
    return 'unknown';
  }
}
