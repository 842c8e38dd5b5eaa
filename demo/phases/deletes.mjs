import { count, mebibytes, perSecond } from '../format.mjs';
import { timed } from '../measure.mjs';
import { SMALL, stage } from '../model.mjs';

/** All small places go. */
export async function deletes({ map, model, checks, screen, figures }) {
  screen.phase(`Delete the ${count(model.smallCount)} places with fewer than ${count(SMALL)} people`);
  let deleted = 0;
  const result = await timed(
    model.count,
    (i) => (model.isSmall(i) ? model.id(i) : undefined),
    (key) => {
      if (map.delete(key)) deleted++;
    },
    screen.bar('delete', model.count),
  );
  model.stage = stage.DELETED;
  figures.rate('delete', result);
  checks.that(deleted === model.smallCount, () => `${deleted} were deleted instead of ${model.smallCount}`);
  await checks.everything(map, model, screen.bar('checking', model.count));
  const { garbageBytes, fileSize } = map.stats();
  screen.detail(
    `${perSecond(result.calls, result.ms)} per second; ` +
      `${mebibytes(garbageBytes)} of the file's ${mebibytes(fileSize)} are garbage now`,
  );
  checks.conclude('They are gone, and every byte of all others is as it was.');
  figures.moment('changed', map);
}
