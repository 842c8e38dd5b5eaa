/**
 * Every example in the README runs, against the built package, and prints what it says it prints: the text after
 * `// prints: ` in a line with a console.log(). TypeScript examples are type-checked as well. Blocks of another language
 * (sh, text) are not run. Links to files of the project must lead somewhere.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempFolder } from '../support/temp.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const readme = join(root, 'README.md');
const text = readFileSync(readme, 'utf8');
const run = promisify(execFile);

interface Example {
  readonly language: string;
  readonly line: number;
  readonly code: string;
}

const blocks: Example[] = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((match) => ({
  language: match[1] ?? '',
  line: text.slice(0, match.index).split('\n').length + 1,
  code: match[2] ?? '',
}));
const examples = blocks.filter(({ language }) => language === 'js' || language === 'ts');

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  strict: true,
  skipLibCheck: true,
  types: ['node'],
  typeRoots: [join(root, 'node_modules', '@types')],
};

/** The JavaScript of a TypeScript file; expects no error in it. */
function compile(file: string): void {
  const program = ts.createProgram([file], options);
  const errors = ts
    .getPreEmitDiagnostics(program)
    .map((error) => ts.flattenDiagnosticMessageText(error.messageText, '\n'));
  expect(errors).toEqual([]);
  program.emit();
}

describe('README.md', () => {
  let folder = '';

  // As an application has it: mmcb in node_modules.
  beforeAll(() => {
    folder = tempFolder();
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules', 'mmcb'), 'junction');
  });

  it('has examples, and names the language of every block', () => {
    expect(examples.length).toBeGreaterThanOrEqual(3);
    for (const { language } of blocks) expect(['js', 'ts', 'sh', 'text']).toContain(language);
  });

  it.each(examples)(
    'the $language example in line $line runs',
    { timeout: 60_000 },
    async ({ language, line, code }) => {
      const home = join(folder, `line-${line}`);
      mkdirSync(home);
      const file = join(home, language === 'ts' ? 'example.mts' : 'example.mjs');
      writeFileSync(file, code);
      if (language === 'ts') compile(file);
      const { stdout, stderr } = await run(process.execPath, [join(home, 'example.mjs')], { cwd: home });
      const said = [...code.matchAll(/console\.log\(.*\/\/ prints: (.*)$/gm)].map((match) => match[1]);
      expect(said).toHaveLength(code.split('console.log(').length - 1);
      expect(stdout.trimEnd().split('\n')).toEqual(said);
      expect(stderr).toBe('');
    },
  );

  it('names only commands that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? '');
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });
});

describe.each(['README.md', 'AGENTS.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'])('%s', (name) => {
  it('links only to what there is', () => {
    const file = join(root, name);
    const links = [...readFileSync(file, 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)/g)].map(
      (match) => match[1] ?? '',
    );
    const dead = links.filter((link) => !existsSync(resolve(dirname(file), link)));
    expect(dead).toEqual([]);
  });
});
