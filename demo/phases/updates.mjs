import { count, perSecond } from '../format.mjs';
import { timed } from '../measure.mjs';
import { HOT_RECORDS, short, stage } from '../model.mjs';

const SAMPLE = 1000;
/** Even, so that the last round brings the full value back. */
const ROUNDS = 100;

/** Updates that keep, grow and shrink the size, and what they did: overwrite in place or write elsewhere. */
export async function updates({ map, model, checks, screen, figures }) {
  screen.phase('Update: in place where possible, elsewhere where necessary');
  const sample = Array.from({ length: Math.min(SAMPLE, model.count) }, (_, n) => model.id((n * 7919) % model.count));
  const before = sample.map((key) => map.address(key));

  await map.flush(); // a sync point: no version before it may be overwritten any more
  const rows = [['', 'updates', 'in place', 'relocated', 'per second']];
  const total = { calls: 0, ms: 0 };
  const step = async (title, calls, entry) => {
    const earlier = map.stats();
    const result = await timed(calls, entry, ([key, value]) => map.set(key, value), screen.bar(title, calls));
    const { updatesInPlace, relocations } = map.stats();
    const inPlace = updatesInPlace - earlier.updatesInPlace;
    const relocated = relocations - earlier.relocations;
    checks.that(inPlace + relocated === result.calls, `${title}: not every update is counted`);
    rows.push([title, count(result.calls), count(inPlace), count(relocated), perSecond(result.calls, result.ms)]);
    total.calls += result.calls;
    total.ms += result.ms;
  };
  const present = (i) => [model.id(i), model.value(i)];
  const noted = (i) => (model.isNoted(i) ? present(i) : undefined);

  model.stage = stage.COUNTED;
  await step('every one, size as before', model.count, present);
  model.stage = stage.HOT;
  await step(`${count(HOT_RECORDS)} hot ones, ${ROUNDS} times each`, HOT_RECORDS * ROUNDS, (n) => {
    const [key, value] = present(n % HOT_RECORDS);
    const round = Math.floor(n / HOT_RECORDS);
    return [key, round % 2 === 0 ? short(value) : value];
  });
  model.stage = stage.GROWN;
  await step('every second one grows', model.count, noted);
  model.stage = stage.SHRUNK;
  await step('and shrinks again', model.count, noted);
  figures.rate('update', total);
  screen.details(rows);

  const { updatesInPlace, relocations } = map.stats();
  checks.that(updatesInPlace > 0, 'no update was done in place');
  checks.that(relocations > 0, 'no update was relocated');
  checks.that(
    sample.every((key, n) => map.address(key) === before[n]),
    'an address has changed',
  );
  await checks.everything(map, model, screen.bar('checking', model.count));
  screen.detail('In place means: it fits, and nobody was promised the old version by a sync point (one a second).');
  checks.conclude('Relocated entries keep their addresses. Every byte of every record is as it should be.');
}
