// What an addon for macOS is and asks for, as LLVM's objdump tells on any machine.
import { installDebianPackages } from './debian.mjs';
import { must, works } from './run.mjs';

export async function readMachO(path) {
  const objdump = await findObjdump();
  return parseMachO(await must('objdump', objdump, ['--macho', '--private-headers', '--exports-trie', path]));
}

/** Its `version` is the oldest macOS that loads it. */
export function parseMachO(text) {
  const [, machine = 'unknown'] = text.match(/^ *MH_MAGIC_64 +(\w+)/m) ?? [];
  const lacks =
    machine === 'ARM64' && !text.includes('LC_CODE_SIGNATURE')
      ? ['a signature, without which no arm64 Mac loads it']
      : [];
  return {
    machine,
    system: 'macOS',
    version: text.match(/LC_BUILD_VERSION[\s\S]*? minos ([\d.]+)/)?.[1] ?? '',
    needed: [...text.matchAll(/LC_(?:LOAD|LOAD_WEAK|REEXPORT)_DYLIB\n.*\n *name (\S+)/g)].map(([, name]) => name),
    exported: [...text.matchAll(/^0x[\dA-F]+ +_(\S+)/gm)].map(([, name]) => name),
    lacks,
  };
}

async function findObjdump() {
  const names = ['llvm-objdump', 'llvm-objdump-14', ...(process.platform === 'darwin' ? ['objdump'] : [])];
  for (const name of names) if (await works(name)) return name;
  if (await installDebianPackages('llvm-14')) return 'llvm-objdump-14';
  throw new Error(
    'llvm-objdump, which looks at binaries for macOS, was not found: it is in the package llvm of most systems',
  );
}
