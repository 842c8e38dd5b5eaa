/** mmcb/otel: through the SDK, with its exporters; see test/crash/telemetry.test.ts for processes that are killed. */
import { channel } from 'node:diagnostics_channel';
import { createTraceState, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider, type ReadableLogRecord } from '@opentelemetry/sdk-logs';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MmcbLogRecordProcessor, MmcbSpanProcessor, type TelemetryDrop } from '../../src/otel/index.js';
import { logRecordCodec } from '../../src/otel/stored-log-record.js';
import { spanCodec } from '../../src/otel/stored-span.js';
import { errorOf, expectCode } from '../support/expect.js';
import { tempFile } from '../support/temp.js';
import { Collector } from './support/collector.js';

type Options = Parameters<typeof MmcbSpanProcessor.start>[0];

const buffer = { initialSize: 65_536, segmentSize: 65_536 };
const retry = { retries: Number.POSITIVE_INFINITY, backoff: 5, maxBackoff: 10 };
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function startSpans(options: Partial<Options> & { exporter: SpanExporter }) {
  const processor = await MmcbSpanProcessor.start({ path: tempFile(), buffer, retry, exportTimeout: 2000, ...options });
  stops.push(() => processor.shutdown());
  const resource = resourceFromAttributes({ 'service.name': 'test' });
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  const tracer = provider.getTracer('mmcb', '1.0');
  const span = (name: string): void => tracer.startSpan(name).end();
  return { processor, provider, tracer, span };
}

async function collector(): Promise<Collector> {
  const started = await Collector.start();
  stops.push(() => started.stop());
  return started;
}

/** An exporter that answers as it is told. */
class Told implements SpanExporter {
  readonly batches: string[][] = [];
  fails = false;
  isShutDown = false;

  export(spans: ReadableSpan[], done: (result: { code: number; error?: Error }) => void): void {
    this.batches.push(spans.map(({ name }) => name));
    done(this.fails ? { code: 1, error: new Error('not now') } : { code: 0 });
  }

  async shutdown(): Promise<void> {
    this.isShutDown = true;
  }
}

