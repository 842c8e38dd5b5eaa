// The tests of `mmcb inspect` in a browser. It takes Chromium from MMCB_CHROMIUM, from the system, or as a Debian package.
//   node scripts/browser-tests.mjs [--screenshots]     with it, the pictures of the README are made anew
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { installDebianPackages } from './lib/debian.mjs';
import { fail, finish, root, skip, works } from './lib/run.mjs';
import { vitest } from './lib/vitest.mjs';
import { setup } from './setup.mjs';

const known = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

await main().catch(fail);

async function main() {
  const browser = await findBrowser();
  if (browser === undefined) {
    skip('browser', 'there is no Chromium, and none could be installed; MMCB_CHROMIUM may name one');
    return;
  }
  await setup();
  const screenshots = process.argv.includes('--screenshots') ? { MMCB_SCREENSHOTS: join(root, 'docs/images') } : {};
  const env = { MMCB_SUITE: 'browser', MMCB_CHROMIUM: browser, ...screenshots };
  finish('browser', await vitest('browser', [], { env }));
}

async function findBrowser() {
  const named = process.env.MMCB_CHROMIUM;
  if (named) return (await works(named)) ? named : undefined;
  for (const path of known) if (existsSync(path) && (await works(path))) return path;
  return (await installDebianPackages('chromium')) ? '/usr/bin/chromium' : undefined;
}
