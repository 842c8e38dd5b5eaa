/** What the benchmark writes: Markdown and SVG. */
import { describe, expect, it } from 'vitest';
import { barChart, escaped } from '../../../bench/report/chart.mjs';
import { byteCount, duration, replaceBlock, table } from '../../../bench/report/markdown.mjs';

describe('Markdown', () => {
  it('tables are aligned as text, and pipes do not break them', () => {
    expect(
      table([
        ['', 'µs'],
        ['a|b', 1],
      ]),
    ).toBe(['|      |  µs |', '| ---- | --: |', '| a\\|b |   1 |'].join('\n'));
  });

  it('durations and sizes have three digits and a unit', () => {
    expect([0.6, 42, 999.6, 1234, 99_960, 5.5e6, 2e9].map(duration)).toEqual([
      '0.60 ns',
      '42.0 ns',
      '1.00 µs',
      '1.23 µs',
      '100 µs',
      '5.50 ms',
      '2.00 s',
    ]);
    expect([12, 1234, 5e6, 7.25e9].map(byteCount)).toEqual(['12 B', '1.23 kB', '5.00 MB', '7.25 GB']);
  });

  it('replaces a generated block, and only that', () => {
    const document = 'a\n<!-- generated: x -->\nold\n<!-- end of generated: x -->\nb\n';
    const once = replaceBlock(document, 'x', 'new');
    expect(once).toBe('a\n<!-- generated: x -->\n\nnew\n\n<!-- end of generated: x -->\nb\n');
    expect(replaceBlock(once, 'x', 'new')).toBe(once);
    expect(() => replaceBlock(document, 'y', 'new')).toThrow("no block 'y'");
  });
});

describe('charts', () => {
  const chart = {
    title: 'A & B',
    subtitle: 'more is better',
    series: ['mmcb', 'other', 'third'],
    rows: [
      { label: 'get <key>', values: [2, 1, undefined], texts: ['two', 'one', undefined] },
      { label: 'set', values: [1, undefined, 4], texts: ['1', undefined, '4'] },
    ],
  };
  const svg = barChart(chart);

  it('are well-formed, with a bar for each value and text for all', () => {
    const open = svg.match(/<(svg|title|desc|style|text)\b/g) ?? [];
    const close = svg.match(/<\/(svg|title|desc|style|text)>/g) ?? [];
    expect(open.length).toBe(close.length);
    expect(svg.match(/<rect /g)).toHaveLength(chart.series.length + 4);
    for (const text of ['A &amp; B', 'get &lt;key&gt;', '>two<', '>third<']) expect(svg).toContain(text);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('scale each row by itself: the longest bar is the same everywhere', () => {
    const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)" height="13"/g)].map((match) => Number(match[1]));
    expect(widths).toEqual([400, 200, 100, 400]);
  });

  it('follow the scheme of the reader', () => {
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(escaped('"<&>"')).toBe('&quot;&lt;&amp;&gt;&quot;');
  });
});
