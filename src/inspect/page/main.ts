/** Asks for the file once a second and shows what it says. */
import type { FilePicture, HeadPicture, Totals } from '../model.js';
import { histogram, timeline } from './charts.js';
import { byId, definitions, html } from './dom.js';
import { bytes, count, percent, shortBytes } from './figures.js';
import { SegmentMap } from './segment-map.js';
import { SegmentView } from './segment-view.js';

const INTERVAL = 1000;
/** While nobody looks. */
const HIDDEN_INTERVAL = 5000;
const shares = ['live', 'slack', 'garbage', 'free'] as const;

const view = new SegmentView();
const map = new SegmentMap((index) => void view.show(index));
let version = 0;
let fileId = '';

async function follow(): Promise<void> {
  try {
    const answer = await fetch(`file.json?since=${version}`);
    if (!answer.ok) throw new Error(await answer.text());
    show((await answer.json()) as FilePicture);
  } catch {
    problem('mmcb inspect has ended. What you see is as of then.');
  }
  setTimeout(follow, document.hidden ? HIDDEN_INTERVAL : INTERVAL);
}

function show(file: FilePicture): void {
  problem(file.problem === '' ? '' : `The file cannot be read at the moment: ${file.problem}`);
  byId('name').textContent = file.path.replace(/^.*[\\/]/, '');
  byId('path').textContent = file.path;
  document.title = `${byId('name').textContent} - mmcb inspect`;
  const { head } = file;
  if (head === null) return;
  version = file.version;
  if (head.fileId !== fileId) map.clear(); // another file has taken its place
  fileId = head.fileId;
  showFacts(head, file.totals);
  showTotals(file.totals, head.fileSize);
  map.update(head.segmentCount, file.segments);
  byId('scanned').textContent =
    file.scanned < head.segmentCount
      ? `${count(file.scanned)} of ${count(head.segmentCount)} read`
      : `${count(head.segmentCount)} of ${bytes(head.segmentSize)}`;
  const now = file.samples.at(-1);
  if (now !== undefined) {
    byId('timeline-now').textContent = `${bytes(now.fileSize)}, durable epoch ${count(now.durableEpoch)}`;
    byId('timeline').replaceChildren(timeline(file.samples));
  }
  byId('sizes').replaceChildren(
    histogram('Live entries by size in the file', file.totals.sizes, (i) => shortBytes(2 ** i)),
  );
  byId('slacks').replaceChildren(
    histogram('Live entries by the share of their capacity that is slack', file.totals.slacks, (i) => `${i * 10} %`),
  );
}

function showFacts(head: HeadPicture, totals: Totals): void {
  const state = head.closedInOrder ? 'closed in order' : 'open, or not closed in order';
  byId('facts').replaceChildren(
    ...definitions([
      ['size', bytes(head.fileSize)],
      ['live entries', count(totals.liveEntries)],
      ['durable epoch', count(head.durableEpoch)],
      ['superblock', `no. ${count(head.sequence)}`],
      ['durability', head.processMode ? 'process' : 'interval'],
      ['state', head.state === 'failed' ? 'a sync failed' : state],
      ...(head.damaged || totals.lostEntries > 0 ? [['damage', `${count(totals.lostEntries)} lost`] as const] : []),
    ]),
  );
}

function showTotals(totals: Totals, fileSize: number): void {
  const parts = shares.map((share) => ({ share, size: totals[`${share}Bytes`] }));
  byId('totals').replaceChildren(
    ...parts.map(({ share, size }) => {
      const bar = html('div', { class: share });
      bar.style.width = `${(size / fileSize) * 100}%`;
      return bar;
    }),
  );
  byId('legend').replaceChildren(
    ...parts.map(({ share, size }) =>
      html(
        'li',
        {},
        html('span', { class: `swatch ${share}` }),
        `${share} ${bytes(size)} (${percent(size / fileSize)})`,
      ),
    ),
  );
}

function problem(text: string): void {
  const box = byId('problem');
  box.hidden = text === '';
  if (box.textContent !== text) box.textContent = text;
}

void follow();
