// Fuzzing with libFuzzer: replays the corpus and every input that once failed, then looks for new ones.
//   node scripts/fuzz.mjs [--seconds N | --runs N] [--seed N] [--target name] [--bug name] [--minimise]
// --runs with --seed: (nearly) the same inputs each time. So in CI, where a change that passed once is to pass again.
// Both targets run at once, one process each. A failing input is kept in build/fuzz/<target>/; replay it with
//   MMCB_FUZZ_EXPLAIN=1 build/fuzz-build/fuzz_<target> <file>
// and, when the bug is fixed, put it into test/native/fuzz/regressions/<target>/, which every `npm test` replays.
// --bug switches a deliberate bug of the engine on (native/core/step.h): then finding it is what is asked for.
// --minimise folds what was found into test/native/fuzz/corpus/.
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installDebianPackages } from './lib/debian.mjs';
import { filesUnder } from './lib/fingerprint.mjs';
import { cmake, fail, finish, must, root, run, skip, withoutRandomisation, works } from './lib/run.mjs';

const targets = {
  recovery: { maxLength: 208 },
  operations: { maxLength: 1288 },
};
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    runs: { type: 'string' },
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
    target: { type: 'string' },
    bug: { type: 'string' },
    minimise: { type: 'boolean', default: false },
  },
});
const buildFolder = join('build', 'fuzz-build');
const named = values.target ? [values.target] : Object.keys(targets);

await main().catch(fail);

async function main() {
  const unknown = named.find((name) => !(name in targets));
  if (unknown) throw new Error(`no target ${unknown}; there are ${Object.keys(targets).join(' and ')}`);
  const compiler = await findClang();
  if (!compiler) return skip('fuzz', 'clang with libFuzzer was not found and could not be installed');
  const options = ['-DMMCB_BUILD_FUZZERS=ON', '-DMMCB_BUILD_ADDON=OFF', `-DCMAKE_CXX_COMPILER=${compiler}`];
  await cmake(
    buildFolder,
    options,
    named.map((name) => `fuzz_${name}`),
  );

  const results = await Promise.all(named.map(fuzz));
  const counts = {
    passed: results.filter((result) => result.ok).length,
    failed: results.filter((result) => !result.ok).length,
  };
  for (const { name, ok, replayed, executions, edges, artifacts } of results) {
    console.log(
      `${name.padEnd(11)} ${ok ? 'ok    ' : 'FAILED'} ${replayed} inputs replayed, ${executions} executions, ${edges} edges` +
        (artifacts.length ? `; see ${artifacts.join(', ')}` : ''),
    );
  }
  console.log(`seed ${values.seed}`);
  if (values.minimise && !counts.failed) for (const name of named) await minimise(name);
  finish('fuzz', counts);
}

/** Replays, then fuzzes. Ok: nothing was found (with --bug: it was). */
async function fuzz(name) {
  const program = join(root, buildFolder, `fuzz_${name}`);
  const found = join('build', 'fuzz', name);
  const corpus = join(found, values.runs ? 'fresh' : 'corpus');
  // What an earlier run has learnt is used again (not where the runs are to be the same ones each time); what it has failed
  // with is not.
  if (values.runs) rmSync(join(root, corpus), { recursive: true, force: true });
  mkdirSync(join(root, corpus), { recursive: true });
  for (const file of crashes(found)) rmSync(join(root, file));
  const kept = [`test/native/fuzz/corpus/${name}`, `test/native/fuzz/regressions/${name}`];
  const inputs = kept.flatMap(filesUnder);
  const limits = ['-timeout=30', '-rss_limit_mb=2048', `-max_len=${targets[name].maxLength}`];
  const artifacts = `-artifact_prefix=${join(root, found)}/`;
  const env = {
    ASAN_OPTIONS: 'malloc_context_size=6:quarantine_size_mb=16',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    ...(values.bug && { MMCB_FUZZ_BUG: values.bug }),
  };
  const options = { env, quiet: true };
  const folders = kept.filter((path) => existsSync(join(root, path)));

  // A deliberate bug is to be found by fuzzing, not by what is known already.
  const replay = values.bug
    ? { code: 0, output: '' }
    : await run(program, [...limits, artifacts, '-runs=0', ...folders.map((path) => join(root, path))], options);
  if (replay.code !== 0) return report(replay, false);
  const length = values.runs ? `-runs=${values.runs}` : `-max_total_time=${values.seconds}`;
  const random = [length, `-seed=${values.seed}`, '-print_final_stats=1'];
  const seeds = [corpus, ...folders].map((path) => join(root, path));
  const [command, ...args] = await withoutRandomisation([program, ...limits, artifacts, ...random, ...seeds]);
  const result = await run(command, args, options);
  return report(result, values.bug ? result.code !== 0 : result.code === 0);

  function report({ output }, ok) {
    const number = (pattern) => Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
    if (!ok || values.bug) console.log(excerpt(output));
    return {
      name,
      ok,
      replayed: values.bug ? 0 : inputs.length,
      executions: number(/(?:number_of_executed_units: |^#)(\d+)/gm),
      edges: number(/cov: (\d+)/g),
      artifacts: crashes(found),
    };
  }
}

/** What a failing run said, without its progress. */
function excerpt(output) {
  const lines = output.split('\n').filter((line) => line && !/^(#\d|INFO|\s*NEW_FUNC|stat::)/.test(line));
  return lines.slice(0, 60).join('\n');
}

function crashes(folder) {
  const full = join(root, folder);
  return readdirSync(full)
    .filter((entry) => statSync(join(full, entry)).isFile())
    .map((entry) => join(folder, entry));
}

/** The smallest set of inputs that reaches as much as all of them. */
async function minimise(name) {
  const kept = join(root, 'test/native/fuzz/corpus', name);
  const merged = join(root, 'build', 'fuzz', `${name}-merged`);
  rmSync(merged, { recursive: true, force: true });
  mkdirSync(merged, { recursive: true });
  mkdirSync(kept, { recursive: true });
  const args = [
    '-merge=1',
    `-max_len=${targets[name].maxLength}`,
    merged,
    kept,
    join(root, 'build/fuzz', name, 'corpus'),
  ];
  await must('merge', join(root, buildFolder, `fuzz_${name}`), args);
  console.log(`${name}: ${readdirSync(merged).length} inputs in build/fuzz/${name}-merged; choose what to commit`);
}

/** The newest clang++ that can link a fuzzer; else Debian's, installed as root. */
async function findClang() {
  const probe = async () => {
    const versions = ['', ...Array.from({ length: 12 }, (_, i) => `-${25 - i}`)];
    for (const version of versions) if (await links(`clang++${version}`)) return `clang++${version}`;
  };
  const found = await probe();
  if (found) return found;
  for (const packages of [['clang-14', 'libclang-rt-14-dev'], ['clang']]) {
    if (!(await installDebianPackages(...packages))) continue;
    const installed = await probe();
    if (installed) return installed;
  }
}

async function links(compiler) {
  if (!(await works(compiler))) return false;
  const folder = join(root, 'build', 'fuzz');
  mkdirSync(folder, { recursive: true });
  const source = join(folder, 'probe.cc');
  writeFileSync(
    source,
    '#include <cstddef>\nextern "C" int LLVMFuzzerTestOneInput(const char*, size_t) { return 0; }\n',
  );
  const output = join(folder, 'probe.out');
  const ok = await works(compiler, ['-fsanitize=fuzzer,address,undefined', source, '-o', output]);
  rmSync(output, { force: true });
  return ok;
}
