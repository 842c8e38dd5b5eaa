/**
 * node bench/report.mjs [FILE] [--output FOLDER]: writes the tables of docs/performance.md, its charts and the figures in README.md
 * from a file of results, by default the latest complete ones. With --output, copies of all that into a folder, to look at.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from '../scripts/lib/run.mjs';
import { loadEngine } from './engines/index.mjs';
import { latestNativeResults, trialsOf } from './native/results.mjs';
import { makeCharts } from './report/charts.mjs';
import { behindBlock, headlineBlock, machineBlock, tablesBlock, targetsBlock } from './report/document.mjs';
import { evaluateTargets } from './report/evaluate.mjs';
import { replaceBlock } from './report/markdown.mjs';
import { nativeBlock } from './report/native.mjs';
import { labelsOf } from './report/terminal.mjs';
import { Figures, latestResults, readResults } from './results.mjs';
import { targets } from './targets.mjs';

export async function writeReport(results, output = root) {
  const native = latestNativeResults();
  const figures = new Figures({ ...results, trials: [...results.trials, ...trialsOf(native)] });
  const { engines } = results.settings;
  const labels = await labelsOf(engines);
  const stores = new Set();
  for (const engine of engines) {
    const module = await loadEngine(engine).catch(() => ({}));
    if (!module.volatile) stores.add(engine);
  }
  const volatile = (engine) => !stores.has(engine);
  const scale = figures.scales().find(({ size, entries }) => size === 100 && entries === 1e6) ?? figures.scales()[0];

  const charts = makeCharts(figures, labels);
  writeCharts(charts, join(output, 'docs', 'images'));
  rewrite(output, 'docs/performance.md', {
    machine: machineBlock(results),
    targets: targetsBlock(targets, figures, volatile),
    behind: behindBlock(figures, labels, volatile),
    tables: tablesBlock(figures, labels, charts),
  });
  if (native !== undefined) writeNativeReport(native, output);
  rewrite(output, 'README.md', { headline: headlineBlock(results, figures, labels, volatile, scale) });

  for (const { workload, bound, figure, verdict } of evaluateTargets(targets, figures, volatile)) {
    console.log(`${verdict.padEnd(13)} ${figure.padEnd(12)} ${workload}: ${bound}`);
  }
}

/** Only the tables of the core alone; the targets that speak of it are written with the others. */
export function writeNativeReport(results, output = root) {
  const from = existsSync(join(output, 'docs/performance.md')) ? output : root;
  rewrite(output, 'docs/performance.md', { native: nativeBlock(results) }, from);
}

/** Those of an earlier run go, or figures that are no longer in the tables would stay in the repository. */
function writeCharts(charts, folder) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (/^bench-.*\.svg$/.test(name)) rmSync(join(folder, name));
  for (const { file, svg } of charts) writeFileSync(join(folder, file), svg);
}

function rewrite(output, name, blocks, from = root) {
  let document = readFileSync(join(from, name), 'utf8');
  for (const [block, content] of Object.entries(blocks)) document = replaceBlock(document, block, content);
  mkdirSync(dirname(join(output, name)), { recursive: true });
  writeFileSync(join(output, name), document);
  console.log(`written: ${name}`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({ options: { output: { type: 'string' } }, allowPositionals: true });
  const [file] = positionals;
  await writeReport(file === undefined ? latestResults() : readResults(file), values.output && resolve(values.output));
}
