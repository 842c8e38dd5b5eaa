/** Tables of the benchmarks of the core alone. */
import { summary } from '../lib/statistics.mjs';
import { besideTkrzw } from '../native/results.mjs';
import { count, duration, ratio, table } from './markdown.mjs';

/** As text for a terminal, and for a page. */
export function nativeTables(results) {
  return [comparison(results), times(results)].filter((part) => part !== '').join('\n\n');
}

export function nativeBlock(results) {
  const { date, commit, machine, versions, settings, load } = results;
  return [
    `Measured on ${date.slice(0, 10)} at commit ${commit}: ${machine.cpu}, ${machine.cores} cores, ${machine.fileSystem}, ${versions.compiler};`,
    `Tkrzw ${versions.tkrzw}. ${count(settings.entries)} entries of ${settings.size} B, ${settings.rounds} rounds. Load average before and after:`,
    `${load.before} and ${load.after}.`,
    '',
    nativeTables(results),
  ].join('\n');
}

/** Both draw and print keys within their times; the last column is without what that takes us. */
function comparison(results) {
  const rows = besideTkrzw(results);
  const keys = results.benchmarks['as Tkrzw: keys alone'];
  if (rows.length === 0 || keys === undefined) return '';
  const drawing = summary(keys.ns).median;
  return table([
    ['string keys, random', 'mmcb', 'Tkrzw HashDBM', 'mmcb is faster', 'without making keys'],
    ...rows.map(({ call, mmcb, tkrzw }) => [
      call,
      withSpread(mmcb),
      withSpread(tkrzw),
      ratio(tkrzw.median / mmcb.median),
      ratio((tkrzw.median - drawing) / (mmcb.median - drawing)),
    ]),
  ]);
}

function times({ benchmarks }) {
  const names = Object.keys(benchmarks).filter((name) => !name.startsWith('as Tkrzw'));
  if (names.length === 0) return '';
  return table([
    ['core alone, one thread', 'time', "the thread's own", 'million a second'],
    ...names.map((name) => {
      const found = summary(benchmarks[name].ns);
      // Long calls hand work to other threads.
      const own = /per entry/.test(name) ? '-' : duration(summary(benchmarks[name].processor).median);
      return [name, withSpread(found), own, (1e3 / found.median).toFixed(1)];
    }),
  ]);
}

function withSpread({ median, min, max }) {
  const spread = min === max ? '' : ` ± ${Math.round(((max - min) / 2 / median) * 100)} %`;
  return `${duration(median)}${spread}`;
}
