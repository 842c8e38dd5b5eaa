/** The bytes of one entry, coloured by what they are. */
import type { EntryPicture } from '../model.js';
import { html } from './dom.js';
import { hex } from './figures.js';

const HEADER = 32;
const ROW = 16;
/** Bytes that are shown at most. */
export const HEX_SHOWN = 4096;

/** The part of an entry that a byte belongs to. */
function fieldOf(at: number, entry: EntryPicture): string {
  if (entry.status === 'unreadable') return 'slack';
  if (at < 4) return 'crc';
  if (at < HEADER) return 'header';
  if (at < HEADER + entry.keySize) return 'key';
  return at < HEADER + entry.keySize + entry.dataSize ? 'data' : 'slack';
}

export function hexView(entry: EntryPicture, bytes: Uint8Array): HTMLElement {
  const rows: (Node | string)[] = [];
  for (let from = 0; from < bytes.length; from += ROW) {
    const row = bytes.subarray(from, from + ROW);
    rows.push(html('span', { class: 'offset' }, hex(entry.offset + from, 8)), '  ');
    rows.push(...coloured(row, from, entry, (byte) => `${hex(byte, 2)} `), '   '.repeat(ROW - row.length), ' ');
    rows.push(...coloured(row, from, entry, printable), '\n');
  }
  const label = `Bytes of the entry at ${entry.offset}: checksum, header, key, data, slack`;
  return html('div', { class: 'hex', tabindex: 0, role: 'region', 'aria-label': label }, ...rows);
}

/** Bytes as text, one element for each stretch of the same field. */
function coloured(row: Uint8Array, from: number, entry: EntryPicture, show: (byte: number) => string): HTMLElement[] {
  const spans: HTMLElement[] = [];
  for (let i = 0; i < row.length; ) {
    const field = fieldOf(from + i, entry);
    let text = '';
    for (; i < row.length && fieldOf(from + i, entry) === field; i++) text += show(row[i] as number);
    spans.push(html('span', { class: `f-${field}` }, text));
  }
  return spans;
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·';
}
