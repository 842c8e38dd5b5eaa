/** What a run prints when it has ended. */
import { loadEngine } from '../engines/index.mjs';
import { Figures } from '../results.mjs';
import { groups } from '../workloads/index.mjs';
import { count, table } from './markdown.mjs';
import { durabilityTitles, timeTable, valueTable } from './tables.mjs';

export async function labelsOf(engines) {
  const pairs = engines.map(async (engine) => [engine, await labelOf(engine)]);
  return Object.fromEntries(await Promise.all(pairs));
}

/** A report may be made where a peer is not installed. */
const labelOf = (engine) =>
  loadEngine(engine).then(
    ({ label }) => label,
    () => engine,
  );

export async function printTables(results) {
  const figures = new Figures(results);
  const { settings, machine, commit, load, missing, failures } = results;
  const labels = await labelsOf(settings.engines);
  const { cpu, cores, memory, system, fileSystem, node } = machine;
  console.log(`${cpu}, ${cores} cores, ${memory}, ${system}, ${fileSystem}, node ${node}, commit ${commit}`);
  console.log(
    `${settings.rounds} rounds, seed ${settings.seed}; load average before ${load.before}, after ${load.after}`,
  );
  console.log('median time per operation ± half the spread of the rounds (times that of mmcb)');
  for (const { size, entries } of figures.scales()) {
    for (const durability of settings.tables) {
      for (const group of settings.groups) {
        const setting = { durability, group, size, entries };
        const make = groups[group].withoutStore ? valueTable : timeTable;
        const rows = make(figures, setting, settings.engines, labels);
        if (rows.length === 1) continue;
        const title = `${groups[group].title}, ${durabilityTitles[durability].toLowerCase()}`;
        console.log(`\n${title}: ${count(entries)} entries${group === 'objects' ? '' : ` of ${count(size)} B`}`);
        console.log(table(rows));
      }
    }
  }
  for (const { engine, reason } of missing) console.log(`\n!! ${engine} was LEFT OUT: ${reason}`);
  if (failures.length > 0) console.log(`\n!! ${failures.length} trials FAILED`);
}
