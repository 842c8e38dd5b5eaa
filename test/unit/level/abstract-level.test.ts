/**
 * The whole suite of abstract-level, with the assertions that its authors use: each of its tests is one of ours. What it
 * leaves out, it leaves out by the manifest of the database alone.
 */
import { createRequire } from 'node:module';
import { createHarness, type TestCase } from 'tape';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { MmcbLevel, type MmcbLevelOptions } from '../../../src/level/index.js';
import { tempFile } from '../../support/temp.js';

type AnyLevel = MmcbLevel<unknown, unknown>;
type Suite = (options: { test: unknown; factory: (options?: MmcbLevelOptions<unknown, unknown>) => AnyLevel }) => void;
const suite = createRequire(import.meta.url)('abstract-level/test') as Suite;

/** Runs one test of tape's kind; throws what it found wrong. */
async function runTape(name: string, body: TestCase): Promise<void> {
  const harness = createHarness({ autoclose: true });
  const wrong: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const rows = harness.createStream({ objectMode: true }) as NodeJS.ReadableStream;
    rows.on(
      'data',
      (row: { type: string; ok?: boolean; name?: string; error?: Error; expected?: unknown; actual?: unknown }) => {
        if (row.type !== 'assert') return;
        if (row.ok !== true)
          wrong.push(`${row.name}: ${row.error?.stack ?? `${row.actual}, expected ${row.expected}`}`);
      },
    );
    rows.on('end', resolve);
    rows.on('error', reject);
    harness(name, body);
  });
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}

/** The suite runs a second time on a sublevel of each database. */
let isOnSublevels = false;
let collected = 0;

/** What stands for tape's `test` while the suite is collected. */
function testFunction(): unknown {
  const first = 'manifest has expected properties';
  let firsts = 0;
  const test = (name: string, body: TestCase): void => {
    collected++;
    if (name === first) firsts++;
    const onSublevels = firsts > 1;
    it(onSublevels ? `on a sublevel: ${name}` : name, () => {
      isOnSublevels = onSublevels;
      return runTape(name, body);
    });
  };
  const left = (name: string): void => {
    throw new Error(`the suite wants to skip or single out '${name}'`);
  };
  return Object.assign(test, { skip: left, only: left });
}

/** Notes the first sublevel that is made of a database. */
function noteSublevel(db: AnyLevel, note: (sublevel: { status: string }) => void): void {
  const { sublevel } = db;
  db.sublevel = ((...given: Parameters<typeof sublevel>) => {
    db.sublevel = sublevel;
    const made = db.sublevel(...given);
    note(made);
    return made;
  }) as typeof sublevel;
}

/** Two of the tests leave a database behind that nothing can open or close any more. */
function unlessLocked(error: Error & { code?: string; cause?: { code?: string } }): void {
  if ((error.cause ?? error).code !== 'LEVEL_STATUS_LOCKED') throw error;
}

describe('abstract-level/test', () => {
  const opened = new Map<AnyLevel, { status: string }>();
  const factory = (options?: MmcbLevelOptions<unknown, unknown>): AnyLevel => {
    const db = new MmcbLevel<unknown, unknown>(tempFile('level'), options);
    opened.set(db, db);
    if (isOnSublevels) noteSublevel(db, (sublevel) => opened.set(db, sublevel));
    return db;
  };
  suite({ test: testFunction(), factory });
  // Closing a sublevel leaves its database open, and the suite keeps no hold of it: there would be hundreds.
  const close = (isDone: (sublevel: { status: string }) => boolean): Promise<unknown> => {
    const done = [...opened].filter(([, sublevel]) => isDone(sublevel)).map(([db]) => db);
    for (const db of done) opened.delete(db);
    return Promise.all(done.map((db) => db.close().catch(unlessLocked)));
  };
  afterEach(() => close((sublevel) => sublevel.status === 'closed'));
  afterAll(() => close(() => true));

  it('is all there', () => {
    expect(collected).toBeGreaterThanOrEqual(1_470);
  });

  it('supports what it says', () => {
    expect(factory().supports).toMatchObject({
      implicitSnapshots: true,
      explicitSnapshots: true,
      getSync: true,
      has: true,
    });
  });
});
