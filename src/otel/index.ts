/** mmcb/otel: processors of spans and log records that lose nothing: their queue is a file. */
export { MmcbLogRecordProcessor } from './log-record-processor.js';
export type { TelemetryDrop, TelemetryOptions, TelemetryStats } from './options.js';
export { MmcbSpanProcessor } from './span-processor.js';
