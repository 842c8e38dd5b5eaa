/** One segment: its header, a strip of its entries to scale, a table of them, and the bytes of one. */
import type { EntryPicture, SegmentDetail, SegmentPicture } from '../model.js';
import { byId, definitions, html, svg } from './dom.js';
import { bytes, count, hex } from './figures.js';
import { HEX_SHOWN, hexView } from './hex-view.js';

/** Entries that are asked for at once. */
const PAGE = 500;

const statusClass: Readonly<Record<EntryPicture['status'], string>> = {
  live: 'live',
  ended: 'garbage',
  internal: 'garbage',
  'mark lost': 'lost',
  unreadable: 'lost',
};

export class SegmentView {
  readonly #body = byId('segment-body');
  readonly #title = byId('segment-title');
  readonly #reload = byId('reload');
  #index = -1;

  constructor() {
    this.#reload.addEventListener('click', () => void this.show(this.#index));
  }

  /** Reads a segment from the file, as it is now, and shows it. */
  async show(index: number): Promise<void> {
    this.#index = index;
    this.#title.textContent = `Segment ${index}`;
    const detail = await this.#ask(index, 0);
    if (this.#index !== index) return; // another one was chosen meanwhile
    if (detail === undefined) {
      this.#body.replaceChildren(html('p', { class: 'quiet' }, 'There is no such segment any more.'));
      return;
    }
    this.#reload.hidden = false;
    this.#body.replaceChildren(header(detail.segment));
    if (detail.total === 0) {
      this.#body.append(html('p', { class: 'quiet' }, 'It holds no entries.'));
      return;
    }
    this.#body.append(strip(detail), this.#table(detail), html('div', { id: 'entry' }));
    this.#title.focus();
  }

  async #ask(index: number, from: number): Promise<SegmentDetail | undefined> {
    const answer = await fetch(`segment.json?index=${index}&from=${from}&limit=${PAGE}`);
    return answer.ok ? ((await answer.json()) as SegmentDetail) : undefined;
  }

  #table(detail: SegmentDetail): HTMLElement {
    const names = ['offset', 'status', 'key', 'kind', 'data', 'capacity', 'epoch', 'ended', 'version', 'ordinal'];
    const body = html('tbody', {}, ...detail.entries.map((entry) => this.#row(entry)));
    const caption = html('caption', { class: 'skip' }, `Entries of segment ${detail.segment.index}`);
    const table = html(
      'table',
      {},
      caption,
      html('thead', {}, html('tr', {}, ...names.map((name) => html('th', { scope: 'col' }, name)))),
      body,
    );
    const box = html('div', { class: 'scroll' }, table);
    let shown = detail.entries.length;
    if (shown >= detail.total) return box;
    const more = html('button', { type: 'button' }, `Show more of ${count(detail.total)}`);
    more.addEventListener('click', async () => {
      const next = await this.#ask(detail.segment.index, shown);
      for (const entry of next?.entries ?? []) body.append(this.#row(entry));
      shown += next?.entries.length ?? 0;
      more.hidden = (next?.entries.length ?? 0) === 0 || shown >= detail.total;
    });
    return html('div', {}, box, html('p', {}, more));
  }

  #row(entry: EntryPicture): HTMLElement {
    const open = html('button', { type: 'button', 'aria-label': `Bytes at ${entry.offset}` }, hex(entry.offset, 8));
    const cells = [
      entry.status,
      entry.key,
      entry.kind === 'none' ? '' : entry.kind,
      entry.kind === 'none' ? bytes(entry.size) : count(entry.dataSize),
      ...(entry.kind === 'none' ? ['', '', '', '', ''] : numbersOf(entry)),
    ];
    const row = html(
      'tr',
      { class: `status-${entry.status.replace(' ', '-')}` },
      html('td', {}, open),
      ...cells.map((text, i) => html('td', i === 1 ? { title: text } : {}, text)),
    );
    open.addEventListener('click', () => {
      for (const other of row.parentElement?.children ?? []) other.removeAttribute('aria-current');
      row.setAttribute('aria-current', 'true');
      void showEntry(entry);
    });
    return row;
  }
}

function numbersOf(entry: EntryPicture): string[] {
  const { capacity, epoch, endEpoch, version, ordinal } = entry;
  return [count(capacity), count(epoch), endEpoch === 0 ? '' : count(endEpoch), count(version), count(ordinal)];
}

function header(segment: SegmentPicture): HTMLElement {
  return html(
    'dl',
    { class: 'fields' },
    ...definitions([
      ['state', segment.state === 'damaged' ? 'header damaged' : segment.state],
      ['at byte', count(segment.offset)],
      ['length', `${bytes(segment.length)}${segment.runLength > 1 ? ` (run of ${segment.runLength})` : ''}`],
      ['incarnation', hex(segment.incarnation, 8)],
      ['born in epoch', count(segment.birthEpoch)],
      ['live entries', count(segment.liveEntries)],
      ['dead entries', count(segment.deadEntries)],
      ['live', bytes(segment.liveBytes)],
      ['slack', bytes(segment.slackBytes)],
      ['garbage', bytes(segment.garbageBytes)],
      ['free', bytes(segment.freeBytes)],
      ...(segment.lostEntries > 0 ? [['lost entries', count(segment.lostEntries)] as const] : []),
    ]),
  );
}

/** The entries of the segment to scale. */
function strip({ segment, entries }: SegmentDetail): SVGElement {
  const width = 1000;
  const scale = width / segment.length;
  const picture = svg('svg', {
    class: 'strip',
    viewBox: `0 0 ${width} 10`,
    preserveAspectRatio: 'none',
    role: 'img',
    'aria-label': `${entries.length} entries of segment ${segment.index}, to scale`,
  });
  picture.append(svg('rect', { class: 'free', width, height: 10 }));
  for (const entry of entries) {
    const x = (entry.offset - segment.offset) * scale;
    const size = entry.size * scale;
    const slack = entry.status === 'live' ? entry.slackBytes * scale : 0;
    picture.append(svg('rect', { class: statusClass[entry.status], x, width: Math.max(0, size - slack), height: 10 }));
    if (slack > 0) picture.append(svg('rect', { class: 'slack', x: x + size - slack, width: slack, height: 10 }));
  }
  return picture;
}

async function showEntry(entry: EntryPicture): Promise<void> {
  const target = byId('entry');
  const length = Math.min(entry.size, HEX_SHOWN);
  const answer = await fetch(`bytes?offset=${entry.offset}&length=${length}`);
  const read = new Uint8Array(await answer.arrayBuffer());
  const isEntry = entry.kind !== 'none';
  const fields: [string, string][] = [
    ['address', count(entry.address)],
    ['slot', count(entry.slot)],
    ['generation', count(entry.generation)],
    ['key bytes', count(entry.keySize)],
    ['slack', bytes(entry.slackBytes)],
    ['checksum', `${hex(entry.crc, 8)}${entry.checked ? '' : ' (not checked)'}`],
  ];
  target.replaceChildren(
    html('h3', {}, isEntry ? `Entry at ${count(entry.offset)}` : `${bytes(entry.size)} that hold no whole entry`),
    ...(isEntry ? [html('dl', { class: 'fields' }, ...definitions(fields))] : []),
    hexView(entry, read),
  );
  if (entry.size > length)
    target.append(html('p', { class: 'quiet' }, `the first ${bytes(length)} of ${bytes(entry.size)}`));
}
