/** The map: a cell for each segment, filled from the bottom up with what it holds. One stop for the Tab key. */
import type { SegmentPicture } from '../model.js';
import { byId, html } from './dom.js';
import { count, percent } from './figures.js';

/** Cells on a page: more would make the browser slow. */
const PER_PAGE = 4096;

export class SegmentMap {
  readonly #map = byId('map');
  readonly #onOpen: (index: number) => void;
  #segments: (SegmentPicture | undefined)[] = [];
  #cells: HTMLElement[] = [];
  #page = 0;
  #active = 0;
  #selected = -1;

  constructor(onOpen: (index: number) => void) {
    this.#onOpen = onOpen;
    this.#map.addEventListener('keydown', (event) => this.#onKey(event));
    this.#map.addEventListener('click', (event) => {
      const cell = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>('.cell') : null;
      if (cell !== null) this.#open(Number(cell.dataset['index']));
    });
    byId('previous').addEventListener('click', () => this.#turnTo(this.#page - 1));
    byId('next').addEventListener('click', () => this.#turnTo(this.#page + 1));
  }

  /** Forgets all segments. */
  clear(): void {
    this.#segments = [];
    this.#removeCells(0);
    this.#page = 0;
    this.#selected = -1;
  }

  /** Takes what has changed. `total`: how many segments there are now. */
  update(total: number, changed: readonly SegmentPicture[]): void {
    this.#segments.length = total;
    for (const segment of changed) if (segment.index < total) this.#segments[segment.index] = segment;
    const pages = Math.max(1, Math.ceil(total / PER_PAGE));
    if (this.#page >= pages) this.#page = pages - 1;
    const wanted = Math.max(0, Math.min(PER_PAGE, total - this.#page * PER_PAGE));
    if (this.#cells.length !== wanted) this.#build();
    else for (const { index } of changed) this.#draw(index);
    byId('pager').hidden = pages === 1;
    byId('page-of').textContent = `page ${this.#page + 1} of ${pages}`;
    (byId('previous') as HTMLButtonElement).disabled = this.#page === 0;
    (byId('next') as HTMLButtonElement).disabled = this.#page === pages - 1;
  }

  #turnTo(page: number): void {
    this.#page = page;
    this.#active = page * PER_PAGE;
    this.#build();
    this.update(this.#segments.length, []);
  }

  /** Makes as many cells as there are segments on this page. Those that are there stay: somebody may be clicking on one. */
  #build(): void {
    const first = this.#page * PER_PAGE;
    const length = Math.max(0, Math.min(PER_PAGE, this.#segments.length - first));
    if (Number(this.#cells[0]?.dataset['index'] ?? first) !== first) this.#removeCells(0);
    this.#removeCells(length);
    for (let i = this.#cells.length; i < length; i++) {
      const index = first + i;
      this.#cells.push(html('div', { class: 'cell', role: 'option', id: `cell-${index}`, 'data-index': index }));
      this.#map.append(this.#cells[i] as HTMLElement);
    }
    this.#map.style.setProperty('--cell', length <= 256 ? '30px' : length <= 1024 ? '20px' : '13px');
    for (let i = 0; i < length; i++) this.#draw(first + i);
    this.#moveTo(Math.min(Math.max(this.#active, first), first + length - 1), false);
  }

  #removeCells(from: number): void {
    for (const cell of this.#cells.splice(from)) cell.remove();
  }

  #cell(index: number): HTMLElement | undefined {
    return this.#cells[index - this.#page * PER_PAGE];
  }

  #draw(index: number): void {
    const cell = this.#cell(index);
    if (cell === undefined) return;
    const segment = this.#segments[index];
    const leader = this.#leaderOf(index);
    const classes = ['cell'];
    if (segment === undefined || leader === undefined) classes.push('unseen');
    else if (segment.state === 'tail') classes.push('tail');
    if (leader !== undefined && (leader.state === 'damaged' || leader.lostEntries > 0)) classes.push('lost');
    if (index === this.#active) classes.push('active');
    cell.className = classes.join(' ');
    cell.setAttribute('aria-selected', String(index === this.#selected));
    const [live, slack, garbage] = leader === undefined ? [0, 0, 0] : sharesOf(leader);
    cell.style.setProperty('--a', `${live * 100}%`);
    cell.style.setProperty('--b', `${(live + slack) * 100}%`);
    cell.style.setProperty('--c', `${(live + slack + garbage) * 100}%`);
    const label = describe(index, segment, leader);
    cell.setAttribute('aria-label', label);
    cell.title = label;
  }

  /** The segment that speaks for this one. */
  #leaderOf(index: number): SegmentPicture | undefined {
    let at = index;
    while (at > 0 && this.#segments[at]?.state === 'tail') at--;
    return this.#segments[at];
  }

  #onKey(event: KeyboardEvent): void {
    const columns = this.#columns();
    const last = this.#page * PER_PAGE + this.#cells.length - 1;
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: this.#active - 1,
      ArrowRight: this.#active + 1,
      ArrowUp: this.#active - columns,
      ArrowDown: this.#active + columns,
      Home: this.#page * PER_PAGE,
      End: last,
    };
    if (event.key === 'Enter' || event.key === ' ') this.#open(this.#active);
    else if (steps[event.key] !== undefined) this.#moveTo(steps[event.key] as number, true);
    else return;
    event.preventDefault();
  }

  #columns(): number {
    const top = this.#cells[0]?.offsetTop;
    const columns = this.#cells.findIndex((cell) => cell.offsetTop !== top);
    return columns < 0 ? Math.max(1, this.#cells.length) : columns;
  }

  #moveTo(index: number, scroll: boolean): void {
    const next = this.#cell(index);
    if (next === undefined) return;
    this.#cell(this.#active)?.classList.remove('active');
    this.#active = index;
    next.classList.add('active');
    this.#map.setAttribute('aria-activedescendant', next.id);
    if (scroll) next.scrollIntoView({ block: 'nearest' });
  }

  #open(index: number): void {
    this.#moveTo(index, false);
    this.#cell(this.#selected)?.setAttribute('aria-selected', 'false');
    this.#selected = index;
    this.#cell(index)?.setAttribute('aria-selected', 'true');
    this.#onOpen(this.#leaderOf(index)?.index ?? index);
  }
}

function sharesOf(segment: SegmentPicture): [number, number, number] {
  const whole = segment.liveBytes + segment.slackBytes + segment.garbageBytes + segment.freeBytes || 1;
  return [segment.liveBytes / whole, segment.slackBytes / whole, segment.garbageBytes / whole];
}

function describe(index: number, segment: SegmentPicture | undefined, leader: SegmentPicture | undefined): string {
  if (segment === undefined || leader === undefined) return `Segment ${index}: not read yet`;
  if (segment.state === 'tail') return `Segment ${index}: part of the run that begins at ${leader.index}`;
  if (segment.state === 'free') return `Segment ${index}: free`;
  if (segment.state === 'ended') return `Segment ${index}: emptied, waiting for a sync point`;
  const [live, slack, garbage] = sharesOf(segment);
  const lost = segment.lostEntries > 0 ? `, ${count(segment.lostEntries)} lost` : '';
  const damaged = segment.state === 'damaged' ? ', header damaged' : '';
  return `Segment ${index}: ${percent(live)} live, ${percent(slack)} slack, ${percent(garbage)} garbage; ${count(segment.liveEntries)} live entries${lost}${damaged}`;
}
