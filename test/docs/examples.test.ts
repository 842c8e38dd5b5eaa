/** Every program in examples/ runs, against the built package, and prints what it says it prints; see readme.test.ts. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { tempFolder } from '../support/temp.js';

const folder = fileURLToPath(new URL('../../examples/', import.meta.url));

it.each(readdirSync(folder))('examples/%s runs', { timeout: 60_000 }, async (name) => {
  const file = `${folder}${name}`;
  const said = [...readFileSync(file, 'utf8').matchAll(/console\.log\(.*\/\/ prints: (.*)$/gm)].map(
    (match) => match[1],
  );
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { cwd: tempFolder() });
  expect(stdout.trimEnd().split('\n')).toEqual(said);
  expect(stderr).toBe('');
});
