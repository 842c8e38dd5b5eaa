// npm run check: everything that can be said about the tree without running it. npm run format: --fix puts right what it can.

import { installDebianPackages } from './lib/debian.mjs';
import { filesUnder } from './lib/fingerprint.mjs';
import { nativeRules } from './lib/native-rules.mjs';
import { addCounts, finish, isCI, run, tool } from './lib/run.mjs';
import { setup } from './setup.mjs';

const fix = process.argv.includes('--fix');
const cppFiles = ['native', 'bench/native', 'test/native'].flatMap(filesUnder).filter((file) => /\.(cc|h)$/.test(file));

const checks = {
  'biome (format, lint)': biome,
  'clang-format': clangFormat,
  ...(fix ? {} : { TypeScript: typescript, 'native rules': () => report(nativeRules()) }),
};

await setup(['deps']);
const results = [];
for (const [name, check] of Object.entries(checks)) {
  const { ok, output = '', skipped } = await check();
  if (output) console.log(output.trimEnd());
  const verdict = skipped ? `SKIPPED: ${skipped}` : ok ? 'ok' : 'FAILED';
  console.log(`  ${name.padEnd(22)} ${verdict}`);
  // In CI a tool that is missing is a failure, or a check could be off for years without anybody seeing it.
  results.push({
    passed: Number(ok),
    failed: Number(!ok && (!skipped || isCI)),
    skipped: Number(Boolean(skipped) && !isCI),
  });
}
finish('check', addCounts(results));

async function node(script, args) {
  const { code, output } = await run(process.execPath, [tool(script), ...args], { quiet: true });
  return { ok: code === 0, output: code === 0 ? '' : output };
}

function biome() {
  return node('@biomejs/biome/bin/biome', [
    fix ? 'check' : 'ci',
    ...(fix ? ['--write'] : []),
    '--colors=off',
    '--error-on-warnings',
    '.',
  ]);
}

/** What runs in a browser has settings of its own. */
async function typescript() {
  for (const project of ['tsconfig.json', 'src/inspect/page', 'test/browser']) {
    const result = await node('typescript/bin/tsc', ['-p', project, '--noEmit']);
    if (!result.ok) return result;
  }
  return { ok: true };
}

/** Version 14 for everyone: other versions format some constructs differently. */
async function clangFormat() {
  if (!cppFiles.length) return { ok: true };
  const command = await findClangFormat();
  if (!command) return { ok: false, skipped: 'clang-format-14 was not found and could not be installed' };
  const { code, output } = await run(command, [...(fix ? ['-i'] : ['--dry-run', '--Werror']), ...cppFiles], {
    quiet: true,
  });
  return { ok: code === 0, output: code === 0 ? '' : `${output}\nnpm run format puts this right.` };
}

async function findClangFormat() {
  for (const command of ['clang-format-14', 'clang-format']) {
    const { output } = await run(command, ['--version'], { quiet: true }).catch(() => ({ output: '' }));
    if (/version 14\./.test(output)) return command;
  }
  return (await installDebianPackages('clang-format-14')) ? 'clang-format-14' : undefined;
}

function report(findings) {
  return { ok: findings.length === 0, output: findings.join('\n') };
}
