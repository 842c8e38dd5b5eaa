import { count, mebibytes, milliseconds, perSecond } from '../format.mjs';
import { timed } from '../measure.mjs';

/** Every record by one `set`. */
export async function load({ map, model, checks, screen, figures }) {
  screen.phase(`Load ${count(model.count)} records, one set() each`);
  const result = await timed(
    model.count,
    (i) => [model.id(i), model.value(i)],
    ([key, value]) => map.set(key, value),
    screen.bar('set', model.count),
  );
  figures.rate('set', result);
  const { dataSize, fileSize } = map.stats();
  screen.detail(
    `${perSecond(result.calls, result.ms)} per second, ${milliseconds(result.ms)} in all; ` +
      `${mebibytes(dataSize)} of MessagePack in a file of ${mebibytes(fileSize)}`,
  );
  await checks.everything(map, model, screen.bar('checking', model.count));
  checks.conclude('Read back: every byte of every record is as it was written.');
  figures.moment('loaded', map);
}
