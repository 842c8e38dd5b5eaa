// Figures as people read them.

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export const count = (number) => grouped.format(number);

export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Three significant digits: the rest is noise. */
export function perSecond(operations, milliseconds) {
  const rate = operations / (milliseconds / 1000);
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(rate)) - 2);
  return Number.isFinite(rate) ? count(Math.round(rate / unit) * unit) : '-';
}

export const milliseconds = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** From nanoseconds. */
export function latency(ns) {
  return ns < 1e6 ? `${(ns / 1e3).toFixed(1)} µs` : `${(ns / 1e6).toFixed(1)} ms`;
}

/** Rows of cells as lines: the first column to the left, all others to the right. */
export function alignedRows(rows) {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => (row[c] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
      .join('   ')
      .trimEnd(),
  );
}
