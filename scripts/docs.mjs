// The documentation as a site, in build/site: docs/ and the reference that TypeDoc makes of the docstrings. A dead link, a
// public name without a docstring and a link of a docstring that leads nowhere fail it.
//   node scripts/docs.mjs [--serve]
import { spawn } from 'node:child_process';
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

async function writeReference() {
  await must('typedoc', process.execPath, [
    bin('typedoc/bin/typedoc'),
    '--plugin',
    bin('typedoc-plugin-markdown/dist/index.js'),
    '--tsconfig',
    'tsconfig.json',
    '--entryPoints',
    'src/index.ts',
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
    ...['Class', 'Interface', 'TypeAlias', 'Function', 'Method'].flatMap((kind) => ['--requiredToBeDocumented', kind]),
    '--validation.invalidLink',
    'true',
    '--validation.notExported',
    'false',
    '--treatWarningsAsErrors',
  ]);
  return 'written to docs/api';
}

await main().catch(fail);
