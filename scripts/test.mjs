// npm test: sets up what is missing, runs the suites and ends with one line that adds them up.
//   node scripts/test.mjs [native] [js] [asan] [tsan] [crash] [hostile] [fuzz] [-- arguments]
// No name: native, js, crash and hostile.
// Arguments after `--` go to the suite, when there is one: `npm run test:js -- -t compaction`.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { prepareRedis } from './lib/redis.mjs';
import { addCounts, countsLine, fail, readReport, root, run, writeReport } from './lib/run.mjs';
import { vitest } from './lib/vitest.mjs';
import { setup } from './setup.mjs';

const suites = {
  native: (args) => native('native-plain', args),
  asan: (args) => native('native-address-undefined', ['--sanitize', 'address,undefined', ...args]),
  tsan: (args) => native('native-thread', ['--sanitize', 'thread', ...args]),
  js: (args) => vitestSuite('js', args),
  fuzz: (args) => script('fuzz', 'scripts/fuzz.mjs', args),
  // Power cuts are simulated in native code; kill -9 needs real processes, so it is driven from JavaScript.
  crash: async () => addCounts([...(await powerCuts()), await kills(), await vitestSuite('crash')]),
  hostile: (args) => vitestSuite('hostile', args),
};
// About three minutes on two free cores. By hand, longer: node scripts/native-tests.mjs --power-cut random --seeds 1..9000 --images 20000000
const powerCutRuns = [
  ['exhaustive', '--seeds', '1..5000', '--images', '1000000', '--jobs', '2'],
  ['random', '--seeds', '1..120', '--images', '200000', '--jobs', '2'],
  ['backup', '--seeds', '1..40', '--jobs', '2'],
  ['mutations', '--seeds', '1..3', '--jobs', '2'],
  ['bugs', '--seeds', '1..3', '--jobs', '2'],
];
// In build/, because that is on a real file system where /tmp may not be.
const kills = () =>
  native('kill-plain', ['--kill', join(root, 'build', 'killed.mmcb'), '--kills', process.env.MMCB_KILLS ?? '5600']);
async function powerCuts() {
  const counts = [];
  for (const args of powerCutRuns) counts.push(await native('power-cut-plain', ['--power-cut', ...args]));
  return counts;
}
const vitestSuite = (suite, args) => vitest(suite, args, { env: { MMCB_SUITE: suite } });

const needsNode = new Set(['js', 'crash', 'hostile']);

const argv = process.argv.slice(2);
const firstOther = argv.findIndex((arg) => !(arg in suites));
const named = firstOther < 0 ? argv : argv.slice(0, firstOther);
const args = (firstOther < 0 ? [] : argv.slice(firstOther)).filter((arg) => arg !== '--');
const names = named.length ? named : ['native', 'js', 'crash', 'hostile'];

await main().catch(fail);

async function main() {
  if (names.some((name) => needsNode.has(name))) await setup();
  if (names.includes('js')) await prepareRedis();
  const results = [];
  for (const name of names) results.push([name, await suites[name](names.length === 1 ? args : [])]);
  const total = addCounts(results.map(([, counts]) => counts));
  for (const [name, counts] of results) writeReport(name, counts);
  const parts = results.map(([name, counts]) => `${name} ${countsLine(counts)}`);
  if (results.length > 1) console.log(`\n${parts.join('; ')}`);
  console.log(countsLine(total));
  if (total.failed || total.passed === 0) process.exitCode = 1;
}

async function native(report, args) {
  return script(report, 'scripts/native-tests.mjs', args);
}

async function script(report, file, args) {
  rmSync(join(root, 'build', 'reports', `${report}.json`), { force: true });
  const { code } = await run(process.execPath, [file, ...args]);
  return readReport(report) ?? { passed: 0, failed: code === 0 ? 0 : 1 };
}
