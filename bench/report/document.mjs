/** The generated parts of docs/performance.md and README.md. */
import { groups } from '../workloads/index.mjs';
import { evaluateTargets, whereBehind } from './evaluate.mjs';
import { count, duration, ratio, table } from './markdown.mjs';
import { durabilityTitles, latencyTable, spaceTable, timeTable, valueTable } from './tables.mjs';

/** What the README shows: the calls that programs make most. */
const HEADLINE = [
  ['int', 'set new'],
  ['int', 'get, uniform'],
  ['int', 'update, uniform'],
  ['int', 'getMany of 100, uniform'],
  ['int', 'iterate with values'],
  ['string', 'set new'],
  ['string', 'get, uniform'],
  ['ycsb', 'A: half reads, half updates'],
];

export function machineBlock({ date, commit, machine, versions, settings, load }) {
  const { cpu, cores, memory, system, fileSystem, node } = machine;
  const packages = Object.entries(versions)
    .filter(([name]) => name !== 'mmcb')
    .map(([name, version]) => `${name} ${version}`);
  return [
    `Measured on ${date.slice(0, 10)} at commit ${commit}: ${cpu}, ${cores} cores, ${memory}, ${system}, ${fileSystem}, Node`,
    `${node.slice(1)}; ${packages.join(', ')}. ${settings.rounds} rounds, seed ${settings.seed}, at most`,
    `${count(settings.operations)} operations where a workload does not touch every entry. Load average before and after:`,
    `${load.before} and ${load.after}.`,
  ].join('\n');
}

export function targetsBlock(targets, figures, volatile) {
  const rows = evaluateTargets(targets, figures, volatile);
  const reached = rows.filter(({ verdict }) => verdict === 'reached').length;
  const missed = rows.filter(({ verdict }) => verdict === 'MISSED').length;
  return [
    `${reached} reached, ${missed} missed, ${rows.length - reached - missed} not measured in this run.`,
    '',
    table([
      ['', 'target', 'measured', 'verdict'],
      ...rows.map(({ workload, bound, figure, verdict }) => [workload, bound, figure, verdict]),
    ]),
  ].join('\n');
}

/** All tables, and for each time table the name of its chart. */
export function tablesBlock(figures, labels, charts) {
  const { settings } = figures;
  const parts = [];
  for (const scale of figures.scales()) {
    parts.push(`## ${count(scale.entries)} entries of ${count(scale.size)} B`);
    for (const durability of settings.tables) {
      const sections = settings.groups.flatMap((group) =>
        groupSection(figures, { ...scale, durability, group }, labels, charts),
      );
      if (sections.length > 0) parts.push(`### ${durabilityTitles[durability]}`, ...sections);
    }
  }
  return parts.join('\n\n');
}

function groupSection(figures, setting, labels, charts) {
  const { engines } = figures.settings;
  const { title, withoutStore } = groups[setting.group];
  if (withoutStore) {
    const rows = valueTable(figures, setting);
    return rows.length > 1 ? [`#### ${title}`, table(rows)] : [];
  }
  const rows = timeTable(figures, setting, engines, labels);
  if (rows.length === 1) return [];
  const parts = [`#### ${title}`, table(rows)];
  const chart = charts.find(({ setting: other }) => sameSetting(other, setting));
  if (chart) parts.push(`![${chart.title}](images/${chart.file})`);
  const latencies = latencyTable(figures, setting, engines, labels);
  if (latencies) parts.push('Latency of single operations, each waited for:', table(latencies));
  if (setting.durability === 'none') parts.push('Space:', table(spaceTable(figures, setting, engines, labels)));
  return parts;
}

export const sameSetting = (a, b) =>
  a.durability === b.durability && a.group === b.group && a.size === b.size && a.entries === b.entries;

/** Where mmcb loses: to peers, and to what stores nothing. */
export function behindBlock(figures, labels, volatile) {
  const { engines } = figures.settings;
  const peers = whereBehind(figures, peersOf(engines, volatile));
  const bounds = whereBehind(figures, engines.filter(volatile));
  return [
    peers.length > 0 ? 'Peers:' : 'In this run no peer was faster than mmcb in any of the workloads.',
    ...(peers.length > 0 ? [behindTable(peers, labels)] : []),
    ...(bounds.length > 0
      ? ['What stores nothing, or nothing that could be found again:', behindTable(bounds, labels)]
      : []),
  ].join('\n\n');
}

function behindTable(behind, labels) {
  const rows = behind.map(({ engine, durability, group, workload, size, entries, times }) => [
    `${labels[engine]}, ${placeOf(durability, group, workload)}`,
    count(entries),
    group === 'objects' ? '-' : `${count(size)} B`,
    ratio(times),
  ]);
  return table([['', 'entries', 'of', 'as fast as mmcb'], ...rows]);
}

function placeOf(durability, group, workload) {
  const place = `${inSentence(groups[group].title)}: ${workload}`;
  return durability === 'none' ? place : `${place}, ${inSentence(durabilityTitles[durability])}`;
}

const inSentence = (title) => (/^[A-Z]{2}/.test(title) ? title : title[0].toLowerCase() + title.slice(1));

const peersOf = (engines, volatile) => engines.filter((name) => name !== 'mmcb' && !volatile(name));

/** For the README: a few rows, and where a peer wins in one sentence. */
export function headlineBlock({ date, machine, settings }, figures, labels, volatile, scale) {
  const engines = settings.engines.filter((name) => name === 'mmcb' || name === 'js-map' || !volatile(name));
  const rows = HEADLINE.flatMap(([group, workload]) => {
    const cells = engines.map((engine) => figures.ns({ ...scale, durability: 'none', group, workload, engine }));
    if (cells[0] === undefined) return [];
    return [[placeOf('none', group, workload), ...cells.map((cell) => (cell ? duration(cell.median) : '-'))]];
  });
  return [
    `Time per operation, ${count(scale.entries)} entries of ${scale.size} B, on a machine with ${machine.cores} cores, ${date.slice(0, 10)}. mmcb in its`,
    'default mode, the others without any sync; the JavaScript `Map` holds copies and stores nothing.',
    '',
    table([['', ...engines.map((engine) => labels[engine])], ...rows]),
    '',
    behindSentence(figures, labels, peersOf(settings.engines, volatile), scale),
  ].join('\n');
}

function behindSentence(figures, labels, peers, { size, entries }) {
  const behind = whereBehind(figures, peers).filter((found) => found.size === size && found.entries === entries);
  const rest = 'All tables, other durabilities, latencies and space: [docs/performance.md](docs/performance.md).';
  if (behind.length === 0) return `No peer was ahead in any workload of that run. ${rest}`;
  const shown = behind.slice(0, 5).map(({ engine, durability, group, workload, times }) => {
    return `${labels[engine]} at ${placeOf(durability, group, workload)} (${ratio(times)})`;
  });
  const more = behind.length > shown.length ? `, and ${behind.length - shown.length} more` : '';
  return `Where a peer wins: ${shown.join('; ')}${more}. ${rest}`;
}
