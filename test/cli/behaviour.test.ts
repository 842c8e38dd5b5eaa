/** What holds for all commands: errors, exit codes, pipes, signals, a writer beside. */
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startProgress } from '../../src/cli/progress.js';
import { CompactableBuffer, StringMap } from '../../src/index.js';
import { tempFile } from '../support/temp.js';
import { OtherProcess } from '../workers/threads.js';
import { sampleFile } from './files.js';
import { ended, mmcb, parsed, start } from './run-mmcb.js';

describe('help', () => {
  it('lists every command, and says of each what it takes', async () => {
    const { code, stdout, stderr } = await mmcb('--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const commands = ['stats', 'verify', 'dump', 'load', 'get', 'compact', 'backup', 'repair', 'bench', 'inspect'];
    for (const command of commands) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
      expect((await mmcb(command, '--help')).stdout).toMatch(new RegExp(`Usage: mmcb ${command} `));
    }
    expect(stdout).toMatch(/Exit codes:/);
  });

  it('tells the version of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await mmcb('--version')).stdout).toBe(`${version}\n`);
  });

  it('is what a call without a command gets, with exit code 2', async () => {
    const { code, stdout, stderr } = await mmcb();
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/Usage: mmcb/);
  });
});

describe('mistakes on the command line', () => {
  const mistakes: [string, string[], RegExp][] = [
    ['an unknown command', ['stat', 'x'], /unknown command 'stat'.*Did you mean stats/],
    ['an unknown option', ['stats', 'x', '--jsn'], /unknown option '--jsn'.*--json/],
    ['a missing argument', ['get', 'x'], /missing required argument 'key'/],
    ['too many arguments', ['stats', 'x', 'y'], /too many arguments/],
    ['an unknown codec', ['dump', 'x', '--codec', 'xml'], /Allowed choices are msgpack, json, utf8, binary/],
    ['a number that is none', ['dump', 'x', '--limit', 'many'], /whole number/],
    ['a port that is none', ['inspect', 'x', '--port', '70000'], /65,535/],
  ];
  it.each(mistakes)('%s exits with 2 and says what is wrong', async (_, args, message) => {
    const { code, stdout, stderr } = await mmcb(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('are JSON on stderr with --json', async () => {
    const { code, stderr } = await mmcb('stats', '--json');
    expect(code).toBe(2);
    expect(parsed(stderr)).toMatchObject({ error: { exitCode: 2, message: expect.stringContaining('missing') } });
  });
});

describe('files that cannot be used', () => {
  const foreign = (): string => {
    const file = tempFile();
    writeFileSync(file, 'hello, world\n'.repeat(10_000));
    return file;
  };
  const readers = ['stats', 'verify', 'dump', 'compact'];

  it.each(readers)('%s exits with 3 where there is no file, and makes none', async (command) => {
    const file = tempFile();
    const { code, stderr } = await mmcb(command, file, '--json');
    expect({ code, command }).toEqual({ code: 3, command });
    expect(parsed<{ error: object }>(stderr).error).toMatchObject({ exitCode: 3 });
    expect(stderr).toContain('ENOENT');
  });

  it.each([...readers, 'inspect'])(
    '%s exits with 3 for a file of somebody else, and leaves it as it is',
    async (command) => {
      const file = foreign();
      const args = command === 'inspect' ? [file, '--svg', tempFile()] : [file];
      const { code, stderr } = await mmcb(command, ...args);
      expect(code).toBe(3);
      expect(stderr).toMatch(/MMCB_NOT_MMCB/);
      expect(readFileSync(file, 'utf8')).toBe('hello, world\n'.repeat(10_000));
    },
  );

  it.each(readers)('%s exits with 3 for an empty file, and leaves it empty', async (command) => {
    const file = tempFile();
    writeFileSync(file, '');
    expect((await mmcb(command, file)).code).toBe(3);
    expect(readFileSync(file)).toHaveLength(0);
  });

  it('a damaged file is exit code 4, with what to do', async () => {
    const file = await sampleFile();
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.length - 3 * 2 ** 20));
    const { code, stderr } = await mmcb('dump', file);
    expect(code).toBe(4);
    expect(stderr).toMatch(/MMCB_CORRUPT/);
    expect(stderr).toMatch(/'mmcb repair' takes what is whole/);
  });
});

describe('beside a writer', () => {
  let other: OtherProcess | undefined;
  afterEach(async () => {
    await other?.end();
    other = undefined;
  });

  it('stats tells what the file holds; what needs the lock exits with 5 and disturbs nobody', async () => {
    const file = await sampleFile();
    other = await OtherProcess.open(file); // adds an entry
    const { code, stdout } = await mmcb('stats', file, '--json');
    expect(code).toBe(0);
    expect(parsed(stdout)).toMatchObject({ exact: false, liveEntries: 7, lostEntries: 0 });
    for (const command of ['verify', 'dump', 'compact']) {
      const { code: refused, stderr } = await mmcb(command, file);
      expect({ command, refused }).toEqual({ command, refused: 5 });
      expect(stderr).toMatch(/MMCB_LOCKED/);
      expect(stderr).toMatch(/'mmcb inspect' work/);
    }
    expect(await mmcb('load', file)).toMatchObject({ code: 5 });
    await other.end();
    const buffer = await CompactableBuffer.open(file);
    expect(buffer.recovery).toMatchObject({ status: 'clean', entries: 7 });
    await buffer.close();
  });
});

describe('pipes and signals', () => {
  async function largeFile(): Promise<string> {
    const file = tempFile();
    const map = await StringMap.open(file);
    const value = 'x'.repeat(1000);
    map.setMany(Array.from({ length: 20_000 }, (_, i): [string, string] => [`key ${i}`, value]));
    await map.close();
    return file;
  }

  it('ends quietly when nobody reads on, as `mmcb dump | head` does', async () => {
    const child = start('dump', await largeFile());
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.stdout?.destroy();
    const errors: Buffer[] = [];
    child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
    const [code] = (await once(child, 'exit')) as [number];
    expect({ code, errors: Buffer.concat(errors).toString() }).toEqual({ code: 141, errors: '' });
  });

  it('leaves no half of a dump behind when it is interrupted', async () => {
    const target = tempFile('dump');
    const dumping = start('dump', await largeFile(), '--output', target);
    const finished = ended(dumping);
    while (!existsSync(target)) await setImmediate();
    dumping.kill('SIGINT');
    expect(await finished).toMatchObject({ code: 130, stdout: '' });
    expect(existsSync(target)).toBe(false);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('is ended by %s with %i, also while it waits; what was stored stays', async (signal, code) => {
    const file = tempFile();
    const loading = start('load', file, '--batch', '1');
    const finished = ended(loading);
    loading.stdin?.write('{"key":"a","value":1}\n');
    await untilStored(file);
    loading.kill(signal);
    expect(await finished).toMatchObject({ code, stdout: '' });
    const map = await StringMap.open(file);
    expect([...map]).toEqual([['a', 1]]);
    await map.close();
  });

  /** Until `stats`, which works beside a writer, counts an entry. */
  async function untilStored(file: string): Promise<void> {
    for (;;) {
      const { code, stdout } = await mmcb('stats', file, '--json');
      if (code === 0 && parsed(stdout)['liveEntries'] === 1) return;
    }
  }
});

describe('progress in a pipe', () => {
  it('says nothing of short work, and a line every two seconds of long work', () => {
    const said: string[] = [];
    const stream = { isTTY: false, write: (text: string) => said.push(text) } as unknown as NodeJS.WriteStream;
    let now = 0;
    const progress = startProgress('verifying', stream, () => now);
    for (now = 0; now <= 5000; now += 500) progress.update({ phase: 'scan', done: now, total: 10_000 });
    progress.update({ phase: 'apply', done: 0, total: 0 });
    now = 9000;
    progress.update({ phase: 'apply', done: 0, total: 0 });
    progress.stop();
    expect(said).toEqual(['verifying: scan 20 %\n', 'verifying: scan 40 %\n', 'verifying: apply\n']);
  });

  it('is a bar on a terminal, which leaves nothing behind', () => {
    const said: string[] = [];
    const stream = {
      isTTY: true,
      write: (text: string) => said.push(text),
      on: () => {},
      columns: 80,
      rows: 24,
    } as unknown as NodeJS.WriteStream;
    const progress = startProgress('verifying', stream);
    progress.update({ phase: 'scan', done: 1, total: 2 });
    progress.stop();
    expect(said.join('')).toContain('verifying scan');
  });
});
