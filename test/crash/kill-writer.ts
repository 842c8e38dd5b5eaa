/** Kills a program that writes, soon after it has said that something was accepted. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const LONGEST = 20_000; // ms until the first line of the log

/** Runs `program` until `logFile` has grown, and `wait` milliseconds more. Throws, with what it said, if it ended by itself. */
export async function killWriter(
  program: string,
  args: readonly string[],
  logFile: string,
  wait: number,
): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (text) => {
    output += text;
  });
  const exit = once(child, 'close');
  const sizeOf = (): number => (existsSync(logFile) ? statSync(logFile).size : 0);
  const size = sizeOf();
  const deadline = Date.now() + LONGEST;
  while (child.exitCode === null && Date.now() < deadline && sizeOf() === size) await delay(2);
  await delay(wait);
  child.kill('SIGKILL');
  await exit;
  if (child.signalCode !== 'SIGKILL') throw new Error(`the child ended by itself:\n${output}`);
}
