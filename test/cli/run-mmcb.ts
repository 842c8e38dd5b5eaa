/** Runs the command line as a user does: the compiled program, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const program = fileURLToPath(new URL('../../dist/esm/cli/main.js', import.meta.url));

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs to its end. */
export function mmcb(...args: string[]): Promise<Ran> {
  return mmcbWith('', ...args);
}

/** The same with something on stdin. */
export async function mmcbWith(input: string | Buffer, ...args: string[]): Promise<Ran> {
  const child = start(...args);
  child.stdin?.end(input);
  return ended(child);
}

export async function ended(child: ChildProcess): Promise<Ran> {
  const out: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(errors).toString() };
}

/** The one JSON document of `--json`. */
export function parsed<T = Record<string, unknown>>(text: string): T {
  return JSON.parse(text) as T;
}
