/**
 * Periodic sync for engines that have none of their own: once a second every file of a folder is synced. A process of its
 * own: timers of the measured one do not run while it works, and closing a file there would give up the engine's locks on it.
 */
import { fork } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const INTERVAL = 1000;

/** Starts syncing; returns a function that stops it and tells how often the folder was synced. */
export async function syncPeriodically(folder) {
  const child = fork(fileURLToPath(import.meta.url), [folder], { execArgv: [] });
  const message = () => new Promise((resolve) => child.once('message', resolve));
  await message(); // it is up
  return async () => {
    const answer = message();
    child.send('stop');
    const { syncs } = await answer;
    return syncs;
  };
}

function syncFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncFiles(path);
    else syncFile(path);
  }
}

function syncFile(path) {
  let file;
  try {
    file = openSync(path, 'r+');
    fdatasyncSync(file);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error; // deleted meanwhile
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  let syncs = 0;
  const timer = setInterval(() => {
    syncFiles(process.argv[2]);
    syncs++;
  }, INTERVAL);
  process.once('message', () => {
    clearInterval(timer);
    process.send({ syncs }, () => process.disconnect());
  });
  process.once('disconnect', () => clearInterval(timer));
  process.send('up');
}
