/**
 * Bar charts as SVG, without a library. Each row has a scale of its own, from nothing to its longest bar, and each bar its
 * figure beside it: so that a row of microseconds does not flatten one of nanoseconds, and nothing has to be read off an axis.
 */

const ROW_LABEL = 210;
const BAR_AREA = 400;
const FIGURE = 110;
const BAR = 13;
const GAP = 2;
const ROW_GAP = 14;
const MARGIN = 16;
const HEAD = 78;

/** Chosen to be told apart, also by the colour-blind, on white and on black (after Okabe and Ito). */
const COLOURS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#999999', '#b8860b'];

/**
 * `series` are names, the first of which is highlighted; `rows` are { label, values, texts } with a value and a text for each
 * series, undefined where there is none.
 */
export function barChart({ title, subtitle, series, rows }) {
  const width = MARGIN * 2 + ROW_LABEL + BAR_AREA + FIGURE;
  const parts = [];
  let y = HEAD;
  for (const row of rows) {
    parts.push(...drawRow(row, y));
    y += barsIn(row) * (BAR + GAP) + ROW_GAP;
  }
  const height = y + MARGIN - ROW_GAP;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<desc>${escaped(subtitle)}</desc>`,
    style,
    text(MARGIN, 26, 'title', title),
    text(MARGIN, 45, 'note', subtitle),
    ...legend(series),
    ...parts,
    '</svg>',
  ].join('\n')}\n`;
}

// The page behind may be light or dark: the chart has no background, and its text takes the reader's scheme.
const style = `<style>
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.note { fill: #656d76 }
.first { font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 } }
</style>`;

function legend(series) {
  const parts = [];
  let x = MARGIN;
  for (const [index, name] of series.entries()) {
    parts.push(`<rect x="${x}" y="56" width="10" height="10" rx="2" fill="${COLOURS[index % COLOURS.length]}"/>`);
    parts.push(text(x + 15, 65, 'note', name));
    x += 15 + name.length * 7 + 18;
  }
  return parts;
}

function drawRow(row, top) {
  const longest = Math.max(...row.values.filter((value) => value !== undefined));
  const height = barsIn(row) * (BAR + GAP) - GAP;
  const label = text(MARGIN + ROW_LABEL - 10, top + height / 2 + 4, '', row.label, 'end');
  const bars = [];
  let y = top;
  for (const [index, value] of row.values.entries()) {
    if (value === undefined) continue;
    const length = longest > 0 ? Math.max(1, (value / longest) * BAR_AREA) : 1;
    const x = MARGIN + ROW_LABEL;
    const fill = COLOURS[index % COLOURS.length];
    bars.push(`<rect x="${x}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2" fill="${fill}"/>`);
    bars.push(text(x + length + 6, y + BAR - 2, index === 0 ? 'first' : '', row.texts[index]));
    y += BAR + GAP;
  }
  return [label, ...bars];
}

const barsIn = ({ values }) => values.filter((value) => value !== undefined).length;

function text(x, y, name, content, anchor = 'start') {
  const kind = name === '' ? '' : ` class="${name}"`;
  const side = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text x="${Number(x.toFixed(1))}" y="${Number(y.toFixed(1))}"${kind}${side}>${escaped(content)}</text>`;
}

export const escaped = (content) =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
