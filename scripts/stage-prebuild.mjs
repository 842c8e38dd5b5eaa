// Puts the addon that was just built where the npm package carries it.
//   node scripts/stage-prebuild.mjs             into this folder (before npm pack)
//   node scripts/stage-prebuild.mjs --remove    and away again: it would be loaded instead of later builds
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prebuildName } from './lib/prebuild.mjs';
import { root } from './lib/run.mjs';

const target = join(root, prebuildName());
if (process.argv.includes('--remove')) rmSync(target, { force: true });
else cpSync(join(root, 'build/Release/mmcb.node'), target);
