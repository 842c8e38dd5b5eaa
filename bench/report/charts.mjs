/** The charts of a run: one for each time table. */
import { groups } from '../workloads/index.mjs';
import { barChart } from './chart.mjs';
import { count, digits } from './markdown.mjs';
import { durabilityTitles } from './tables.mjs';

/** [{ file, title, setting, svg }] */
export function makeCharts(figures, labels) {
  const charts = [];
  for (const scale of figures.scales()) {
    for (const durability of figures.settings.tables) {
      for (const group of figures.settings.groups) {
        const chart = makeChart(figures, { ...scale, durability, group }, labels);
        if (chart !== undefined) charts.push(chart);
      }
    }
  }
  return charts;
}

function makeChart(figures, setting, labels) {
  const { durability, group, size, entries } = setting;
  const engines = figures.settings.engines.filter((engine) =>
    figures.workloads(setting).some((workload) => figures.ns({ ...setting, engine, workload })),
  );
  if (engines.length < 2) return undefined; // nothing to compare
  const rows = figures.workloads(setting).map((workload) => {
    const values = engines.map((engine) => {
      const cell = figures.ns({ ...setting, engine, workload });
      return cell && 1e9 / cell.median;
    });
    return { label: shortened(workload), values, texts: values.map((value) => value && rate(value)) };
  });
  const title = `${groups[group].title}, ${durabilityTitles[durability].toLowerCase()}`;
  const subtitle = `Operations per second, more is better. ${count(entries)} entries${group === 'objects' ? '' : ` of ${count(size)} B`}.`;
  return {
    file: `bench-${durability}-${group}-${entries}x${size}.svg`,
    title,
    setting,
    svg: barChart({ title, subtitle, series: engines.map((engine) => labels[engine]), rows }),
  };
}

/** What stands behind the colon explains; the table has it. */
const shortened = (workload) => (workload.length > 32 ? `${workload.slice(0, 31)}…` : workload);

function rate(perSecond) {
  if (perSecond >= 1e6) return `${digits(perSecond / 1e6)} M/s`;
  if (perSecond >= 1e3) return `${digits(perSecond / 1e3)} k/s`;
  return `${digits(perSecond)} /s`;
}
