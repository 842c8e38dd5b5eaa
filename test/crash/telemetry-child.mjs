/**
 * The process of telemetry.test.ts that gets killed: makes spans and log records without end, and writes to its log (argument
 * 2) the name of each once it was accepted. Arguments: folder of its files, log, URL of the collector, round.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { MmcbLogRecordProcessor, MmcbSpanProcessor } from '../../dist/esm/otel/index.js';

const [folder, logFile, url, round] = process.argv.slice(2);
const log = openSync(logFile, 'a');
const common = {
  buffer: { initialSize: 65_536, segmentSize: 65_536 },
  batchSize: 20,
  interval: 5,
  retry: { retries: Number.POSITIVE_INFINITY, backoff: 5, maxBackoff: 20 },
};
const spans = await MmcbSpanProcessor.start({
  ...common,
  path: join(folder, 'spans.mmcb'),
  exporter: new OTLPTraceExporter({ url: `${url}/v1/traces` }),
});
const logs = await MmcbLogRecordProcessor.start({
  ...common,
  path: join(folder, 'logs.mmcb'),
  exporter: new OTLPLogExporter({ url: `${url}/v1/logs` }),
});
const tracer = new BasicTracerProvider({ spanProcessors: [spans] }).getTracer('child');
const logger = new LoggerProvider({ processors: [logs] }).getLogger('child');
for (let i = 0; ; i++) {
  const name = `${round}-${i}`;
  tracer.startSpan(name).end();
  writeSync(log, `span ${name}\n`);
  logger.emit({ body: name });
  writeSync(log, `log ${name}\n`);
  await turn();
}
