// npm start: the main job of mmcb on real data, from an empty file to one that survived its writer. Every result is
// checked; the exit code is 1 if any check fails, and 2 for a mistake on the command line.
import { cpus } from 'node:os';
import { IntMap } from '../dist/esm/index.js';
import { Checks } from './checks.mjs';
import { cities } from './cities.mjs';
import { Figures } from './figures.mjs';
import { count, milliseconds } from './format.mjs';
import { Model } from './model.mjs';
import { help, readOptions, UsageError } from './options.mjs';
import { compaction } from './phases/compaction.mjs';
import { crashes } from './phases/crash.mjs';
import { deletes } from './phases/deletes.mjs';
import { load } from './phases/load.mjs';
import { lookups } from './phases/lookups.mjs';
import { updates } from './phases/updates.mjs';
import { choosePlace } from './place.mjs';
import { Screen } from './screen.mjs';

try {
  process.exitCode = await main(readOptions(process.argv.slice(2)));
} catch (error) {
  const usage = error instanceof UsageError;
  console.error(usage ? `demo: ${error.message} (npm start -- --help shows the options)` : error);
  process.exitCode = usage ? 2 : 1;
}

async function main(options) {
  const screen = new Screen();
  if (options.help) {
    screen.line(help);
    return 0;
  }
  const started = performance.now();
  const records = options.records ?? cities.length;
  const place = choosePlace(options.path, records);
  process.once('exit', place.cleanUp);
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));

  const synthetic = records > cities.length ? ' and synthetic copies of them' : '';
  screen.line(`mmcb: cities of the world${synthetic}, in an IntMap in one memory-mapped file`);
  screen.line(`${place.path}, Node.js ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}`);

  // Compaction in the background is off, so that there is something left to see when it is asked for.
  const open = () => IntMap.open(place.path, { compaction: { policy: 'disabled' } });
  const checks = new Checks(screen);
  const figures = new Figures();
  const demo = { ...place, open, map: await open(), model: new Model(records), checks, screen, figures };
  try {
    for (const phase of [load, lookups, updates, deletes, compaction]) await phase(demo);
    await crashes(demo, options.kills);
  } finally {
    await demo.map.close();
  }

  figures.print(screen, checks);
  screen.line();
  const verdict = checks.failed === 0 ? 'All is well' : 'Something is wrong: see FAILED above';
  screen.line(`${verdict}. ${milliseconds(performance.now() - started)} in all.`);
  if (place.keep) screen.line(`The file is kept: IntMap.open('${place.path}') has ${count(demo.model.size)} records.`);
  return checks.failed === 0 ? 0 : 1;
}
