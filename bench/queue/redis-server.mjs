import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A redis-server of its own, on a socket in `folder`; undefined where there is none. Its log is synced every second. */
export async function startRedis(folder) {
  if (spawnSync('redis-server', ['--version']).error !== undefined) return undefined;
  const socket = join(folder, 'redis.sock');
  const server = spawn(
    'redis-server',
    ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', '--appendonly', 'yes'],
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
