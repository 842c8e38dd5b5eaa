/** Every example of the pages on tools runs, in the order of the page, and prints what it says it prints. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../../src/index.js';
import { blocksOf, matches, Place, stepsOf } from './console.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('docs/cli.md', () => {
  const blocks = blocksOf('docs/cli.md');
  const place = new Place();

  it('has console blocks only', () => {
    expect(blocks.length).toBeGreaterThan(5);
    for (const { language } of blocks) expect(language).toBe('console');
  });

  for (const block of blocks) {
    it(`the commands from line ${block.line} on print what they say`, { timeout: 60_000 }, async () => {
      for (const { command, said } of stepsOf(block)) {
        const lines = await place.shell(command);
        if (!matches(lines, said)) expect({ command, lines }).toEqual({ command, lines: said });
      }
    });
  }

  it('names every command, and no code that there is not', () => {
    const text = readFileSync(join(root, 'docs/cli.md'), 'utf8');
    const commands = ['stats', 'verify', 'dump', 'load', 'get', 'compact', 'backup', 'repair', 'bench', 'inspect'];
    for (const command of commands) expect(text).toContain(`| \`${command} `);
    for (const [code] of text.matchAll(/MMCB_\w+/g)) expect(Object.keys(errorCodes)).toContain(code);
  });
});

describe('docs/observability.md', () => {
  const place = new Place();
  for (const { language, line, text } of blocksOf('docs/observability.md')) {
    it(`the ${language} example in line ${line} runs`, { timeout: 60_000 }, async () => {
      expect(language).toBe('js');
      const said = [...text.matchAll(/console\.log\(.*\/\/ prints: (.*)$/gm)].map((match) => match[1]);
      expect(said).toHaveLength(text.split('console.log(').length - 1);
      expect(await place.program(text)).toEqual(said);
    });
  }

  it('names every metric that there is', () => {
    const made = readFileSync(join(root, 'src/otel-metrics/instruments.ts'), 'utf8');
    const page = readFileSync(join(root, 'docs/observability.md'), 'utf8');
    for (const [name] of made.matchAll(/(?<=')mmcb\.[a-z.]+(?=',)/g)) expect(page).toContain(`\`${name}\``);
  });
});

it.each(['docs/cli.md', 'docs/observability.md', 'docs/packaging.md'])('%s links only to what there is', (page) => {
  const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
    ([, link]) => link,
  );
  for (const link of links) expect({ link, there: existsSync(join(root, dirname(page), link ?? '')) }).toEqual({ link, there: true }); // biome-ignore format: one line
});
