/** Every program in examples/ runs, against the built package, and prints what it says it prints; see readme.test.ts. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { hasRedis, RedisServer } from '../support/redis-server.js';
import { tempFolder } from '../support/temp.js';

const folder = fileURLToPath(new URL('../../examples/', import.meta.url));

for (const name of readdirSync(folder)) {
  const file = `${folder}${name}`;
  const text = readFileSync(file, 'utf8');
  const needsRedis = text.includes('REDIS_URL');
  it.skipIf(needsRedis && !hasRedis)(`examples/${name} runs`, { timeout: 60_000 }, async () => {
    const env = needsRedis ? { ...process.env, REDIS_URL: (await RedisServer.start()).url } : process.env;
    const said = [...text.matchAll(/console\.log\(.*\/\/ prints: (.*)$/gm)].map((match) => match[1]);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { cwd: tempFolder(), env });
    expect(stdout.trimEnd().split('\n')).toEqual(said);
    expect(stderr).toBe('');
  });
}
