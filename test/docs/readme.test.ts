/**
 * Every example in the README and in docs/ runs, against the built package, and prints what it says it prints: the text
 * after `// prints: ` in a line with a console.log(). TypeScript examples are type-checked as well. A page's examples are
 * programs of their own; blocks of another language (sh, text) are not run. Links to files of the project must lead somewhere.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempFolder } from '../support/temp.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const docs = readdirSync(join(root, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);

interface Block {
  readonly language: string;
  readonly line: number;
  readonly code: string;
}

const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');

function blocksOf(page: string): Block[] {
  const text = textOf(page);
  return [...text.matchAll(/^```(\w*)[^\n]*\n(.*?)^```$/gms)].map((match) => ({
    language: match[1] ?? '',
    line: text.slice(0, match.index).split('\n').length + 1,
    code: match[2] ?? '',
  }));
}

const isProgram = ({ language }: Block): boolean => language === 'js' || language === 'ts';

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

describe.each(['README.md', ...docs])('%s', (page) => {
  const blocks = blocksOf(page);
  const examples = blocks.filter(isProgram);
  let folder = '';

  // As an application has it: mmcb in node_modules, and what its adapters are for.
  beforeAll(() => {
    folder = tempFolder();
    const { peerDependencies, devDependencies } = JSON.parse(textOf('package.json')) as Record<string, object>;
    for (const name of ['mmcb', ...Object.keys({ ...peerDependencies, ...devDependencies })]) {
      const place = join(folder, 'node_modules', name);
      mkdirSync(dirname(place), { recursive: true });
      symlinkSync(name === 'mmcb' ? root : join(root, 'node_modules', name), place, 'junction');
    }
  });

  it('names the language of every block', () => {
    for (const { language, line } of blocks) {
      expect({ line, known: ['js', 'ts', 'sh', 'console', 'json', 'text', 'c'].includes(language) }).toEqual({
        line,
        known: true,
      });
    }
  });

  for (const { language, line, code } of examples) {
    it(`the ${language} example in line ${line} runs`, { timeout: 60_000 }, async () => {
      const home = join(folder, `line-${line}`);
      mkdirSync(home);
      const file = join(home, language === 'ts' ? 'example.mts' : 'example.mjs');
      writeFileSync(file, code);
      if (language === 'ts') compile(file);
      const { stdout, stderr } = await run(process.execPath, [join(home, 'example.mjs')], { cwd: home });
      const said = [...code.matchAll(/console\.log\(.*\/\/ prints: (.*)$/gm)].map((match) => match[1]);
      expect(said).toHaveLength(code.split('console.log(').length - 1);
      expect(stdout.trimEnd().split('\n').filter(Boolean)).toEqual(said);
      expect(stderr).toBe('');
    });
  }

  it('names only commands that there are', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: object };
    const named = [...textOf(page).matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? '');
    for (const name of named) expect(Object.keys(scripts)).toContain(name);
  });
});

it('the README has examples', () => {
  expect(blocksOf('README.md').filter(isProgram).length).toBeGreaterThanOrEqual(3);
});

describe.each(['README.md', 'AGENTS.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...docs])('%s', (page) => {
  it('links only to what there is', () => {
    const links = [...textOf(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(#[^)]+)?\)/g)];
    const dead = links.filter(([, path, anchor]) => {
      const file = resolve(dirname(join(root, page)), path ?? '');
      return !existsSync(file) || (anchor !== undefined && !anchorsOf(file).includes(anchor));
    });
    expect(dead.map(([link]) => link)).toEqual([]);
  });
});

/** The anchors of a page's headings, as GitHub and VitePress make them. */
function anchorsOf(file: string): string[] {
  if (!basename(file).endsWith('.md')) return [];
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(
    ([, title = '']) =>
      `#${title
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .trim()
        .replace(/\s/g, '-')}`,
  );
}
