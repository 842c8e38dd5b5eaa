// redis-server, for the tests of the cache: they start their own, on free ports, and stop them.
import { installDebianPackages } from './debian.mjs';
import { isCI, works } from './run.mjs';

/** Sees that there is one. Where there is none, and none can be had, says so: those tests are then counted as skipped. */
export async function prepareRedis() {
  if (await works('redis-server')) return;
  if ((await installDebianPackages('redis-server')) && (await works('redis-server'))) return;
  const effect = isCI ? 'a failure in CI' : 'the tests that need it are counted as skipped';
  console.error(
    `\n!! redis-server: not there, and it could not be installed (${effect}); see https://redis.io/docs/install\n`,
  );
}
