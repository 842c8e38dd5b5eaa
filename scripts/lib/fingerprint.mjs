// A hash over the content of files: decides whether a build is up to date, whatever git did to their times.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './run.mjs';

/** Every file at or under `path` (relative to the root), sorted; nothing when it does not exist. */
export function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full)
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

export function fingerprint(paths, extra = '') {
  const hash = createHash('sha256').update(`${extra}\0`);
  for (const file of paths.flatMap(filesUnder)) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** True when `output` exists and was stamped with this fingerprint. */
export function isFresh(output, stampFile, print) {
  const stamp = join(root, stampFile);
  return existsSync(join(root, output)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === print;
}

export function stampOutput(stampFile, print) {
  mkdirSync(dirname(join(root, stampFile)), { recursive: true });
  writeFileSync(join(root, stampFile), print);
}
