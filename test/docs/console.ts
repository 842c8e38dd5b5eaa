/** Runs the examples of a page: `console` blocks in a shell, `js` blocks as programs. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { tempFolder } from '../support/temp.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

export interface Block {
  language: string;
  line: number;
  text: string;
}

export function blocksOf(page: string): Block[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((match) => ({
    language: match[1] ?? '',
    line: text.slice(0, match.index).split('\n').length,
    text: match[2] ?? '',
  }));
}

/** A command of a console block, and what it prints; '...' stands for anything within a line. */
export interface Step {
  command: string;
  said: string[];
}

export function stepsOf({ text }: Block): Step[] {
  const steps: Step[] = [];
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), said: [] });
    else steps.at(-1)?.said.push(line);
  }
  return steps;
}

/** Whether lines are those of a page. */
export function matches(lines: readonly string[], said: readonly string[]): boolean {
  const pattern = (line: string): RegExp =>
    new RegExp(`^${line.split('...').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`); // biome-ignore format: one expression
  return lines.length === said.length && said.every((line, i) => pattern(line).test(lines[i] ?? ''));
}

/** A folder with mmcb, and what it may be used with, in node_modules and on the path: as an application has it. */
export class Place {
  readonly folder = tempFolder();
  readonly #path: string;

  constructor() {
    const modules = join(this.folder, 'node_modules');
    const bin = join(modules, '.bin');
    mkdirSync(bin, { recursive: true });
    symlinkSync(root, join(modules, 'mmcb'), 'junction');
    symlinkSync(join(root, 'node_modules', '@opentelemetry'), join(modules, '@opentelemetry'), 'junction');
    writeFileSync(join(bin, 'mmcb'), `#!/bin/sh\nexec "${process.execPath}" "${root}dist/esm/cli/main.js" "$@"\n`);
    chmodSync(join(bin, 'mmcb'), 0o755);
    this.#path = `${bin}${delimiter}${process.env['PATH']}`;
  }

  /** The lines that a command prints, those of stderr as well. */
  async shell(command: string): Promise<string[]> {
    const env = { ...process.env, PATH: this.#path };
    const { stdout } = await run('bash', ['-c', `{ ${command}\n} 2>&1`], { cwd: this.folder, env });
    return stdout === '' ? [] : stdout.trimEnd().split('\n');
  }

  async program(code: string): Promise<string[]> {
    const home = join(this.folder, String(code.length));
    mkdirSync(home);
    writeFileSync(join(home, 'program.mjs'), code);
    const { stdout } = await run(process.execPath, ['program.mjs'], { cwd: home });
    return stdout.trimEnd().split('\n');
  }
}
