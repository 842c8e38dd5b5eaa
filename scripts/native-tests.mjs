// Configures, builds and runs the native tests: plain CMake, no Node headers.
//   node scripts/native-tests.mjs [--sanitize address,undefined | thread] [--target NAME] [--power-cut | --kill] [-- arguments]
// --power-cut and --kill run those harnesses instead of the doctest executable. --target linux-arm64-musl, by hand: built with Zig
// for another machine (lib/prebuild.mjs has the names), and run under QEMU where this one cannot. Other arguments are passed on as well.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compiles } from './lib/compiler.mjs';
import { installDebianPackages } from './lib/debian.mjs';
import { parseDoctest, runDoctest, testFiles } from './lib/doctest.mjs';
import { filesUnder } from './lib/fingerprint.mjs';
import { cmake, fail, finish, root, run, skip, withoutRandomisation, works } from './lib/run.mjs';
import { buildFor, emulator } from './lib/zig.mjs';

const passedOn = process.argv.slice(2).filter((arg) => arg !== '--');
const take = (index, count) => passedOn.splice(index, count).at(-1);
const find = (flag) => passedOn.indexOf(flag);
const sanitize = find('--sanitize') >= 0 ? take(find('--sanitize'), 2) : '';
const machine = find('--target') >= 0 ? take(find('--target'), 2) : '';
const harness = ['power-cut', 'kill'].find(
  (name) => find(`--${name}`) >= 0 && take(find(`--${name}`), 1) !== undefined,
);

// Thousands of runs of an engine in one thread, or a measurement of memory: ThreadSanitizer has nothing to look at there, and
// takes a quarter of an hour over it.
const oneThread = [
  'damage to any one sector*',
  'faults: the i-th allocation fails, the call*',
  'faults: the i-th system call fails*',
  'recovery needs memory for its tables*',
  'opening can be aborted at any moment of the scan*',
  'random operations agree with a plain map*',
  'memory for a batch is had before it begins*',
  'what is loaded at once is as if it had been inserted*',
  'the hash spreads*',
  'recovery of damaged and forged files: the corpus*',
  'operations with crashes in between: the corpus*',
  'every family of integer keys is found*',
  'an exact index behaves like a map*',
  'a hash index keeps equal hashes apart*',
  'a search that finds nothing says where the key goes*',
  'an ordered index behaves like a map*',
  'random changes of every kind keep the order*',
  'a batch that runs out of memory*',
  'clear() of more segments than the journal can list*',
  'readers of a file cut short get what is whole*',
  'a writer meets the hole*',
  'what compaction reads from a hole*',
];

const variant = machine || (sanitize ? sanitize.replace(/[^a-z]+/g, '-') : 'plain');
const name = `${harness ?? 'native'}-${variant}`;
const buildFolder = join('build', `native-${variant}`);
const thirdParty = join(root, 'build', 'third-party', 'usr', 'include');

async function main() {
  const target = harness ? `mmcb_${harness.replace('-', '_')}` : 'mmcb_native_tests';
  const sources = harness ? filesUnder('test/native').filter(hasMain) : testFiles();
  if (!sources.length) return skip(name, `there are no sources for ${target}`);
  if (!(await findDoctest())) return skip(name, 'doctest was not found and could not be installed');
  if (sanitize && !(await sanitizerWorks())) return skip(name, `the compiler cannot build with -fsanitize=${sanitize}`);

  const options = ['-DMMCB_BUILD_TESTS=ON', '-DMMCB_BUILD_ADDON=OFF', `-DMMCB_SANITIZE=${sanitize}`];
  // Said each time, because CMake remembers where it once was.
  options.push(existsSync(thirdParty) ? `-DMMCB_DOCTEST_DIR=${thirdParty}` : '-UMMCB_DOCTEST_DIR');
  if (machine) await buildFor(machine, buildFolder, options, [target]);
  else await cmake(buildFolder, options, [target]);

  const plain = [...(machine ? emulator(machine) : []), join(root, buildFolder, target), ...passedOn];
  const withThreads = [...plain, `-tce=${oneThread.map((title) => title.replaceAll(',', '\\,')).join()}`];
  const command = sanitize === 'thread' ? await withoutRandomisation(withThreads) : plain;
  const env = {
    ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_string_checks=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    TSAN_OPTIONS: 'second_deadlock_stack=1',
  };
  const isWhole = harness === undefined && passedOn.length === 0;
  const { code, counts } = isWhole ? await runDoctest(command, { env }) : await runAtOnce(command, { env });
  if (code !== 0) console.log(`${name}: exit code ${code}`);
  finish(name, counts);
}

const hasMain = (file) => file.endsWith('.cc') && /^int main\(/m.test(readFileSync(join(root, file), 'utf8'));

async function runAtOnce([command, ...args], options) {
  const { code, output } = await run(command, args, options);
  const counts = parseCounts(output);
  // A crash or a sanitizer's finding ends the run before (or after) its summary: that is a failure too.
  if (code !== 0 && !counts.failed) counts.failed = 1;
  return { code, counts };
}

/** doctest's summary, or the plain line `N passed, N failed` that the harness prints last. */
function parseCounts(output) {
  if (harness === undefined) {
    const { passed, failed, others } = parseDoctest(output);
    return { passed, failed, skipped: others };
  }
  const plain = [...output.matchAll(/(\d+) passed, (\d+) failed(?:, (\d+) skipped)?/g)].at(-1);
  const [, passed = 0, failed = 0, skipped = 0] = plain ?? [];
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped ?? 0) };
}

const sanitizerWorks = () => compiles('int main() {}\n', [`-fsanitize=${sanitize}`]);

/**
 * On the include path; else Debian's package, installed as root; else the same package unpacked under build/. For another machine
 * always the last: beside it on the include path are the headers of this one.
 */
async function findDoctest() {
  const probe = () => compiles('#include <doctest/doctest.h>\n', ['-fsyntax-only', '-I', thirdParty]);
  if (machine ? existsSync(join(thirdParty, 'doctest')) : await probe()) return true;
  if (!machine && (await installDebianPackages('doctest-dev')) && (await probe())) return true;
  if (!(await works('apt-get'))) return false;
  const downloads = join(root, 'build', 'third-party');
  mkdirSync(downloads, { recursive: true });
  if (!(await works('apt-get', ['-q', 'download', 'doctest-dev'], { cwd: downloads }))) return false;
  const file = readdirSync(downloads).find((entry) => /^doctest-dev.*\.deb$/.test(entry));
  return file !== undefined && (await works('dpkg', ['-x', join(downloads, file), downloads])) && probe();
}

await main().catch(fail);
