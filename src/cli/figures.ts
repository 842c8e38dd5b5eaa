/** Figures as people read them. */

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

export const count = (number: number): string => grouped.format(number);

/** '1 entry', '2,000 entries'. */
export const counted = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`;

export function bytes(number: number): string {
  let unit = 0;
  let value = number;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return unit === 0 ? counted(value, 'byte') : `${value.toFixed(1)} ${units[unit]}`;
}

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

export const milliseconds = (ms: number): string =>
  ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;

/** Three significant digits: the rest is noise. */
export function perSecond(operations: number, ms: number): number {
  const rate = operations / (ms / 1000);
  if (!Number.isFinite(rate)) return 0;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(rate)) - 2);
  return Math.round(rate / unit) * unit;
}

/** Rows of cells as lines: the first column to the left, all others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => (row[c] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, c) => (c === 0 ? cell.padEnd(widths[c] ?? 0) : cell.padStart(widths[c] ?? 0)))
      .join('   ')
      .trimEnd(),
  );
}
