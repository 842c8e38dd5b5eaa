/** A collector of telemetry as exporters see it: OTLP as JSON over HTTP, on a free port. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is looked at of an export request. */
interface ExportRequest {
  resourceSpans?: { scopeSpans: { spans: { name: string }[] }[] }[];
  resourceLogs?: { scopeLogs: { logRecords: { body: { stringValue: string } }[] }[] }[];
}

export class Collector {
  /** Names of spans and bodies of log records, each time that they came. */
  readonly spans: string[] = [];
  readonly logs: string[] = [];
  /** The requests themselves. */
  readonly requests: ExportRequest[] = [];
  /** What it answers; what it does not take it forgets. */
  status = 200;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (this.status === 200) this.#take(JSON.parse(Buffer.concat(chunks).toString()) as ExportRequest);
      response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}');
    });
  }

  static async start(): Promise<Collector> {
    const collector = new Collector();
    collector.#server.listen(0, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #take(request: ExportRequest): void {
    this.requests.push(request);
    for (const { scopeSpans } of request.resourceSpans ?? []) {
      for (const { spans } of scopeSpans) this.spans.push(...spans.map(({ name }) => name));
    }
    for (const { scopeLogs } of request.resourceLogs ?? []) {
      for (const { logRecords } of scopeLogs) this.logs.push(...logRecords.map(({ body }) => body.stringValue));
    }
  }
}
