import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/**
 * A redis-server of its own, on a socket in `folder`; undefined where there is none. `sync`: when its log gets to the disk,
 * 'everysec' or 'no' (when the system likes).
 */
export async function startRedis(folder, sync) {
  if (spawnSync('redis-server', ['--version']).error !== undefined) return undefined;
  const socket = join(folder, 'redis.sock');
  const server = spawn(
    'redis-server',
    [
      ...['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''],
      ...['--appendonly', 'yes', '--appendfsync', sync],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  for await (const text of server.stdout) if (String(text).includes('eady to accept')) break;
  server.stdout.resume();
  return {
    socket,
    async stop() {
      const exit = once(server, 'exit');
      server.kill();
      await exit;
    },
  };
}
