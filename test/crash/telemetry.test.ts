/**
 * kill -9 of processes that make telemetry, while the collector takes it, or does not: what was accepted arrives in the end.
 * MMCB_TELEMETRY_KILLS sets the number of kills.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { expect, it } from 'vitest';
import { MmcbLogRecordProcessor, MmcbSpanProcessor } from '../../src/otel/index.js';
import { Collector } from '../adapters/support/collector.js';
import { Random } from '../support/random.js';
import { tempFolder } from '../support/temp.js';
import { killWriter } from './kill-writer.js';

const seed = Number(process.env['MMCB_SEED'] ?? Date.now() % 1_000_000);
const kills = Number(process.env['MMCB_TELEMETRY_KILLS'] || 10);
const program = fileURLToPath(new URL('./telemetry-child.mjs', import.meta.url));

it(`kill -9 of processes that make telemetry (MMCB_SEED=${seed})`, async () => {
  const random = new Random(seed);
  const folder = tempFolder();
  const logFile = join(folder, 'accepted');
  const collector = await Collector.start();
  for (let round = 0; round < kills; round++) {
    collector.status = round % 2 === 0 ? 503 : 200;
    await killWriter(program, [folder, logFile, collector.url, String(round)], logFile, random.int(0, 150));
  }
  collector.status = 200;
  const exported = collector.spans.length;
  const spans = await MmcbSpanProcessor.start({
    ...{ path: join(folder, 'spans.mmcb'), exporter: new OTLPTraceExporter({ url: `${collector.url}/v1/traces` }) },
  });
  const logs = await MmcbLogRecordProcessor.start({
    ...{ path: join(folder, 'logs.mmcb'), exporter: new OTLPLogExporter({ url: `${collector.url}/v1/logs` }) },
  });
  const left = spans.stats().waiting;
  await Promise.all([spans.forceFlush(), logs.forceFlush()]);
  expect([spans.stats().dropped, logs.stats().dropped]).toEqual([0, 0]);
  await Promise.all([spans.shutdown(), logs.shutdown()]);
  await collector.stop();

  const lines = readFileSync(logFile, 'utf8').split('\n').slice(0, -1);
  const accepted = (what: string): string[] =>
    lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1));
  const arrived = { span: new Set(collector.spans), log: new Set(collector.logs) };
  expect(accepted('span').length).toBeGreaterThan(kills);
  expect(accepted('span').filter((name) => !arrived.span.has(name))).toEqual([]);
  expect(accepted('log').filter((name) => !arrived.log.has(name))).toEqual([]);
  console.log(`kill -9: ${kills} kills, ${accepted('span').length} spans, ${exported} exported by then, ${left} left`);
});
