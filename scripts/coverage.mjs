// Branch coverage of the parts that crash safety rests on, by the native tests and the power-cut harness.
//   node scripts/coverage.mjs [--all] [-- arguments for the unit tests]
// --all prints every file's branches that were not taken, also where there is nothing to complain about.
// Built by clang with the seeded bugs (MMCB_BUG) compiled out: their branches are not the engine's. The counters are mapped
// to files (LLVM's %c), so that processes that end by _exit() or are killed count as well. Below the gate it fails.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { branchesByFile } from './lib/coverage.mjs';
import { installDebianPackages } from './lib/debian.mjs';
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
const passedOn = process.argv.slice(2).filter((arg) => arg !== '--' && arg !== '--all');
const target = (name) => join(root, buildFolder, name);

// What is run: the same seeds each time.
const runs = [
  ['mmcb_native_tests', passedOn],
  ['mmcb_power_cut', ['random', '--seeds', '1..40', '--images', '16000', '--jobs', '2']],
  ['mmcb_power_cut', ['exhaustive', '--seeds', '1..60', '--images', '30000', '--jobs', '2']],
];

async function main() {
  let tools = await findTools();
  if (tools === undefined && (await installDebianPackages('clang-14', 'libclang-rt-14-dev', 'llvm-14')))
    tools = await findTools();
  if (tools === undefined)
    return skip('coverage', 'clang with its profiling runtime, llvm-profdata and llvm-cov were not found');
  const options = ['-DMMCB_COVERAGE=ON', '-DMMCB_BUILD_TESTS=ON', '-DMMCB_BUILD_ADDON=OFF'];
  const binaries = [...new Set(runs.map(([name]) => name))];
  await cmake(buildFolder, [`-DCMAKE_CXX_COMPILER=${tools.compiler}`, ...options], binaries);

  rmSync(profiles, { recursive: true, force: true });
  mkdirSync(profiles, { recursive: true });
  const env = { LLVM_PROFILE_FILE: join(profiles, '%c%m.profraw') };
  let failed = 0;
  for (const [name, args] of runs) {
    const { code, output } = await run(target(name), args, { env, cwd: join(root, buildFolder), quiet: true });
    console.log(`${[name, ...args].join(' ')}: ${code === 0 ? 'ok' : `FAILED (${code})\n${output}`}`);
    failed += Number(code !== 0);
  }
  const merged = join(profiles, 'all.profdata');
  const raw = readdirSync(profiles).filter((file) => file.endsWith('.profraw'));
  await must('llvm-profdata', tools.profdata, ['merge', '-o', merged, ...raw.map((file) => join(profiles, file))]);
  const files = branchesByFile(tools.cov, merged, binaries.map(target));
  const below = report(files);
  finish('coverage', { passed: Object.keys(groups).length - below + runs.length - failed, failed: below + failed });
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
