/** Tables of figures, as rows of text. */
import { byteCount, digits, duration, ratio } from './markdown.mjs';

export const durabilityTitles = {
  none: 'Without sync',
  periodic: 'Sync once a second',
  commit: 'Sync per commit',
};

/** Median time per operation of each engine, with the spread of the rounds, and how it compares with mmcb. */
export function timeTable(figures, setting, engines, labels) {
  const head = ['', ...engines.map((engine) => labels[engine])];
  const rows = figures.workloads(setting).flatMap((workload) => {
    const cells = engines.map((engine) => figures.ns({ ...setting, engine, workload }));
    if (cells.every((cell) => cell === undefined)) return [];
    const mmcb = cells[engines.indexOf('mmcb')];
    return [[workload, ...cells.map((cell, index) => timeCell(cell, engines[index] === 'mmcb' ? undefined : mmcb))]];
  });
  return keptColumns([head, ...rows]);
}

function timeCell(cell, mmcb) {
  if (cell === undefined) return '-';
  const spread = cell.rounds > 1 ? ` ± ${Math.round(((cell.max - cell.min) / 2 / cell.median) * 100)} %` : '';
  return `${duration(cell.median)}${spread}${mmcb === undefined ? '' : ` (${ratio(cell.median / mmcb.median)})`}`;
}

/** Figures that are no times per operation. */
export function valueTable(figures, setting) {
  const rows = figures.workloads(setting).flatMap((workload) => {
    const found = figures.value({ ...setting, engine: 'mmcb', workload });
    return found === undefined ? [] : [[workload, `${digits(found.value)} ${found.unit}`]];
  });
  return [['', 'mmcb'], ...rows];
}

/** Percentiles of the latency of single operations, each waited for. */
export function latencyTable(figures, setting, engines, labels) {
  const head = ['p50 / p99 / p99.9', ...engines.map((engine) => labels[engine])];
  const rows = [];
  for (const workload of figures.workloads(setting)) {
    const cells = engines.map((engine) => figures.latency({ ...setting, engine, workload }));
    if (cells.every((cell) => cell === undefined)) continue;
    rows.push([
      workload,
      ...cells.map((cell) => (cell ? [cell.p50, cell.p99, cell.p999].map(duration).join(' / ') : '-')),
    ]);
  }
  return rows.length === 0 ? undefined : keptColumns([head, ...rows]);
}

/** Memory and disk space after loading, and the most memory seen. */
export function spaceTable(figures, setting, engines, labels) {
  const value = (pick, format) =>
    engines.map((engine) => {
      const found = figures.ofTrial({ ...setting, engine }, pick);
      return found === undefined ? '-' : format(found);
    });
  const perEntry = (bytes) => `${digits(Math.max(0, bytes) / setting.entries)} B per entry`;
  const memory = (bytes) => byteCount(Math.max(0, bytes));
  return keptColumns([
    ['', ...engines.map((engine) => labels[engine])],
    ['memory of its own, loaded', ...value(({ memory: { loaded } }) => loaded?.own, perEntry)],
    ['mapped file in memory, loaded', ...value(({ memory: { loaded } }) => loaded?.mapped, perEntry)],
    ['on the disk, loaded', ...value(({ disk: { loaded } }) => loaded, perEntry)],
    ['memory of its own, most', ...value(({ memory: { peak } }) => peak.own, memory)],
    ['on the disk, closed', ...value(({ disk: { closed } }) => closed, memory)],
  ]);
}

/** Without the columns of engines that take no part. */
function keptColumns(rows) {
  const [, ...body] = rows;
  const keep = rows[0].map((_, column) => column === 0 || body.some((row) => row[column] !== '-'));
  return rows.map((row) => row.filter((_, column) => keep[column]));
}
