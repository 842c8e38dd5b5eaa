// Branch coverage of the parts that crash safety rests on, by the native tests and the power-cut harness.
//   node scripts/coverage.mjs [--all]
// --all prints every file's branches that were not taken, also where there is nothing to complain about.
// Built by clang with the seeded bugs (MMCB_BUG) compiled out: their branches are not the engine's. The counters are mapped
// to files (LLVM's %c), so that processes that end by _exit() or are killed count as well. Below the gate it fails.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { branchesByFile } from './lib/coverage.mjs';
import { installDebianPackages } from './lib/debian.mjs';
import { runDoctest } from './lib/doctest.mjs';
import { cmake, fail, finish, must, root, run, skip, works } from './lib/run.mjs';

const GATE = 0.95;
const groups = {
  recovery: ['recovery', 'walk.h', 'journal.cc'],
  sync: ['sync_machine.cc'],
  compaction: ['compactor.cc'],
  allocation: [
    'address_space.cc',
    'segments.cc',
    'segments_space.cc',
    'segments_rebuild.cc',
    'slot_table.cc',
    'volume.cc',
  ],
  batches: ['batch.cc'],
};
const buildFolder = join('build', 'native-coverage');
const profiles = join(root, buildFolder, 'profiles');
const all = process.argv.includes('--all');
const target = (name) => join(root, buildFolder, name);

// What is run besides the unit tests: the same seeds each time.
const powerCuts = [
  ['random', '--seeds', '1..40', '--images', '16000', '--jobs', '2'],
  ['exhaustive', '--seeds', '1..60', '--images', '30000', '--jobs', '2'],
];
const binaries = ['mmcb_native_tests', 'mmcb_power_cut'];

async function main() {
  let tools = await findTools();
  if (tools === undefined && (await installDebianPackages('clang-14', 'libclang-rt-14-dev', 'llvm-14')))
    tools = await findTools();
  if (tools === undefined)
    return skip('coverage', 'clang with its profiling runtime, llvm-profdata and llvm-cov were not found');
  const flags = ['-DMMCB_COVERAGE=ON', '-DMMCB_BUILD_TESTS=ON', '-DMMCB_BUILD_ADDON=OFF'];
  await cmake(buildFolder, [`-DCMAKE_CXX_COMPILER=${tools.compiler}`, ...flags], binaries);

  rmSync(profiles, { recursive: true, force: true });
  mkdirSync(profiles, { recursive: true });
  const options = {
    env: { LLVM_PROFILE_FILE: join(profiles, '%c%m.profraw') },
    cwd: join(root, buildFolder),
    quiet: true,
  };
  const codes = [(await runDoctest([target('mmcb_native_tests')], options)).code];
  for (const args of powerCuts) {
    const { code, output } = await run(target('mmcb_power_cut'), args, options);
    if (code !== 0) console.log(`${args.join(' ')}:\n${output}`);
    codes.push(code);
  }
  const failed = codes.filter((code) => code !== 0).length;
  const merged = join(profiles, 'all.profdata');
  const raw = readdirSync(profiles).filter((file) => file.endsWith('.profraw'));
  await must('llvm-profdata', tools.profdata, ['merge', '-o', merged, ...raw.map((file) => join(profiles, file))]);
  const files = branchesByFile(tools.cov, merged, binaries.map(target));
  const below = report(files);
  const parts = Object.keys(groups).length + codes.length;
  finish('coverage', { passed: parts - below - failed, failed: below + failed });
}

/** Prints the table, and what is missing; returns the number of groups below the gate. */
function report(files) {
  const percent = (taken, total) => `${((100 * taken) / Math.max(total, 1)).toFixed(2).padStart(6)} %`;
  const missing = [];
  let below = 0;
  console.log('\nbranches (each condition once true and once false)');
  for (const [group, names] of Object.entries(groups)) {
    let total = 0;
    let taken = 0;
    const lines = [];
    for (const [path, branches] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const file = basename(path);
      const belongs = names.some((name) => (name.includes('.') ? file === name : file.startsWith(name)));
      if (!path.includes('/native/core/') || !belongs) continue;
      const count = branches.reduce((sum, b) => sum + Number(b.taken > 0) + Number(b.notTaken > 0), 0);
      lines.push(
        `  ${file.padEnd(20)} ${String(count).padStart(5)} of ${String(2 * branches.length).padStart(5)}  ${percent(count, 2 * branches.length)}`,
      );
      total += 2 * branches.length;
      taken += count;
      missing.push(...missingIn(path, branches));
    }
    const ok = total > 0 && taken >= GATE * total;
    below += Number(!ok);
    console.log(
      `${group.padEnd(22)} ${String(taken).padStart(5)} of ${String(total).padStart(5)}  ${percent(taken, total)}${ok ? '' : `  BELOW ${100 * GATE} %`}`,
    );
    for (const line of lines) console.log(line);
  }
  console.log(`\nnot taken: ${missing.length}`);
  if (below > 0 || all || missing.length <= 80) for (const line of missing) console.log(`  ${line}`);
  return below;
}

function missingIn(path, branches) {
  const lines = readFileSync(path, 'utf8').split('\n');
  return branches.flatMap(({ line, column, taken, notTaken }) =>
    [
      [taken, 'true'],
      [notTaken, 'false'],
    ]
      .filter(([count]) => count === 0)
      .map(([, never]) => `${basename(path)}:${line}:${column} never ${never}: ${lines[line - 1].trim()}`),
  );
}

/** Version 14 first: the one that clang-format has to be as well. All of one version, or the profile cannot be read. */
async function findTools() {
  for (const suffix of ['-14', '', '-16', '-15', '-17', '-18']) {
    const tools = { compiler: `clang++${suffix}`, profdata: `llvm-profdata${suffix}`, cov: `llvm-cov${suffix}` };
    const there = await Promise.all(Object.values(tools).map((name) => works(name, ['--help'])));
    if (there.every(Boolean)) return tools;
  }
  return undefined;
}

await main().catch(fail);
