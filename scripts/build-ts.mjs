// src/ -> dist/esm (tsc, with types) and dist/cjs (the same files, one by one, as CommonJS, with the same types).
// What only the command line uses (src/cli, src/inspect) is there once, as ES modules; the page of `mmcb inspect` has a tsconfig
// of its own, since it runs in a browser.
// The types are right for both: in dist/cjs a package.json says "commonjs", so TypeScript reads its .d.ts as CommonJS.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { root, tool } from './lib/run.mjs';

process.chdir(root);
rmSync('dist', { recursive: true, force: true });

const pageFolder = 'src/inspect/page';
const pageOptions = ['--noEmit', 'false', '--outDir', 'dist/esm', '--rootDir', 'src'];
const compilations = [
  ['-p', 'tsconfig.build.json'],
  ['-p', pageFolder, ...pageOptions],
];
try {
  for (const args of compilations) {
    execFileSync(process.execPath, [tool('typescript/bin/tsc'), ...args], { stdio: 'inherit' });
  }
} catch {
  process.exit(1);
}
for (const file of ['index.html', 'page.css']) cpSync(join(pageFolder, file), join('dist/esm/inspect/page', file));
chmodSync('dist/esm/cli/main.js', 0o755);
removeTypes('dist/esm/cli'); // nobody imports it
removeTypes('dist/esm/inspect');

/** True for what the CommonJS build leaves out. */
const isCommandLine = (file) => /^(cli|inspect)([\\/]|$)/.test(file);

const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
Object.assign(options, { noEmit: false, sourceMap: true, inlineSources: true });

const sources = readdirSync('src', { recursive: true }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !isCommandLine(file),
);
for (const file of sources) {
  const output = join('dist/cjs', file.replace(/\.ts$/, '.js'));
  const text = readFileSync(join('src', file), 'utf8');
  // The .cts name makes the compiler emit CommonJS and leave `import()` alone, so that optional ES modules still load.
  const { outputText, sourceMapText } = ts.transpileModule(text, {
    compilerOptions: options,
    fileName: file.replace(/\.ts$/, '.cts'),
    transformers: { before: [replaceImportMeta] },
  });
  const name = output.replace(/.*[\\/]/, '');
  const map = JSON.parse(sourceMapText);
  const up = '../'.repeat(output.split(/[\\/]/).length - 1);
  Object.assign(map, { file: name, sources: [`${up}src/${file.replaceAll('\\', '/')}`] });
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, withImportMetaUrl(outputText).replace(/sourceMappingURL=.*/, `sourceMappingURL=${name}.map\n`));
  writeFileSync(`${output}.map`, JSON.stringify(map));
}

cpSync('dist/esm', 'dist/cjs', {
  recursive: true,
  filter: (path) => !/\.js(\.map)?$/.test(path) && !isCommandLine(relative('dist/esm', path)),
});
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');

function removeTypes(folder) {
  for (const file of readdirSync(folder, { recursive: true })) if (file.endsWith('.d.ts')) rmSync(join(folder, file));
}

/** `import.meta.url` has no meaning in CommonJS: it becomes `importMetaUrl`, which `withImportMetaUrl` defines. */
function replaceImportMeta(context) {
  const isImportMeta = (node) => ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword;
  const visit = (node) => {
    if (ts.isPropertyAccessExpression(node) && isImportMeta(node.expression)) {
      if (node.name.text !== 'url') throw new Error(`import.meta.${node.name.text} has no CommonJS form here`);
      return context.factory.createIdentifier('importMetaUrl');
    }
    return ts.visitEachChild(node, visit, context);
  };
  return (file) => ts.visitNode(file, visit);
}

/** On the line of "use strict", so that the source map stays right. */
function withImportMetaUrl(text) {
  if (!/\bimportMetaUrl\b/.test(text)) return text;
  const definition = "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;";
  return text.replace('"use strict";', `"use strict"; ${definition}`);
}
