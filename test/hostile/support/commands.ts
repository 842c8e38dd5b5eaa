/** Commands of the system, run as root where they have to be. */
import { execFileSync, spawnSync } from 'node:child_process';

const isRoot = process.getuid?.() === 0;
/** mkfs and mount live where the path of an ordinary user does not lead. */
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/local/sbin:/usr/sbin:/sbin`, LC_ALL: 'C' };

/** Runs a command; throws with what it printed. */
export function run(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(`${[command, ...args].join(' ')}: ${stderr.trim() || message}`);
  }
}

/** The same as root: directly, or by a sudo that asks for no password (as on the machines of public CI). */
export function runAsRoot(command: string, ...args: string[]): string {
  return isRoot ? run(command, ...args) : run('sudo', '-n', command, ...args);
}

export function isInstalled(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`], { env }).status === 0;
}

/** Why commands cannot be run as root here, or undefined when they can. */
export function notRoot(): string | undefined {
  if (isRoot) return undefined;
  try {
    run('sudo', '-n', 'true');
    return undefined;
  } catch {
    return 'this user is not root, and there is no sudo without a password';
  }
}
