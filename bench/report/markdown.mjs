/** Markdown: tables, figures as text, and blocks of a document that are generated. */

/** A table whose first column is text and whose others are figures. Cells are padded, so that it reads well as it is. */
export function table([head, ...rows]) {
  const all = [head, ...rows].map((row) => row.map((cell) => String(cell).replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => width(row[column] ?? ''))));
  const line = (row) => `| ${row.map((cell, column) => pad(cell, widths[column], column > 0)).join(' | ')} |`;
  const rule = widths.map((size, column) => (column === 0 ? '-'.repeat(size) : `${'-'.repeat(size - 1)}:`));
  return [line(all[0]), `| ${rule.join(' | ')} |`, ...all.slice(1).map(line)].join('\n');
}

/** Replaces what stands between the marks of a generated block; throws when the document has no such block. */
export function replaceBlock(document, name, content) {
  const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end of generated: ${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no block '${name}'`);
  return `${document.slice(0, from + begin.length)}\n\n${content.trim()}\n\n${document.slice(to)}`;
}

/** A duration of nanoseconds with three significant digits and its unit. */
export function duration(nanoseconds) {
  if (nanoseconds < 999.5) return `${digits(nanoseconds)} ns`;
  if (nanoseconds < 999.5e3) return `${digits(nanoseconds / 1e3)} µs`;
  if (nanoseconds < 999.5e6) return `${digits(nanoseconds / 1e6)} ms`;
  return `${digits(nanoseconds / 1e9)} s`;
}

export function byteCount(bytes) {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  if (bytes < 999.5e3) return `${digits(bytes / 1e3)} kB`;
  if (bytes < 999.5e6) return `${digits(bytes / 1e6)} MB`;
  return `${digits(bytes / 1e9)} GB`;
}

export const ratio = (number) => `${digits(number)} ×`;

export const count = (number) => number.toLocaleString('en-US');

/** Three significant digits, never an exponent; 100 and more without a fraction. */
export function digits(number) {
  if (number >= 99.95) return String(Math.round(number));
  if (number >= 9.995) return number.toFixed(1);
  return number.toFixed(2);
}

const width = (text) => [...text].length;

const pad = (text, size, right) => {
  const space = ' '.repeat(Math.max(0, size - width(text)));
  return right ? space + text : text + space;
};
