// Puts the addons where the npm package carries them: all of build/prebuilds (npm run prebuilds makes them for a release), and for
// this machine, where it has none there, what was just built.
//   node scripts/stage-prebuild.mjs             into this folder (before npm pack)
//   node scripts/stage-prebuild.mjs --remove    and away again: they would be loaded instead of later builds
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { prebuildName, stagePrebuilds, targets } from './lib/prebuild.mjs';
import { fail, root } from './lib/run.mjs';

try {
  if (process.argv.includes('--remove')) {
    for (const target of Object.keys(targets)) rmSync(join(root, prebuildName(target)), { force: true });
  } else console.error(`staged ${stagePrebuilds(root).join(', ')}`); // stdout is npm pack's
} catch (error) {
  fail(error);
}
