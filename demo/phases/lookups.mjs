import { count, perSecond } from '../format.mjs';
import { Reader, timed } from '../measure.mjs';

const MOST = 500_000;
const COMPARED = 50_000;
const PAGE = 1000;

/** Reads in scattered order: one by one, by pages, and of keys that do not exist. */
export async function lookups({ map, model, checks, screen, figures }) {
  screen.phase('Look up, in scattered order');
  showOne(map, model, screen);

  const times = Math.min(model.count, MOST);
  const scattered = (n) => (n * 7919) % model.count;
  const found = { n: 0, value: undefined };
  const single = await timed(
    times,
    (n) => model.id(scattered(n)),
    (key) => {
      found.value = map.get(key);
      if (found.value !== undefined) found.n++;
    },
    screen.bar('get', times),
  );
  checks.that(found.n === times, () => `${count(times - found.n)} of ${count(times)} lookups found nothing`);
  figures.rate('get', single);

  const pages = Math.floor(times / PAGE);
  const many = await timed(
    pages,
    (page) => Array.from({ length: PAGE }, (_, n) => model.id(scattered(page * PAGE + n))),
    (keys) => checks.that(!map.getMany(keys).includes(undefined), 'getMany() did not find a record'),
    screen.bar('getMany', pages),
  );
  many.calls *= PAGE;
  figures.rate('getMany', many);

  const reader = new Reader(map, model, checks);
  reader.read(COMPARED);

  for (let n = 0; n < 1000; n++) checks.that(map.get(-1 - n) === undefined, 'a key was found that was never set');
  screen.detail(
    `get() ${perSecond(single.calls, single.ms)} per second, getMany() of ${count(PAGE)} keys ${perSecond(many.calls, many.ms)}`,
  );
  checks.conclude(`${count(reader.count)} reads compared with their source; 1,000 unknown keys give undefined.`);
}

function showOne(map, model, screen) {
  let largest = 0;
  for (let i = 0; i < Math.min(model.count, 200_000); i++) {
    if (model.value(i).population > model.value(largest).population) largest = i;
  }
  const { name, country, population, loc } = map.get(model.id(largest));
  const [longitude, latitude] = loc.coordinates;
  screen.detail(
    `get(${model.id(largest)}) is ${name}, ${country}: ${count(population)} people at ${latitude}, ${longitude}`,
  );
}
