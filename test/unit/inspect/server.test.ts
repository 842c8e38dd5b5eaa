/** Who may ask the server of `mmcb inspect`, and for what. */
import { mkdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CompactableBuffer } from '../../../src/index.js';
import { FormatReader } from '../../../src/inspect/format-reader.js';
import { LiveFile } from '../../../src/inspect/live-file.js';
import type { FilePicture, SegmentDetail } from '../../../src/inspect/model.js';
import { type InspectServer, serve } from '../../../src/inspect/server.js';
import { svgMap } from '../../../src/inspect/svg.js';
import { goldenFile } from '../../cli/files.js';
import { tempFile, tempFolder } from '../../support/temp.js';

interface Answer {
  status: number;
  type: string;
  headers: Record<string, unknown>;
  body: Buffer;
}

function ask(url: string | URL, options: { method?: string; host?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = options.host === undefined ? {} : { host: options.host };
    const call = request(url, { method: options.method ?? 'GET', headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    call.on('error', reject);
    call.end();
  });
}

describe('the server of mmcb inspect', () => {
  let live: LiveFile;
  let server: InspectServer;
  const at = (path: string): URL => new URL(path, server.url);
  const json = async <T>(path: string): Promise<T> => JSON.parse((await ask(at(path))).body.toString()) as T;

  beforeAll(async () => {
    live = new LiveFile(goldenFile('clean'));
    server = await serve(live);
  });
  afterAll(async () => {
    await server.close();
    await live.close();
  });

  it('listens on 127.0.0.1, under a token that is another one each time', async () => {
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/);
    const another = await serve(live);
    expect(new URL(another.url).pathname).not.toBe(new URL(server.url).pathname);
    await another.close();
    await expect(ask(another.url)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('serves the page, which may load nothing from elsewhere', async () => {
    const { status, type, headers, body } = await ask(server.url);
    expect({ status, type }).toEqual({ status: 200, type: 'text/html; charset=utf-8' });
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'/);
    expect(headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
    expect(body.toString()).not.toMatch(/https?:\/\/|style="/);
    expect((await ask(at('page.css'))).type).toMatch(/css/);
  });

  it('refuses a wrong token, a wrong host, other methods, and paths that lead elsewhere', async () => {
    const root = new URL('/', server.url);
    const token = new URL(server.url).pathname;
    for (const path of ['/', '/file.json', `/${'x'.repeat(24)}/file.json`, `${token}x/file.json`]) {
      expect((await ask(new URL(path, root))).status).toBe(403);
    }
    for (const host of ['evil.example', 'evil.example:80', `127.0.0.1.evil.example:${root.port}`]) {
      expect((await ask(server.url, { host })).status).toBe(403);
    }
    expect((await ask(server.url, { host: `localhost:${root.port}` })).status).toBe(200);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect((await ask(server.url, { method })).status).toBe(405);
    for (const path of ['server.js', 'index.html', 'toString', '%2e%2e%2fserver.js', 'a/../../b']) {
      expect([403, 404]).toContain((await ask(at(path))).status);
    }
    expect(await ask(at('page.css'), { method: 'HEAD' })).toMatchObject({ status: 200, body: Buffer.alloc(0) });
  });

  it('tells what the file looks like, its segments, and its bytes', async () => {
    const file = await json<FilePicture>('file.json');
    expect(file).toMatchObject({ problem: '', head: { closedInOrder: true } });
    const index = file.segments.find(({ liveEntries }) => liveEntries > 0)?.index;
    const detail = await json<SegmentDetail>(`segment.json?index=${index}&limit=5`);
    expect(detail.entries).toHaveLength(5);
    const [entry] = detail.entries;
    const { body } = await ask(at(`bytes?offset=${entry?.offset}&length=${entry?.size}`));
    const bytes = readFileSync(live.path);
    expect(body.equals(bytes.subarray(entry?.offset, (entry?.offset ?? 0) + (entry?.size ?? 0)))).toBe(true);
    expect((await ask(at('bytes?offset=0&length=1e9'))).body).toHaveLength(65_536);
    expect((await ask(at('bytes?offset=-1&length=x'))).status).toBe(200);
    expect((await ask(at('segment.json?index=99999'))).status).toBe(404);
  });

  it('says what is wrong with a file that cannot be read, and shows it when it can', async () => {
    const path = `${tempFolder()}/later.mmcb`;
    mkdirSync(path);
    const other = new LiveFile(path);
    const serving = await serve(other);
    const { body } = await ask(new URL('file.json', serving.url));
    expect(JSON.parse(body.toString())).toMatchObject({ head: null, problem: expect.stringContaining('EISDIR') });
    await serving.close();
    await other.close();
  });
});

describe('svgMap', () => {
  it('draws every segment, with a title for each, and nothing that a name could break out of', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file, { segmentSize: 16_384 });
    for (let i = 0; i < 50; i++) buffer.add(Buffer.alloc(5000));
    buffer.add(Buffer.alloc(100_000)); // a run
    await buffer.close();
    const reader = await FormatReader.open(file);
    const scan = await reader.scan();
    await reader.close();
    const svg = svgMap('<a> & "b".mmcb', scan);
    expect(svg.match(/<g><title>/g)).toHaveLength(scan.head.segmentCount);
    expect(svg).toContain('&#60;a&#62; &#38; &#34;b&#34;.mmcb');
    expect(svg).not.toMatch(/<a>|NaN|undefined/);
    expect(svg).toContain('prefers-color-scheme:dark');
  });
});
