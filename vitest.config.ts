import { defineConfig } from 'vitest/config';

// One suite at a time (scripts/test.mjs sets MMCB_SUITE): the everyday tests, the kill -9 tests, those on full disks and under
// limits, or those in a browser.
const suite = process.env['MMCB_SUITE'] ?? 'js';
const folders = ['test/crash/**', 'test/hostile/**', 'test/browser/**'];

export default defineConfig({
  // The default leaves out .cts.
  esbuild: { include: /\.[cm]?tsx?$/ },
  test: {
    include: suite === 'js' ? ['test/**/*.test.ts'] : [`test/${suite}/**/*.test.ts`],
    exclude: ['test/package/**', ...(suite === 'js' ? folders : [])],
    globalSetup: suite === 'hostile' ? ['test/hostile/support/setup.ts'] : [],
    passWithNoTests: true,
    // Only there with an addon built with sanitizers (scripts/node-sanitizers.mjs).
    setupFiles: process.env['MMCB_SANITIZERS'] === undefined ? [] : ['test/support/sanitized.ts'],
    // Child processes: the engine keeps one registry per process, and an addon that aborts must not take others along.
    pool: 'forks',
    poolOptions: { forks: { maxForks: 2, minForks: 1 } },
    maxConcurrency: 2,
    testTimeout: suite === 'js' ? 20_000 : 600_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    restoreMocks: true,
  },
});
