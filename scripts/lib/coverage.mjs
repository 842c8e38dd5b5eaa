// Reads what `llvm-cov export` says of branches. A branch inside a macro (MMCB_TRY) counts where the macro is used: once for
// each use. The copies of a template or of an inline function count as one.
import { execFileSync } from 'node:child_process';

const EXPANSION = 1; // the kind of a region that a macro was expanded in

/**
 * @returns {Map<string, {line: number, column: number, taken: number, notTaken: number}[]>} by file, the branches; two
 * counts each: how often the condition was true, and how often false
 */
export function branchesByFile(llvmCov, profile, binaries) {
  const [first, ...others] = binaries;
  const args = ['export', '-format=text', '-instr-profile', profile, first, ...others.flatMap((b) => ['-object', b])];
  const [{ functions }] = JSON.parse(execFileSync(llvmCov, args, { maxBuffer: 1 << 30 })).data;
  const found = new Map();
  for (const { filenames, regions, branches } of functions) {
    const parents = new Map(); // of a file that stands for an expansion: the region it was expanded in
    for (const [line, column, , , , file, expanded, kind] of regions) {
      if (kind === EXPANSION) parents.set(expanded, { file, line, column });
    }
    for (const [line, column, , , taken, notTaken, file] of branches) {
      let place = { file, line, column };
      let key = '';
      while (parents.has(place.file)) {
        key += ` < ${place.line}:${place.column}`; // several branches in one use of a macro
        place = parents.get(place.file);
      }
      const path = filenames[place.file];
      if (!found.has(path)) found.set(path, new Map());
      const ofFile = found.get(path);
      key = `${place.line}:${place.column}${key}`;
      const branch = ofFile.get(key) ?? { line: place.line, column: place.column, taken: 0, notTaken: 0 };
      branch.taken += taken;
      branch.notTaken += notTaken;
      ofFile.set(key, branch);
    }
  }
  const byPlace = (a, b) => a.line - b.line || a.column - b.column;
  return new Map([...found].map(([path, branches]) => [path, [...branches.values()].sort(byPlace)]));
}
