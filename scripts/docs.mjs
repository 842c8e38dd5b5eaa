// The documentation as a site, in build/site: docs/ and the reference that TypeDoc makes of the docstrings. A dead link
// and a public class or type without a docstring fail it.
//   node scripts/docs.mjs [--serve]
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, must, root, step } from './lib/run.mjs';
import { installPackages } from './setup.mjs';

const folder = join(root, 'docs');
const bin = (path) => join(folder, 'node_modules', path);

async function main() {
  await step('site tools', () => installPackages('docs'));
  await step('reference', writeReference);
  await step('site', async () => {
    await must('vitepress', process.execPath, [bin('vitepress/bin/vitepress.js'), 'build', 'docs']);
    return 'built in build/site';
  });
  if (process.argv.includes('--serve')) {
    spawn(process.execPath, [bin('vitepress/bin/vitepress.js'), 'preview', 'docs'], { cwd: root, stdio: 'inherit' });
  }
}

/** The sources of every subpath of the package. */
function entryPoints() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const built = Object.values(exports).flatMap((entry) => entry.import?.default ?? []);
  return built.map((file) => file.replace(/^\.\/dist\/esm\/(.*)\.js$/, 'src/$1.ts'));
}

async function writeReference() {
  await must('typedoc', process.execPath, [
    bin('typedoc/bin/typedoc'),
    '--plugin',
    bin('typedoc-plugin-markdown/dist/index.js'),
    '--tsconfig',
    'tsconfig.json',
    ...entryPoints().flatMap((file) => ['--entryPoints', file]),
    '--out',
    'docs/api',
    '--entryFileName',
    'index',
    '--name',
    'Every name',
    '--readme',
    'none',
    '--excludePrivate',
    '--excludeInternal',
    '--disableSources',
    '--hidePageHeader',
    '--validation.notDocumented',
    'true',
    ...['Class', 'Interface', 'TypeAlias'].flatMap((kind) => ['--requiredToBeDocumented', kind]),
    '--validation.invalidLink',
    'false', // comments of base classes of other packages have links of their own
    '--validation.notExported',
    'false',
    '--treatValidationWarningsAsErrors',
  ]);
  return 'written to docs/api';
}

await main().catch(fail);
