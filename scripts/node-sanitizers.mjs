// The Vitest suite on an addon that is built with sanitizers: what the native tests cannot see, the binding, is covered here.
//   node scripts/node-sanitizers.mjs [--sanitize address,undefined | thread] [-- Vitest arguments]
// Node itself is not built with them: their runtime is preloaded into every process. test/support/sanitized.ts makes each
// test file fail that does not run on the sanitized addon. Anything a sanitizer reports, in whatever process or thread,
// fails the run.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { countsLine, fail, isCI, must, root, run, tool, works, writeReport } from './lib/run.mjs';
import { setup } from './setup.mjs';

const passedOn = process.argv.slice(2).filter((arg) => arg !== '--');
const flag = passedOn.indexOf('--sanitize');
const sanitize = flag >= 0 ? passedOn.splice(flag, 2)[1] : 'address,undefined';
const variant = sanitize.replace(/[^a-z]+/g, '-');
const name = `node-${variant}`;
const buildFolder = join('build', `addon-${variant}`);
const addon = join(root, buildFolder, 'RelWithDebInfo', 'mmcb.node');
const runtimes = { address: ['libasan.so'], thread: ['libtsan.so'], undefined: ['libubsan.so'] };
const findings = join(root, 'build', 'reports', name);

// Where the binding is exercised most. Left out: test/types and test/docs, which are about texts; test/big and
// test/space/steady, whose point is size; test/demo.
const folders = ['test/unit', 'test/model', 'test/workers', 'test/space/compaction'];
// Random tests run several times slower: a few of their runs, unless told otherwise.
const modelRuns = '4';

async function main() {
  if (process.platform !== 'linux') return skip('sanitizers are preloaded on Linux only');
  await setup(['deps', 'ts']);
  const preload = await findRuntimes();
  if (preload === undefined) return skip(`the compiler has no runtime for -fsanitize=${sanitize}`);
  await build();
  rmSync(findings, { recursive: true, force: true });
  mkdirSync(findings, { recursive: true });

  const asked = passedOn.length > 0 ? passedOn : folders;
  console.log(`${name}: ${asked.join(' ')}, MMCB_RUNS=${process.env.MMCB_RUNS ?? modelRuns}`);
  const output = join('build', 'reports', `vitest-${name}.json`);
  rmSync(join(root, output), { force: true });
  const log = (kind) => `log_path=${join(findings, kind)}:`;
  const vitest = [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${output}`,
    '--testTimeout=120000',
  ];
  const command = [process.execPath, tool('vitest/vitest.mjs'), ...vitest, ...asked];
  // ThreadSanitizer's fixed memory map and address randomisation do not always agree: run without the latter.
  if (sanitize === 'thread' && (await works('setarch', ['-R', 'true']))) command.unshift('setarch', '-R');
  const { code } = await run(command[0], command.slice(1), {
    env: {
      LD_PRELOAD: preload.join(':'),
      MMCB_NATIVE_BINDING: addon,
      MMCB_SANITIZERS: preload.map((path) => path.replace(/^.*\//, '')).join(','),
      MMCB_RUNS: process.env.MMCB_RUNS ?? modelRuns,
      // Leaks: V8 frees nothing at exit.
      ASAN_OPTIONS: `${log('asan')}detect_leaks=0:strict_string_checks=1:allocator_may_return_null=1`,
      UBSAN_OPTIONS: `${log('ubsan')}print_stacktrace=1`,
      TSAN_OPTIONS: `${log('tsan')}second_deadlock_stack=1:ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=66`,
    },
  });
  const counts = countTests(output, code);
  for (const file of readdirSync(findings)) {
    console.error(`\n--- ${file}\n${readFileSync(join(findings, file), 'utf8').slice(0, 20_000)}`);
    counts.failed++;
  }
  writeReport(name, counts);
  console.log(`${name}: ${countsLine(counts)}`);
  if (counts.failed || counts.passed === 0) process.exitCode = 1;
}

async function build() {
  const cmakeJs = tool('cmake-js/bin/cmake-js');
  const common = ['-l', 'warn', '-O', buildFolder, '-B', 'RelWithDebInfo'];
  const options = ['--CDMMCB_BUILD_ADDON=ON', `--CDMMCB_SANITIZE=${sanitize}`];
  await must('cmake-js', process.execPath, [cmakeJs, 'configure', ...common, ...options]);
  await must('cmake-js', process.execPath, [
    cmakeJs,
    'build',
    ...common,
    ...options,
    '--parallel',
    '2',
    '--target',
    'mmcb',
  ]);
}

/** The sanitizers' runtimes, and the C++ runtime that they intercept; undefined where the compiler has none. */
async function findRuntimes() {
  const found = [];
  for (const library of [
    ...sanitize.split(',').flatMap((one) => runtimes[one] ?? [`lib${one}.so`]),
    'libstdc++.so.6',
  ]) {
    const compiler = process.env.CXX ?? 'c++';
    const { code, output } = await run(compiler, [`-print-file-name=${library}`], { quiet: true });
    const path = output.trim();
    if (code !== 0 || !isAbsolute(path) || !existsSync(path)) return undefined;
    found.push(realpathSync(path));
  }
  return found;
}

function countTests(file, code) {
  if (!existsSync(join(root, file))) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(join(root, file), 'utf8'));
  const counts = {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests + (report.numTodoTests ?? 0),
  };
  // A process that a sanitizer ended takes its tests with it.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

function skip(reason) {
  console.error(`\n!! ${name}: SKIPPED, ${reason}${isCI ? ' (a failure in CI)' : ''}\n`);
  const counts = isCI ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 1 };
  writeReport(name, counts);
  console.log(`${name}: ${countsLine(counts)}`);
  if (isCI) process.exitCode = 1;
}

await main().catch(fail);