describe('MmcbSpanProcessor', () => {
  it('exports what has ended in batches, in order', async () => {
    const exporter = new Told();
    const { processor, span } = await startSpans({ exporter, batchSize: 10 });
    for (let i = 0; i < 25; i++) span(`span ${i}`);
    expect(processor.stats()).toMatchObject({ waiting: 25, exported: 0 });
    await processor.forceFlush();
    expect(exporter.batches.map(({ length }) => length)).toEqual([10, 10, 5]);
    expect(exporter.batches.flat()).toEqual(Array.from({ length: 25 }, (_, i) => `span ${i}`));
    expect(processor.stats()).toEqual({ waiting: 0, exporting: 0, exported: 25, failed: 0, dropped: 0 });
    await processor.shutdown();
    expect(exporter.isShutDown).toBe(true);
  });

  it('exports a full batch at once, and others after the interval', async () => {
    const exporter = new Told();
    const { span } = await startSpans({ exporter, batchSize: 3, interval: 20 });
    for (const name of ['a', 'b', 'c']) span(name);
    await vi.waitFor(() => expect(exporter.batches).toEqual([['a', 'b', 'c']]));
    span('d');
    await vi.waitFor(() => expect(exporter.batches).toEqual([['a', 'b', 'c'], ['d']]));
  });

  it('leaves out what is not sampled', async () => {
    const exporter = new Told();
    const processor = await MmcbSpanProcessor.start({ path: ':memory:', exporter });
    const provider = new BasicTracerProvider({ sampler: new AlwaysOffSampler(), spanProcessors: [processor] });
    provider.getTracer('x').startSpan('a').end();
    await processor.shutdown();
    expect(exporter.batches).toEqual([]);
  });

  it('exports again what failed, before what came later', async () => {
    const exporter = new Told();
    exporter.fails = true;
    const { processor, span } = await startSpans({ exporter, batchSize: 2 });
    for (const name of ['a', 'b', 'c']) span(name);
    await vi.waitFor(() => expect(exporter.batches.length).toBeGreaterThan(2));
    exporter.fails = false;
    await processor.forceFlush();
    expect(exporter.batches.slice(-2)).toEqual([['a', 'b'], ['c']]);
    expect(processor.stats()).toMatchObject({ exported: 3, dropped: 0 });
    expect(processor.stats().failed).toBeGreaterThan(2);
  });

  it('keeps over a restart what could not be exported, and says so where it is asked to', async () => {
    const path = tempFile();
    const exporter = new Told();
    exporter.fails = true;
    const first = await startSpans({ path, exporter, exportTimeout: 100 });
    for (const name of ['a', 'b']) first.span(name);
    expect(await errorOf(() => first.processor.forceFlush())).toMatchObject({ name: 'TimeoutError' });
    await first.processor.shutdown();
    expect(exporter.isShutDown).toBe(true);
    first.span('too late');
    expect(first.processor.stats().dropped).toBe(1);
    const memory = new InMemorySpanExporter();
    const second = await startSpans({ path, exporter: memory });
    expect(second.processor.stats().waiting).toBe(2);
    second.span('c');
    await second.processor.forceFlush();
    expect(memory.getFinishedSpans().map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  it('counts and tells what it drops', async () => {
    const told: unknown[] = [];
    const listener = (message: unknown): void => void told.push(message);
    channel('mmcb:dropped').subscribe(listener);
    stops.push(async () => void channel('mmcb:dropped').unsubscribe(listener));
    const drops: TelemetryDrop[] = [];
    const onDrop = (drop: TelemetryDrop): void => void drops.push(drop);
    for (const overflow of ['drop-oldest', 'drop-newest'] as const) {
      const exporter = new Told();
      const { processor, span } = await startSpans({ exporter, maxItems: 2, overflow, onDrop });
      for (const name of ['a', 'b', 'c']) span(name);
      expect(processor.stats()).toMatchObject({ waiting: 2, dropped: 1 });
      await processor.forceFlush();
      expect(exporter.batches.flat()).toEqual(overflow === 'drop-oldest' ? ['b', 'c'] : ['a', 'b']);
    }
    const failing = new Told();
    failing.fails = true;
    const { processor, span } = await startSpans({ exporter: failing, retry: { retries: 1, backoff: 0 }, onDrop });
    span('a');
    await processor.forceFlush();
    await processor.shutdown();
    span('b');
    expect(processor.stats()).toMatchObject({ failed: 2, dropped: 2 });
    expect(drops).toMatchObject([
      { count: 1, reason: 'drop-oldest' },
      { count: 1, reason: 'drop-newest' },
      { count: 1, reason: 'retries' },
      { count: 1, reason: 'rejected', error: { code: 'MMCB_CLOSED' } },
    ]);
    expect(told).toHaveLength(3);
  });

  it('waits for attributes of the resource that come later', async () => {
    const memory = new InMemorySpanExporter();
    const processor = await MmcbSpanProcessor.start({ path: tempFile(), buffer, exporter: memory });
    stops.push(() => processor.shutdown());
    const later = new Promise<string>((resolve) => setTimeout(() => resolve('known'), 20));
    const resource = resourceFromAttributes({ late: later });
    new BasicTracerProvider({ resource, spanProcessors: [processor] }).getTracer('x').startSpan('a').end();
    await processor.forceFlush();
    expect(memory.getFinishedSpans()[0]?.resource.attributes).toEqual({ late: 'known' });
  });

  it('sends to a collector what the SDK made, also after a restart', async () => {
    const sent = await collector();
    const path = tempFile();
    const down = new Told();
    down.fails = true;
    const first = await startSpans({ path, exporter: down, exportTimeout: 50 });
    const parent = first.tracer.startSpan('parent', { kind: SpanKind.SERVER, attributes: { text: 'ä', list: [1, 2] } });
    const child = first.tracer.startSpan(
      'child',
      { links: [{ context: parent.spanContext(), attributes: { why: 'so' } }] },
      trace.setSpan(ROOT_CONTEXT, parent),
    );
    child.addEvent('happened', { count: 3 });
    child.setStatus({ code: SpanStatusCode.ERROR, message: 'bad' });
    child.end();
    parent.end();
    await first.processor.shutdown();

    const second = await startSpans({ path, exporter: new OTLPTraceExporter({ url: `${sent.url}/v1/traces` }) });
    await second.processor.forceFlush();
    expect(sent.requests).toHaveLength(1);
    const { traceId, spanId } = parent.spanContext();
    expect(sent.requests[0]).toMatchObject({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'test' } }] },
          scopeSpans: [
            {
              scope: { name: 'mmcb', version: '1.0' },
              spans: [
                {
                  ...{ traceId, parentSpanId: spanId, name: 'child', status: { code: 2, message: 'bad' } },
                  events: [{ name: 'happened', attributes: [{ key: 'count', value: { intValue: 3 } }] }],
                  links: [{ traceId, spanId, attributes: [{ key: 'why', value: { stringValue: 'so' } }] }],
                },
                { traceId, spanId, name: 'parent', kind: 2, attributes: [{ key: 'text' }, { key: 'list' }] },
              ],
            },
          ],
        },
      ],
    });
  });

  it('restores spans as they were', async () => {
    const memory = new InMemorySpanExporter();
    const { processor, tracer } = await startSpans({ exporter: memory });
    const traceState = createTraceState('vendor=1');
    const remote = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: TraceFlags.SAMPLED, isRemote: true };
    const parent = trace.setSpanContext(ROOT_CONTEXT, { ...remote, traceState });
    for (const name of ['a', 'b']) tracer.startSpan(name, {}, parent).end();
    await processor.forceFlush();
    const spans = memory.getFinishedSpans();
    const restored = spans.map((span) => spanCodec.decode(Buffer.from(spanCodec.encode(span))));
    for (const [i, span] of spans.entries()) {
      const back = restored[i] as ReadableSpan;
      for (const key of [
        'name',
        'kind',
        'startTime',
        'endTime',
        'duration',
        'status',
        'attributes',
        'links',
      ] as const) {
        expect(back[key]).toEqual(span[key]);
      }
      expect({ ...back.spanContext(), traceState: back.spanContext().traceState?.serialize() }).toEqual({
        ...span.spanContext(),
        traceState: 'vendor=1',
      });
      expect(back.parentSpanContext).toMatchObject(remote);
      expect(back.resource.attributes).toEqual(span.resource.attributes);
      expect(back.resource.merge(resourceFromAttributes({ more: 1 })).attributes).toMatchObject({ more: 1 });
    }
    expect(restored[0]?.resource).toBe(restored[1]?.resource);
    expect(restored[0]?.instrumentationScope).toBe(restored[1]?.instrumentationScope);
  });

  it('refuses wrong options and files that are open or of something else', async () => {
    const exporter = new Told();
    for (const bad of [{}, { path: 'x' }, { path: 'x', exporter: {} }, { path: 'x', exporter, batchsize: 1 }]) {
      expect(await errorOf(() => MmcbSpanProcessor.start(bad as never))).toBeInstanceOf(TypeError);
    }
    expect(await errorOf(() => MmcbSpanProcessor.start({ path: 'x', exporter, batchSize: 0 }))).toBeInstanceOf(
      RangeError,
    );
    const path = tempFile();
    await startSpans({ path, exporter });
    await expectCode(() => MmcbSpanProcessor.start({ path, exporter }), 'MMCB_LOCKED');
  });
});

