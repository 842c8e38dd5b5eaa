// The Vitest suite on an addon that is built with sanitizers: what the native tests cannot see, the binding, is covered here.
//   node scripts/node-sanitizers.mjs [--sanitize address,undefined | thread] [-- Vitest arguments]
// Node itself is not built with them: their runtime is preloaded into every process. test/support/sanitized.ts makes each
// test file fail that does not run on the sanitized addon. Anything a sanitizer reports, in whatever process or thread,
// fails the run.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fail, finish, must, root, run, skip, tool, withoutRandomisation } from './lib/run.mjs';
import { vitest } from './lib/vitest.mjs';
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
// test/space/steady, whose point is size; test/demo. And of test/unit what calls the addon as others do, or not at all: the suite of
// abstract-level (beside mmcb-level.test.ts), the pages of `inspect`, the bench's figures.
const folders = ['test/unit', 'test/model', 'test/workers', 'test/space/compaction'];
const leftOut = ['test/unit/level/abstract-level.test.ts', 'test/unit/inspect/**', 'test/unit/bench/**'];
// Random tests run several times slower: a few of their runs, unless told otherwise.
const modelRuns = '4';

async function main() {
  if (process.platform !== 'linux') return skip(name, 'sanitizers are preloaded on Linux only');
  await setup(['deps', 'ts']);
  const preload = await findRuntimes();
  if (preload === undefined) return skip(name, `the compiler has no runtime for -fsanitize=${sanitize}`);
  await build();
  rmSync(findings, { recursive: true, force: true });
  mkdirSync(findings, { recursive: true });

  const asked = passedOn.length > 0 ? passedOn : [...folders, ...leftOut.map((path) => `--exclude=${path}`)];
  console.log(`${name}: ${asked.join(' ')}, MMCB_RUNS=${process.env.MMCB_RUNS ?? modelRuns}`);
  const log = (kind) => `log_path=${join(findings, kind)}:`;
  const counts = await vitest(name, ['--testTimeout=120000', ...asked], {
    launch: sanitize === 'thread' ? withoutRandomisation : undefined,
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
  for (const file of readdirSync(findings)) {
    console.error(`\n--- ${file}\n${readFileSync(join(findings, file), 'utf8').slice(0, 20_000)}`);
    counts.failed++;
  }
  finish(name, counts);
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

await main().catch(fail);
