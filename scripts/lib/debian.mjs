// Tools that the tests need and npm does not have: Debian's packages, where there is apt and the right to use it.
import { works } from './run.mjs';

/** Installs packages as root. False where that cannot be done; the caller says what is skipped for it. */
export async function installDebianPackages(...packages) {
  if (process.getuid?.() !== 0 || !(await works('apt-get'))) return false;
  console.log(`getting the Debian packages ${packages.join(', ')}`);
  const apt = (...args) => works('apt-get', ['-q', '-y', ...args], { env: { DEBIAN_FRONTEND: 'noninteractive' } });
  const install = () => apt('install', '--no-install-recommends', ...packages);
  return (await install()) || ((await apt('update')) && (await install()));
}
