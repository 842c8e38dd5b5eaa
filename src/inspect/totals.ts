/** Sums over segments. */
import type { HeadPicture, SegmentPicture, Totals } from './model.js';
import { SIZE_CLASSES, SLACK_CLASSES } from './segment-reader.js';

/** Live, slack, garbage and free bytes of the whole file; the head counts as live, as in `stats()`. */
export function totalsOf(head: Pick<HeadPicture, 'headSize'>, segments: Iterable<SegmentPicture | undefined>): Totals {
  const totals: Totals = {
    liveBytes: head.headSize,
    slackBytes: 0,
    garbageBytes: 0,
    freeBytes: 0,
    liveEntries: 0,
    deadEntries: 0,
    lostEntries: 0,
    sizes: new Array<number>(SIZE_CLASSES).fill(0),
    slacks: new Array<number>(SLACK_CLASSES).fill(0),
  };
  for (const segment of segments) {
    if (segment === undefined) continue;
    totals.liveBytes += segment.liveBytes;
    totals.slackBytes += segment.slackBytes;
    totals.garbageBytes += segment.garbageBytes;
    totals.freeBytes += segment.freeBytes;
    totals.liveEntries += segment.liveEntries;
    totals.deadEntries += segment.deadEntries;
    totals.lostEntries += segment.lostEntries;
    if (segment.liveEntries === 0) continue;
    addTo(totals.sizes, segment.sizes);
    addTo(totals.slacks, segment.slacks);
  }
  return totals;
}

function addTo(sums: number[], counts: readonly number[]): void {
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (counts[i] ?? 0);
}
