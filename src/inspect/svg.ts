/** The map of a file as one SVG picture: what the page shows, without a server. */
import type { FileScan } from './format-reader.js';
import type { SegmentPicture } from './model.js';
import { totalsOf } from './totals.js';

const CELL = 18;
const GAP = 3;
const MARGIN = 24;
const COLUMNS = 32;
const TOP = 96;

/** Shares of a segment, in the order in which they are drawn, from the bottom up. */
export const shares = ['live', 'slack', 'garbage', 'free'] as const;
export type Share = (typeof shares)[number];

/** A picture of all segments, 32 to a row. It follows the viewer's light or dark preference. */
export function svgMap(name: string, { head, segments }: FileScan): string {
  const columns = Math.min(COLUMNS, Math.max(16, segments.length));
  const rows = Math.max(1, Math.ceil(segments.length / columns));
  const width = 2 * MARGIN + columns * (CELL + GAP) - GAP;
  const height = TOP + rows * (CELL + GAP) + MARGIN;
  const totals = totalsOf(head, segments);
  const figures = shares.map((share) => ({ share, bytes: totals[`${share}Bytes`] }));
  const title = `${name}: ${size(head.fileSize)}, ${totals.liveEntries} live entries, durable epoch ${head.durableEpoch}`;
  const legend = figures.map(({ share, bytes }, i) => {
    const x = MARGIN + i * Math.floor((width - 2 * MARGIN) / shares.length);
    return `<rect class="${share}" x="${x}" y="56" width="12" height="12" rx="2"/><text class="small" x="${x + 17}" y="66">${share} ${size(bytes)}</text>`;
  });
  const cells = segments.map((segment) => {
    const x = MARGIN + (segment.index % columns) * (CELL + GAP);
    const y = TOP + Math.floor(segment.index / columns) * (CELL + GAP);
    return cell(segment, leaderOf(segments, segment), x, y);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}">
<title>${escapeText(title)}</title>
<style>${style}</style>
<rect class="page" width="${width}" height="${height}" rx="10"/>
<text class="name" x="${MARGIN}" y="34">${escapeText(name)}</text>
<text class="small" x="${width - MARGIN}" y="34" text-anchor="end">${size(head.fileSize)}, ${segments.length} segments of ${size(head.segmentSize)}</text>
${[...legend, ...cells].join('\n')}
</svg>
`;
}

/** What the cell of a segment shows: its own shares, or those of the run that it is part of. */
export function sharesOf(segment: SegmentPicture): Record<Share, number> {
  const whole = segment.liveBytes + segment.slackBytes + segment.garbageBytes + segment.freeBytes || 1;
  return {
    live: segment.liveBytes / whole,
    slack: segment.slackBytes / whole,
    garbage: segment.garbageBytes / whole,
    free: segment.freeBytes / whole,
  };
}

/** The segment that speaks for this one. */
function leaderOf(segments: readonly SegmentPicture[], segment: SegmentPicture): SegmentPicture {
  let at = segment.index;
  while (at > 0 && segments[at]?.state === 'tail') at--;
  return segments[at] ?? segment;
}

function cell(segment: SegmentPicture, leader: SegmentPicture, x: number, y: number): string {
  const share = sharesOf(leader);
  let bottom = y + CELL;
  const parts = shares
    .filter((name) => name !== 'free' && share[name] > 0)
    .map((name) => {
      const height = Math.round(share[name] * CELL * 100) / 100;
      bottom -= height;
      return `<rect class="${name}" x="${x}" y="${bottom.toFixed(2)}" width="${CELL}" height="${height}"/>`;
    });
  const frame = leader.state === 'damaged' || leader.lostEntries > 0 ? 'damaged' : 'frame';
  return `<g><title>segment ${segment.index}: ${leader.state}</title><rect class="free" x="${x}" y="${y}" width="${CELL}" height="${CELL}"/>${parts.join('')}<rect class="${frame}" x="${x}" y="${y}" width="${CELL}" height="${CELL}"/></g>`;
}

const style =
  '.page{fill:#fbfbfa}.name{font:600 15px system-ui,sans-serif;fill:#1d2327}.small{font:12px system-ui,sans-serif;fill:#56606a}' +
  '.live{fill:#2f7d6b}.slack{fill:#8fc7b4}.garbage{fill:#d9822b}.free{fill:#e3e6e8}.frame{fill:none;stroke:#00000014}' +
  '.damaged{fill:none;stroke:#c4314b;stroke-width:2}' +
  '@media (prefers-color-scheme:dark){.page{fill:#15191d}.name{fill:#e8ebee}.small{fill:#9aa5af}.live{fill:#3fa38c}' +
  '.slack{fill:#24594d}.garbage{fill:#e0913f}.free{fill:#262c32}.frame{stroke:#ffffff14}.damaged{stroke:#f0637a}}';

function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
