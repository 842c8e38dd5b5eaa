/** The memory and the disk space that an engine takes. */
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Bytes that this process has in memory now: its own, and those of mapped files, which the operating system can take back.
 * Where that cannot be told apart, all counts as its own.
 */
export function residentMemory() {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) * 1024;
    return { own: field('RssAnon'), mapped: field('RssFile') + field('RssShmem') };
  } catch {
    return { own: process.memoryUsage.rss(), mapped: 0 };
  }
}

/** Bytes that the files of a folder take on the disk; holes take none. */
export function bytesOnDisk(folder) {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += bytesOnDisk(path);
    else bytes += sizeOnDisk(path);
  }
  return bytes;
}

/**
 * Bytes written so far to the disk that a folder is on, by whomever; NaN where that cannot be told. What a process believes
 * to have written would not show how much more a page cache of large pages writes.
 */
export function bytesWrittenToDisk(folder) {
  try {
    const { dev } = statSync(folder);
    const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)];
    const line = new RegExp(`^ *${major} +${minor} (.*)$`, 'm').exec(readFileSync('/proc/diskstats', 'utf8'));
    return Number(line[1].trim().split(/ +/)[7]) * 512;
  } catch {
    return Number.NaN;
  }
}

function sizeOnDisk(path) {
  try {
    return lstatSync(path).blocks * 512;
  } catch (error) {
    if (error.code === 'ENOENT') return 0; // an engine at work in the background has deleted it
    throw error;
  }
}

/**
 * Makes the operating system have this much memory at hand. A virtual machine may have given free memory back to its host;
 * the first touch of such a page costs 10 µs, which would be measured instead of the engine.
 */
export function warmMemory(bytes) {
  let memory = Buffer.allocUnsafeSlow(bytes);
  for (let i = 0; i < bytes; i += 4096) memory[i] = 1;
  memory = undefined;
  collectGarbage();
}

/** Collects garbage now, that of what came before included, and not in the middle of what is measured. */
function collectGarbage() {
  if (globalThis.gc === undefined) {
    setFlagsFromString('--expose-gc');
    globalThis.gc = runInNewContext('gc');
  }
  globalThis.gc();
}
