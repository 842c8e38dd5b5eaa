/**
 * The server of `mmcb inspect`: one file, to be looked at, on 127.0.0.1.
 *
 * Every path begins with a random token, so that no other page in the same browser, and nobody else on the machine who does not
 * know it, reads the file; the Host header has to name this address, so that a name of somebody else's that is made to point
 * here (DNS rebinding) is refused. Only GET and HEAD are answered, and the page may load nothing from elsewhere.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LiveFile } from './live-file.js';

export interface InspectServer {
  /** With the token: whoever has it can look at the file. */
  readonly url: string;
  close(): Promise<void>;
}

/** Milliseconds of reading for each question of the page; it asks once a second. */
const BUDGET = 150;
/** Most bytes and entries of one answer. */
const MAX_BYTES = 65_536;
const MAX_ENTRIES = 5000;

const assets: Readonly<Record<string, string>> = {
  '': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'main.js': 'text/javascript; charset=utf-8',
  'dom.js': 'text/javascript; charset=utf-8',
  'figures.js': 'text/javascript; charset=utf-8',
  'charts.js': 'text/javascript; charset=utf-8',
  'segment-map.js': 'text/javascript; charset=utf-8',
  'segment-view.js': 'text/javascript; charset=utf-8',
  'hex-view.js': 'text/javascript; charset=utf-8',
};

const headers: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
};

interface Answer {
  status: number;
  type: string;
  body: string | Buffer;
}

export async function serve(file: LiveFile, port = 0): Promise<InspectServer> {
  const token = randomBytes(18).toString('base64url');
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: listening } = server.address() as AddressInfo;
  const hosts = new Set([`127.0.0.1:${listening}`, `localhost:${listening}`]);
  server.on('request', (request, response) => {
    answer(request, file, token, hosts)
      .catch((error: unknown) => plain(500, error instanceof Error ? error.message : String(error)))
      .then((made) => send(request, response, made));
  });
  return { url: `http://127.0.0.1:${listening}/${token}/`, close: () => stop(server) };
}

async function answer(
  { method, url: target = '', headers: { host = '' } }: IncomingMessage,
  file: LiveFile,
  token: string,
  hosts: ReadonlySet<string>,
): Promise<Answer> {
  if (!hosts.has(host)) return plain(403, 'not for this host');
  const url = new URL(target, 'http://127.0.0.1');
  const [, given = '', name = '', ...rest] = url.pathname.split('/');
  if (!isSame(given, token) || rest.length > 0) return plain(403, 'the address needs its token');
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'for reading only');
  const number = (key: string): number => {
    const value = Number(url.searchParams.get(key) ?? 0);
    return Number.isSafeInteger(value) && value >= 0 ? value : 0;
  };
  switch (name) {
    case 'file.json':
      await file.look(BUDGET);
      return json(file.picture(number('since')));
    case 'segment.json': {
      const detail = await file.entries(number('index'), number('from'), Math.min(MAX_ENTRIES, number('limit') || 500));
      return detail === undefined ? plain(404, 'no such segment') : json(detail);
    }
    case 'bytes': {
      const length = Math.min(MAX_BYTES, number('length'));
      return { status: 200, type: 'application/octet-stream', body: await file.bytes(number('offset'), length) };
    }
    default: {
      const type = Object.hasOwn(assets, name) ? assets[name] : undefined;
      if (type === undefined) return plain(404, 'there is nothing here');
      const path = new URL(`page/${name === '' ? 'index.html' : name}`, import.meta.url);
      return { status: 200, type, body: await readFile(path) };
    }
  }
}

function isSame(given: string, token: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(token);
  return a.length === b.length && timingSafeEqual(a, b);
}

const plain = (status: number, text: string): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${text}\n`,
});
const json = (value: object): Answer => ({ status: 200, type: 'application/json', body: JSON.stringify(value) });

function send({ method }: IncomingMessage, response: ServerResponse, { status, type, body }: Answer): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Content-Length': length });
  response.end(method === 'HEAD' ? undefined : body);
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeAllConnections();
  });
}
