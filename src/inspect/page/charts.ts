/** The charts: bytes over time, and two histograms. */
import type { Sample } from '../model.js';
import { svg } from './dom.js';
import { bytes, count } from './figures.js';

const WIDTH = 560;
const layers = ['live', 'slack', 'garbage', 'free'] as const;

/** Live, slack, garbage and free bytes, one above the other; below, sync points and segments that were given back. */
export function timeline(samples: readonly Sample[]): SVGElement {
  const height = 210;
  const [left, right, top, bottom] = [66, 10, 10, 58];
  const plot = height - top - bottom;
  const label = 'Bytes of the file over time: live, slack, garbage, free';
  const chart = svg('svg', { viewBox: `0 0 ${WIDTH} ${height}`, role: 'img', 'aria-label': label });
  const first = samples[0]?.time ?? 0;
  const span = Math.max(30_000, (samples.at(-1)?.time ?? 0) - first);
  const largest = niceCeiling(Math.max(1, ...samples.map(({ fileSize }) => fileSize)));
  const x = (time: number): number => left + ((time - first) / span) * (WIDTH - left - right);
  const y = (value: number): number => top + plot - (value / largest) * plot;
  for (const share of [0, 0.5, 1]) {
    const at = y(share * largest);
    chart.append(
      svg('line', { class: 'axis', x1: left, x2: WIDTH - right, y1: at, y2: at }),
      svg('text', { x: left - 8, y: at + 4, 'text-anchor': 'end' }, bytes(share * largest)),
    );
  }
  const base = samples.map(() => 0);
  for (const layer of layers) {
    const lower = samples.map(({ time }, i) => `${x(time)},${y(base[i] as number)}`);
    samples.forEach((sample, i) => {
      base[i] = (base[i] as number) + sample[`${layer}Bytes`];
    });
    const upper = samples.map(({ time }, i) => `${x(time)},${y(base[i] as number)}`);
    if (samples.length > 1)
      chart.append(svg('polygon', { class: layer, points: [...upper, ...lower.reverse()].join(' ') }));
  }
  for (const { time, syncs, reclaimed } of samples) {
    const at = x(time);
    if (syncs > 0) {
      const mark = svg('line', { class: 'sync', x1: at, x2: at, y1: height - 34, y2: height - 26 });
      mark.append(svg('title', {}, `${count(syncs)} sync points`));
      chart.append(mark);
    }
    if (reclaimed > 0) {
      const mark = svg('circle', { class: 'reclaimed', cx: at, cy: height - 14, r: 3 });
      mark.append(svg('title', {}, `${count(reclaimed)} segments given back`));
      chart.append(mark);
    }
  }
  chart.append(
    svg('text', { x: left - 8, y: height - 26, 'text-anchor': 'end' }, 'syncs'),
    svg('text', { x: left - 8, y: height - 10, 'text-anchor': 'end' }, 'reclaimed'),
    svg('text', { x: WIDTH - right, y: top + plot + 14, 'text-anchor': 'end' }, `${Math.round(span / 1000)} s`),
  );
  return chart;
}

/** Bars with their counts. Empty classes at both ends are left out. */
export function histogram(label: string, counts: readonly number[], nameOf: (index: number) => string): SVGElement {
  const first = Math.max(
    0,
    counts.findIndex((n) => n > 0),
  );
  const last = Math.max(
    first,
    counts.findLastIndex((n) => n > 0),
  );
  const shown = counts.slice(first, last + 1);
  const height = 170;
  const [top, bottom] = [18, 22];
  const plot = height - top - bottom;
  const largest = Math.max(1, ...shown);
  const step = WIDTH / Math.max(6, shown.length);
  const chart = svg('svg', { viewBox: `0 0 ${WIDTH} ${height}`, role: 'img', 'aria-label': label });
  shown.forEach((n, i) => {
    const size = (n / largest) * plot;
    const middle = i * step + step / 2;
    const name = nameOf(first + i);
    const bar = svg('rect', {
      class: 'bar',
      x: i * step + 3,
      width: Math.max(2, step - 6),
      y: top + plot - size,
      height: size,
      rx: 2,
    });
    bar.append(svg('title', {}, `${name}: ${count(n)} entries`));
    chart.append(bar);
    if (n > 0) {
      chart.append(svg('text', { x: middle, y: top + plot - size - 4, 'text-anchor': 'middle' }, short(n)));
    }
    chart.append(svg('text', { x: middle, y: height - 6, 'text-anchor': 'middle' }, name));
  });
  chart.append(svg('line', { class: 'axis', x1: 0, x2: WIDTH, y1: top + plot, y2: top + plot }));
  return chart;
}

function short(n: number): string {
  if (n < 10_000) return count(n);
  return n < 1e6 ? `${Math.round(n / 1000)}k` : `${(n / 1e6).toFixed(1)}M`;
}

/** The next 1, 2 or 5 times a power of two that is a round number of bytes. */
function niceCeiling(value: number): number {
  let step = 1;
  while (step < value) step *= 2;
  return step * 0.75 >= value ? step * 0.75 : step;
}
