// What CI runs, step by step: `bash .ci/run`. The last line is `N passed, N failed`, over every step.
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { addCounts, countsLine, fail, readReport, root, run, tool } from './lib/run.mjs';
import { setup } from './setup.mjs';

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const script = (name, ...args) => run(npm, ['run', '--silent', name, '--', ...args]).then(({ code }) => code);

// Each step: a title, the names of the reports it leaves (none: the step counts as one), and what to run.
const steps = [
  ['clean install', [], cleanInstall],
  ['checks', ['check'], () => script('check')],
  ['build by node-gyp alone', [], nodeGyp],
  ['npm test', ['native', 'js', 'crash', 'hostile'], () => run(npm, ['test', '--silent']).then(({ code }) => code)],
  ['in a browser', ['browser'], () => script('test:browser')],
  ['ASan and UBSan', ['asan'], () => script('test:asan')],
  ['TSan', ['tsan'], () => script('test:tsan')],
  ['fuzzing', ['fuzz'], () => script('test:fuzz', '--runs', '12000', '--seed', '1')],
  ['Node suite under ASan', ['node-address-undefined'], () => script('test:node-asan')],
  ['soak', ['soak'], () => script('test:soak')],
  ['branch coverage', ['coverage'], () => script('test:coverage')],
  ['instructions of hot paths', ['instructions'], () => script('test:instructions')],
  ['package', ['package'], () => script('test:package')],
  ['documentation site', [], () => script('docs')],
];

rmSync(join(root, 'build', 'reports'), { recursive: true, force: true });
const results = [];
for (const [title, reports, action] of steps) {
  console.log(`\n=== ${title}`);
  const started = Date.now();
  const code = await Promise.resolve()
    .then(action)
    .catch((error) => {
      fail(error);
      return 1;
    });
  const counts = addCounts(reports.map((name) => readReport(name) ?? {}));
  if (reports.length === 0 && code === 0) counts.passed = 1;
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  results.push({ title, seconds: (Date.now() - started) / 1000, ...counts });
  if (title === 'clean install' && code !== 0) break; // nothing else could run
}

console.log('\n=== summary');
for (const { title, seconds, ...counts } of results) {
  console.log(`${title.padEnd(26)} ${seconds.toFixed(1).padStart(7)} s   ${countsLine(counts)}`);
}
const total = addCounts(results);
if (total.failed) process.exitCode = 1;
if (total.skipped) console.log(`${total.skipped} skipped`);
console.log(`${total.passed} passed, ${total.failed} failed`); // exactly this: others read it

async function cleanInstall() {
  for (const folder of ['node_modules', 'build', 'dist']) rmSync(join(root, folder), { recursive: true, force: true });
  await setup(['deps']);
  return 0;
}

/** In a copy: `node-gyp rebuild` empties build/, which the other builds share. */
async function nodeGyp() {
  const copy = mkdtempSync(join(tmpdir(), 'mmcb-node-gyp-'));
  try {
    for (const name of ['package.json', 'binding.gyp', 'native'])
      cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
    // Node's headers beside Node itself, where they are, spare the download.
    const prefix = join(dirname(process.execPath), '..');
    const nodedir = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
    const args = [tool('node-gyp/bin/node-gyp.js'), 'rebuild', '--jobs', '2', ...nodedir];
    const built = await run(process.execPath, args, { cwd: copy, quiet: true });
    if (built.code !== 0) {
      console.log(built.output);
      return built.code;
    }
    const loads = 'console.log("it exports", Object.keys(require("./build/Release/mmcb.node")).length, "names")';
    return (await run(process.execPath, ['-e', loads], { cwd: copy })).code;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
