/** The documentation as a site: the pages of docs/, and docs/api/, which TypeDoc writes (scripts/docs.mjs runs both). */
import { defineConfig } from 'vitepress';

const pages = (list) => Object.entries(list).map(([text, link]) => ({ text, link }));

export default defineConfig({
  title: 'mmcb',
  description: 'A persistent, memory-mapped buffer engine for Node.js',
  outDir: '../build/site',
  cacheDir: '../build/site-cache',
  cleanUrls: true,
  // Links out of docs/ (the changelog, sources) lead somewhere in the repository, which test/docs checks; every other one that
  // is dead fails the build.
  ignoreDeadLinks: [/^\.?\/?\.\.\//],
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [
      {
        text: 'Learn',
        items: pages({
          'Buffers and maps': '/tutorial',
          'Keys in order': '/ordered',
          'Queues and partitioned buffers': '/queues',
          'The event store': '/events',
          'The layered cache': '/cache',
          Adapters: '/adapters',
        }),
      },
      {
        text: 'Decide',
        items: pages({
          Guarantees: '/recovery',
          'Compared with others': '/comparison',
          Performance: '/performance',
          Questions: '/faq',
        }),
      },
      {
        text: 'Run',
        items: pages({
          Tuning: '/tuning',
          'Coming from another store': '/migration',
          'The command line': '/cli',
          Observability: '/observability',
          Errors: '/errors',
          'Platforms and binaries': '/packaging',
        }),
      },
      {
        text: 'Understand',
        items: pages({
          Design: '/design',
          'File format': '/format',
          Architecture: '/architecture',
          'How it is tested': '/testing',
        }),
      },
      { text: 'Reference', items: pages({ 'Every name': '/api/' }) },
    ],
  },
});