describe('MmcbLogRecordProcessor', () => {
  it('sends to a collector what was emitted, also after a restart', async () => {
    const sent = await collector();
    sent.status = 500;
    const path = tempFile();
    const url = `${sent.url}/v1/logs`;
    const options = { path, buffer, retry, exportTimeout: 300 };
    const first = await MmcbLogRecordProcessor.start({ ...options, exporter: new OTLPLogExporter({ url }) });
    const logger = new LoggerProvider({ processors: [first] }).getLogger('mmcb', '1.0');
    const context = trace.setSpanContext(ROOT_CONTEXT, {
      ...{ traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: TraceFlags.SAMPLED },
    });
    logger.emit({
      body: 'one',
      severityNumber: SeverityNumber.WARN,
      severityText: 'warn',
      attributes: { a: 1 },
      context,
    });
    logger.emit({ body: 'two', eventName: 'an event' });
    expect(await errorOf(() => first.forceFlush({ timeoutMillis: 20 }))).toMatchObject({ name: 'TimeoutError' });
    await first.shutdown();
    expect(sent.logs).toEqual([]);

    sent.status = 200;
    const second = await MmcbLogRecordProcessor.start({ ...options, exporter: new OTLPLogExporter({ url }) });
    stops.push(() => second.shutdown());
    expect(second.stats().waiting).toBe(2);
    await second.forceFlush();
    expect(sent.logs).toEqual(['one', 'two']);
    const [record] = sent.requests[0]?.resourceLogs?.[0]?.scopeLogs[0]?.logRecords ?? [];
    expect(record).toMatchObject({ severityNumber: 13, severityText: 'warn', traceId: '1'.repeat(32) });
  });

  it('restores log records as they were', async () => {
    const emitted: ReadableLogRecord[] = [];
    const exporter = {
      export(records: ReadableLogRecord[], done: (result: { code: number }) => void) {
        emitted.push(...records);
        done({ code: 0 });
      },
      shutdown: async () => {},
    };
    const processor = await MmcbLogRecordProcessor.start({ path: ':memory:', exporter: exporter as never });
    stops.push(() => processor.shutdown());
    const logger = new LoggerProvider({ processors: [processor] }).getLogger('mmcb');
    for (const body of ['text', 5, null, { nested: ['x', new Uint8Array([1, 2])] }])
      logger.emit({ body: body as never });
    logger.emit({ eventName: 'x', attributes: { a: { b: [1] } } });
    await processor.forceFlush();
    expect(emitted).toHaveLength(5);
    for (const record of emitted) {
      const back = logRecordCodec.decode(Buffer.from(logRecordCodec.encode(record)));
      for (const key of ['hrTime', 'hrTimeObserved', 'body', 'eventName', 'attributes', 'severityNumber'] as const) {
        if (key === 'body' && typeof record.body === 'object' && record.body !== null) continue;
        expect(back[key]).toEqual(record[key]);
      }
    }
    const nested = logRecordCodec.decode(Buffer.from(logRecordCodec.encode(emitted[3] as ReadableLogRecord)));
    expect((nested.body as { nested: unknown[] }).nested[0]).toBe('x');
  });
});
