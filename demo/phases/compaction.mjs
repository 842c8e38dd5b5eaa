import { statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { count, mebibytes, milliseconds } from '../format.mjs';
import { Reader } from '../measure.mjs';

const READS_PER_TURN = 50;
const READS_AT_REST = 50_000;

/** A compaction on the engine's own thread, while this one goes on reading. */
export async function compaction({ map, model, checks, screen, figures, path }) {
  screen.phase('Compact, and go on reading meanwhile');
  const { garbageBytes } = map.stats();
  const onDisk = statSync(path).blocks * 512;
  const resting = new Reader(map, model, checks);
  resting.read(READS_AT_REST);

  const reader = new Reader(map, model, checks);
  const bar = screen.bar('compact', 1);
  let running = true;
  const compacting = map.compact({ onProgress: ({ done, total }) => bar.show(done, total) }).finally(() => {
    running = false;
  });
  while (running) {
    reader.read(READS_PER_TURN);
    await setImmediate();
  }
  const report = await compacting;
  await bar.stop();

  screen.detail(
    `${mebibytes(report.sizeBefore)} became ${mebibytes(report.sizeAfter)} in ${milliseconds(report.ms)}; ` +
      `on the disk ${mebibytes(onDisk)} became ${mebibytes(statSync(path).blocks * 512)}`,
  );
  screen.details([
    ['', 'reads', 'median', '99 %', '99.9 %', 'longest'],
    ['just before, at rest', count(resting.count), ...resting.latencies()],
    ['during the compaction', count(reader.count), ...reader.latencies()],
  ]);
  checks.that(report.sizeAfter <= report.sizeBefore, 'the file has become larger');
  checks.that(map.stats().garbageBytes < garbageBytes, 'there is as much garbage as before');
  checks.that(statSync(path).size === report.sizeAfter, 'the file does not have the reported size');
  await checks.everything(map, model, screen.bar('checking', model.count));
  const verified = await map.verify();
  checks.that(verified.ok, () => `verify(): ${JSON.stringify(verified.errors.slice(0, 3))}`);
  checks.conclude(
    'Every one of these reads was right; afterwards verify() is clean and every byte is as it should be.',
  );
  figures.moment('compacted', map);
}
