/** A redis-server of the tests' own, on a free port, that can be killed, stopped and started again. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { afterAll } from 'vitest';
import { tempFolder } from './temp.js';

/** Whether there is one; `npm test` installs it where it can, and says so where it cannot. */
export const hasRedis = ((): boolean => {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const servers = new Set<RedisServer>();

export class RedisServer {
  readonly port: number;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  /** Starts one. `persistent`: what it has acknowledged survives `kill`. `args`: more of its options. */
  static async start({ persistent = false, args = [] as string[] } = {}): Promise<RedisServer> {
    const folder = tempFolder();
    const persistence = persistent ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
    const port = await freePort();
    const all = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...persistence, ...args];
    const server = new RedisServer(port, all);
    servers.add(server);
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again, on the same port, with the same folder. */
  async restart(): Promise<void> {
    const child = spawn('redis-server', this.#args, { stdio: 'ignore' });
    this.#process = child;
    for (const end = Date.now() + 10_000; !(await answers(this.port)); await sleep(10)) {
      if (child.exitCode !== null || Date.now() > end) throw new Error(`redis-server did not start: ${this.#args}`);
    }
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** It keeps its connections and answers nothing, until `resume`. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }
}

const plainClient = (url: string) => createClient({ url });
type Client = ReturnType<typeof plainClient>;
const admins: Client[] = [];

/** A plain client, closed after the tests. */
export async function adminOf(server: RedisServer): Promise<Client> {
  const client = plainClient(server.url);
  client.on('error', () => {});
  await client.connect();
  admins.push(client);
  return client;
}

afterAll(async () => {
  for (const client of admins.splice(0)) client.destroy();
  await Promise.all([...servers].map((server) => server.kill()));
  servers.clear();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('data', (data) => end(data.toString().startsWith('+PONG')));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
  });
}
