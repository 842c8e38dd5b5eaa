/**
 * Set-up and teardown of the suite. Nothing stays mounted: each run keeps its disks in folders named by its process, so that
 * what a killed run leaves is cleaned up by the next one.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Disk, kinds } from './disk.js';
import { clean, place, runId } from './leftovers.js';

export function setup(): () => void {
  process.env['MMCB_HOSTILE_RUN'] = String(process.pid);
  mkdirSync(place, { recursive: true });
  for (const name of readdirSync(place)) {
    if (existsSync(`/proc/${name.split('-')[0]}`)) continue; // another run, at this moment
    console.warn(`hostile: cleaning up after a run that was killed: ${name}`);
    clean(join(place, name));
  }
  const missing: Record<string, string> = {};
  for (const kind of kinds) {
    const reason = Disk.missing(kind);
    if (reason !== undefined) missing[kind] = reason;
  }
  for (const [kind, reason] of Object.entries(missing)) console.warn(`SKIPPED: every test on ${kind}: ${reason}`);
  process.env['MMCB_HOSTILE_MISSING'] = JSON.stringify(missing);

  return () => {
    const left = readdirSync(place).filter((name) => name.split('-')[0] === runId() && clean(join(place, name)));
    // They are gone now, but a test file that leaves them is wrong.
    if (left.length > 0) throw new Error(`still mounted after the tests: ${left.join(', ')}`);
  };
}
