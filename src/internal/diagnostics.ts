/**
 * What buffers tell on `diagnostics_channel`s: tracing channels for what was asked for and takes a while (open, flush, ...), and
 * plain ones for what has happened, asked for or not. Nothing here is on the path of reads and writes of single entries.
 */
import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel';

/** Operations with a tracing channel, 'mmcb:' and the name. */
export type TracedOperation = 'open' | 'close' | 'flush' | 'compaction' | 'verify' | 'backup';
/** Events with a plain channel, 'mmcb:' and the name. */
export type ToldEvent = 'recovery' | 'sync' | 'compaction' | 'error';

/** What subscribers of a tracing channel get; Node adds `result` or `error` when the operation has ended. */
export interface TraceContext {
  /** Of the file, as it was given to `open`. */
  path: string;
  /** Of `backup`. */
  target?: string;
  result?: unknown;
  error?: unknown;
}

const traces: Readonly<Record<TracedOperation, TracingChannel<object>>> = {
  open: tracingChannel('mmcb:open'),
  close: tracingChannel('mmcb:close'),
  flush: tracingChannel('mmcb:flush'),
  compaction: tracingChannel('mmcb:compaction'),
  verify: tracingChannel('mmcb:verify'),
  backup: tracingChannel('mmcb:backup'),
};
const events: Readonly<Record<ToldEvent, Channel>> = {
  recovery: channel('mmcb:recovery'),
  sync: channel('mmcb:sync'),
  compaction: channel('mmcb:compaction'),
  error: channel('mmcb:error'),
};

/** `TracingChannel.hasSubscribers`, which Node 20.0 does not have yet. */
function isTraced({ start, end, asyncStart, asyncEnd, error }: TracingChannel<object>): boolean {
  return (
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers
  );
}

/** Does some work, traced if anybody has subscribed. */
export function traced<T>(operation: TracedOperation, context: TraceContext, work: () => Promise<T>): Promise<T> {
  const trace = traces[operation];
  return isTraced(trace) ? (trace.tracePromise(work, context) as Promise<T>) : work();
}

/** The same for work that blocks. */
export function tracedSync<T>(operation: TracedOperation, context: TraceContext, work: () => T): T {
  const trace = traces[operation];
  return isTraced(trace) ? trace.traceSync(work, context) : work();
}

/** Publishes an event on its channel. */
export function tell(event: ToldEvent, path: string, detail: object): void {
  const target = events[event];
  if (target.hasSubscribers) target.publish({ ...detail, path });
}

/** Whether anybody wants to know what happens in the background. */
export function isToldInBackground(): boolean {
  return events.sync.hasSubscribers || events.compaction.hasSubscribers || events.error.hasSubscribers;
}
