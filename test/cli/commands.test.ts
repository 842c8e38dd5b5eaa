/** Every command, run as a process: what it says, what it writes, and its exit code. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CompactableBuffer, IntMap, json, StringMap } from '../../src/index.js';
import { tempFile, tempFolder } from '../support/temp.js';
import { goldenFile, sampleFile } from './files.js';
import { mmcb, mmcbWith, parsed } from './run-mmcb.js';

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

describe('stats', () => {
  it('tells the counters of the buffer, as text and as JSON', async () => {
    const file = await sampleFile();
    const bytes = readFileSync(file);
    const { code, stdout, stderr } = await mmcb('stats', file, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const buffer = await CompactableBuffer.open(file, { readOnly: true });
    const { count, intCount, stringCount, liveBytes, garbageBytes } = buffer.stats();
    await buffer.close();
    expect(parsed(stdout)).toMatchObject({ exact: true, count, intCount, stringCount, liveBytes, garbageBytes });
    const text = await mmcb('stats', file);
    expect(text.stdout).toMatch(/entries +6\n/);
    expect(text.stdout).toMatch(/clean/);
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });
});

describe('verify', () => {
  it('says ok, and exits with 0, where nothing is wrong', async () => {
    const { code, stdout } = await mmcb('verify', await sampleFile());
    expect(code).toBe(0);
    expect(stdout).toMatch(/: ok \(6 entries/);
  });

  it('names the damage, exits with 1, and leaves the file as it is', async () => {
    const file = goldenFile('damaged');
    const bytes = readFileSync(file);
    const { code, stdout, stderr } = await mmcb('verify', file);
    expect(code).toBe(1);
    expect(stdout).toMatch(/DAMAGED/);
    expect(stdout).toMatch(/key "key 10"/);
    expect(stderr).toMatch(/looking at what is whole/);
    const { stdout: document } = await mmcb('verify', file, '--json');
    expect(parsed(document)).toMatchObject({ ok: false, recovery: { lost: 1, quarantined: 1 } });
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it('clears the damage marker with --acknowledge, and only then', async () => {
    const file = goldenFile('damaged');
    await (await CompactableBuffer.open(file, { recovery: 'salvage' })).close();
    expect((await mmcb('verify', file)).stdout).toMatch(/damage was met before/);
    expect((await mmcb('verify', file, '--acknowledge')).code).toBe(0);
    expect((await mmcb('verify', file)).stdout).not.toMatch(/damage was met before/);
  });
});

describe('dump and load', () => {
  it('dump writes a line for each entry; what JSON cannot say is base64', async () => {
    const { code, stdout, stderr } = await mmcb('dump', await sampleFile());
    expect(code).toBe(0);
    const found = lines(stdout).map((line) => parsed(line));
    expect(found).toHaveLength(6);
    expect(found).toContainEqual({ key: 1, value: { city: 'Amsterdam' } });
    expect(found).toContainEqual({ key: -2, value: [1, 2, 3] });
    expect(found).toContainEqual({ key: 'text', value: 'line 1\u2028line 2' });
    expect(found).toContainEqual({ key: '\ud800', value: null });
    expect(found).toContainEqual({ key: 'when', base64: expect.any(String) });
    expect(found.find(({ address }) => address !== undefined)).toMatchObject({ base64: btoa('plain') });
    expect(stderr).toMatch(/2 values had no form in JSON/);
  });

  it('load makes the same maps of it again', async () => {
    const { stdout } = await mmcb('dump', await sampleFile());
    const copy = tempFile();
    const loaded = await mmcbWith(stdout, 'load', copy, '--json', '--batch', '2');
    expect(loaded).toMatchObject({ code: 0, stderr: '' });
    expect(parsed(loaded.stdout)).toMatchObject({ lines: 6, ints: 2, strings: 3, plain: 1, entries: 6 });
    const buffer = await CompactableBuffer.open(copy);
    const ints = new IntMap(buffer);
    const strings = new StringMap(buffer);
    expect(new Map(ints)).toEqual(new Map<number, unknown>([[1, { city: 'Amsterdam' }], [-2, [1, 2, 3]]])); // biome-ignore format: pairs
    expect(strings.get('when')).toEqual(new Date(0));
    expect(strings.get('text')).toBe('line 1\u2028line 2');
    expect(strings.get('\ud800')).toBe(null);
    await buffer.close();
  });

  it.each(['json', 'utf8', 'binary', 'msgpack'])('keeps every byte with --codec %s', async (codec) => {
    const file = tempFile();
    const map = await StringMap.open(file, { codec: json() });
    map.setMany([['a', 'é'], ['b', 'x'.repeat(70_000)], ['', '1']]); // biome-ignore format: pairs
    await map.close();
    const { stdout } = await mmcb('dump', file, '--codec', codec);
    const copy = tempFile();
    expect((await mmcbWith(stdout, 'load', copy, '-', '--codec', codec)).code).toBe(0);
    const loaded = await StringMap.open(copy, { codec: json() });
    expect([...loaded].sort()).toEqual([['', '1'], ['a', 'é'], ['b', 'x'.repeat(70_000)]]); // biome-ignore format: pairs
    await loaded.close();
  });

  it('dump keeps to --only, --keys, --limit and --output', async () => {
    const file = await sampleFile();
    expect(lines((await mmcb('dump', file, '--only', 'int', '--keys')).stdout).sort()).toEqual([
      '{"key":-2}',
      '{"key":1}',
    ]);
    expect(lines((await mmcb('dump', file, '--limit', '3')).stdout)).toHaveLength(3);
    const target = join(tempFolder(), 'lines.jsonl');
    const { stdout } = await mmcb('dump', file, '--output', target, '--json');
    expect(parsed(stdout)).toMatchObject({ entries: 6 });
    expect(lines(readFileSync(target, 'utf8'))).toHaveLength(6);
    expect((await mmcb('dump', file, '--output', target)).code).toBe(3); // it is there already
    expect(lines(readFileSync(target, 'utf8'))).toHaveLength(6);
  });

  it('load reads a file, with CR LF, empty lines and no end of the last one', async () => {
    const input = join(tempFolder(), 'lines.jsonl');
    writeFileSync(input, '{"key":1,"value":"a"}\r\n\n{"key":"b","value":2}');
    const file = tempFile();
    expect((await mmcb('load', file, input)).stdout).toMatch(/2 lines loaded/);
    const buffer = await CompactableBuffer.open(file);
    expect([new IntMap(buffer).get(1), new StringMap(buffer).get('b')]).toEqual(['a', 2]);
    await buffer.close();
  });

  const wrong: [string, string, RegExp][] = [
    ['no JSON', '{"key":1', /line 2: no JSON/],
    ['no object', '7', /line 2: must be an object/],
    ['an unknown field', '{"key":1,"valeu":2}', /line 2: unknown field "valeu"/],
    ['a key that is none', '{"key":1.5,"value":2}', /line 2: "key" must be/],
    ['neither value nor base64', '{"key":1}', /line 2: needs either/],
    ['both', '{"key":1,"value":1,"base64":""}', /line 2: needs either/],
    ['bad base64', '{"key":1,"base64":"*"}', /line 2: "base64" is no base64/],
  ];
  it.each(wrong)('load refuses %s and names the line; what was stored before stays', async (_, text, message) => {
    const file = tempFile();
    const { code, stderr } = await mmcbWith(`{"key":9,"value":9}\n${text}\n`, 'load', file, '--batch', '1');
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/1 line stored/);
    const buffer = await CompactableBuffer.open(file);
    expect([...new IntMap(buffer)]).toEqual([[9, 9]]);
    await buffer.close();
  });
});

describe('get', () => {
  it('prints the value of a key', async () => {
    const file = await sampleFile();
    expect(await mmcb('get', file, 'text')).toEqual({ code: 0, stdout: 'line 1\u2028line 2\n', stderr: '' });
    expect((await mmcb('get', file, '1', '--as', 'int')).stdout).toBe('{"city":"Amsterdam"}\n');
    expect((await mmcb('get', file, '--as', 'int', '--', '-2')).stdout).toBe('[1,2,3]\n');
    expect(parsed((await mmcb('get', file, '1', '--as', 'int', '--json')).stdout)).toMatchObject({
      key: 1,
      value: { city: 'Amsterdam' },
      found: true,
    });
    expect((await mmcb('get', file, 'when', '--raw')).stdout.length).toBeGreaterThan(0);
  });

  it('takes what looks like an integer for one, where no key is a string', async () => {
    const file = tempFile();
    const map = await IntMap.open(file);
    map.set(7, 'seven');
    const address = String(map.address(7));
    await map.close();
    expect((await mmcb('get', file, '7')).stdout).toBe('seven\n');
    expect((await mmcb('get', file, address, '--as', 'address')).stdout).toBe('seven\n');
  });

  it('exits with 1 where there is none, and with 2 for what is no key', async () => {
    const file = await sampleFile();
    expect(await mmcb('get', file, 'nothing')).toMatchObject({ code: 1, stdout: '' });
    expect(await mmcb('get', file, '99', '--as', 'int', '--json')).toMatchObject({ code: 1 });
    expect(await mmcb('get', file, '4503599627370496', '--as', 'address')).toMatchObject({ code: 1 });
    expect(await mmcb('get', file, 'x', '--as', 'int')).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('compact', () => {
  it('gives space back and keeps the entries', async () => {
    const file = tempFile();
    const buffer = await CompactableBuffer.open(file, { compaction: { policy: 'disabled' } });
    const addresses = Array.from({ length: 40 }, () => buffer.add(Buffer.alloc(500_000)));
    for (const address of addresses.slice(1)) buffer.remove(address);
    await buffer.close();
    const before = statSync(file).size;
    const { code, stdout } = await mmcb('compact', file, '--json');
    expect(code).toBe(0);
    expect(parsed(stdout)).toMatchObject({ sizeAfter: statSync(file).size });
    expect(statSync(file).size).toBeLessThanOrEqual(before);
    const again = await CompactableBuffer.open(file);
    expect(again.recovery).toMatchObject({ status: 'clean', entries: 1 });
    await again.close();
  });

  it('makes no file where there is none', async () => {
    const file = tempFile();
    expect((await mmcb('compact', file)).code).toBe(3);
    expect(existsSync(file)).toBe(false);
  });
});

describe('backup', () => {
  it('copies what is live, and does not replace unless told', async () => {
    const file = await sampleFile();
    const target = tempFile();
    expect(await mmcb('backup', file, target, '--json')).toMatchObject({ code: 0, stderr: '' });
    const copy = await CompactableBuffer.open(target, { readOnly: true });
    expect(copy.stats().count).toBe(6);
    await copy.close();
    expect((await mmcb('backup', file, target)).code).toBe(3);
    const bytes = readFileSync(file);
    for (const command of ['backup', 'repair']) {
      const { code, stderr } = await mmcb(command, file, file, '--overwrite');
      expect({ command, code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('itself') });
    }
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect((await mmcb('backup', file, target, '--overwrite')).code).toBe(0);
  });
});

describe('repair', () => {
  it('puts what is whole into a new file, tells what was lost, and leaves the old one as it is', async () => {
    const file = goldenFile('damaged');
    const bytes = readFileSync(file);
    const target = tempFile();
    const { code, stdout } = await mmcb('repair', file, target);
    expect(code).toBe(1);
    expect(stdout).toMatch(/132 entries of /);
    expect(stdout).toMatch(/key "key 10"/);
    expect(readFileSync(file).equals(bytes)).toBe(true);
    const repaired = await CompactableBuffer.open(target);
    expect(repaired.recovery).toMatchObject({ status: 'clean', entries: 132 });
    expect(await repaired.verify()).toMatchObject({ ok: true });
    await repaired.close();
  });

  it('exits with 0 where nothing was lost', async () => {
    const { code, stdout } = await mmcb('repair', goldenFile('killed'), tempFile(), '--json');
    expect(code).toBe(0);
    expect(parsed(stdout)).toMatchObject({ complete: true, recovery: { lost: 0 } });
  });
});

describe('bench', () => {
  it('measures, and leaves nothing behind', async () => {
    const folder = tempFolder();
    const { code, stdout } = await mmcb('bench', folder, '--entries', '2000', '--size', '50', '--json');
    expect(code).toBe(0);
    const { measured, flush } = parsed<{ measured: { name: string; perSecond: number }[]; flush: object }>(stdout);
    expect(measured.map(({ name }) => name)).toEqual([
      'add',
      'read',
      'update',
      'StringMap set',
      'StringMap get',
      'open, entries',
    ]);
    for (const { perSecond } of measured) expect(perSecond).toBeGreaterThan(0);
    expect(flush).toEqual({ median: expect.any(Number), p90: expect.any(Number), max: expect.any(Number) });
    expect(existsSync(folder) && statSync(folder).isDirectory()).toBe(true);
    const text = await mmcb('bench', folder, '--entries', '1000');
    expect(text.stdout).toMatch(/per second/);
  });
});
