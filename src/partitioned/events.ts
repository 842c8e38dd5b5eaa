/** What a partitioned buffer tells: on the instance, and on diagnostics channels named 'mmcb:' and the event. */
import { channel } from 'node:diagnostics_channel';

/** Events, with what their listeners get; on a channel it has the `name` of the instance as well. Durations are in ms. */
export interface PartitionedEvents {
  'partition:start': [{ partition: number }];
  /** A partition is drained: `size` items are taken to be processed. */
  'processing:start': [{ partition: number; size: number }];
  /** They have been, whether with success or not. */
  'processing:stop': [{ partition: number; size: number; duration: number }];
  /** A batch has failed; `willRetry` says whether it will be processed again. */
  'processing:failed': [{ partition: number; size: number; error: unknown; attempt: number; willRetry: boolean }];
  /** Items are gone without having been processed, for this reason. */
  dropped: [{ partition: number; count: number; reason: DropReason }];
  'partition:stop': [{ partition: number; reason: 'stop' | 'timeout' }];
}

/**
 * Why items were dropped: an overflow policy; 'retries': they failed for good, and there is no `deadLetter`;
 * 'dead-letter': it threw; 'stop': `stop` did not wait for them.
 */
export type DropReason = 'drop-oldest' | 'drop-newest' | 'retries' | 'dead-letter' | 'stop';

export type EventName = keyof PartitionedEvents;

const names: readonly EventName[] = [
  'partition:start',
  'processing:start',
  'processing:stop',
  'processing:failed',
  'dropped',
  'partition:stop',
];
const channels = new Map(names.map((name) => [name, channel(`mmcb:${name}`)]));

/** Publishes an event on its channel. */
export function publish<N extends EventName>(event: N, name: string, detail: PartitionedEvents[N][0]): void {
  const target = channels.get(event);
  if (target?.hasSubscribers) target.publish({ ...detail, name });
}
