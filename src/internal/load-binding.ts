/** Finds and loads the addon, `mmcb.node`. Nothing is loaded before the first store is opened. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { errorFromNative, MmcbError } from '../errors.js';
import { here } from './here.cjs';
import type { NativeBinding } from './native.js';
import { Slab } from './slab.js';

/** What all stores of a thread share. */
export interface Runtime {
  readonly native: NativeBinding;
  readonly slab: Slab;
  /** The files that are open as queues, by what identifies them: a second queue would wait for the first, in its own thread. */
  readonly queues: Set<string>;
}

// The addon has one slab for each environment. The ESM and the CommonJS build, loaded into the same thread, get the same
// addon object and so must agree on that slab: the first to come leaves its runtime on the addon.
const shared = Symbol.for('mmcb.runtime.1');

let current: Runtime | undefined;

/** The runtime of this thread; loads the addon on the first call. Throws MMCB_NATIVE, saying what was tried. */
export function runtime(): Runtime {
  current ??= connect(loadBinding());
  return current;
}

function connect(native: NativeBinding & { [shared]?: Runtime }): Runtime {
  const known = native[shared];
  if (known !== undefined) return known;
  native.initialize(errorFromNative);
  const made: Runtime = { native, slab: new Slab(native), queues: new Set() };
  Object.defineProperty(native, shared, { value: made });
  return made;
}

/** Loads the addon from the first place that has one that works. */
export function loadBinding(environment: NodeJS.ProcessEnv = process.env): NativeBinding {
  const require = createRequire(here);
  const tried: string[] = [];
  const causes: unknown[] = [];
  for (const path of candidates(environment)) {
    if (!existsSync(path)) {
      tried.push(`  ${path}: not there`);
      continue;
    }
    try {
      return require(path) as NativeBinding;
    } catch (error) {
      tried.push(`  ${path}: ${error instanceof Error ? error.message : String(error)}`);
      causes.push(error);
    }
  }
  throw new MmcbError(
    'MMCB_NATIVE',
    `the native addon could not be loaded for ${target()} (${platformDetails()}). Tried:\n${tried.join('\n')}\n${advice()}`,
    causes.length === 0 ? undefined : { cause: causes[0] },
  );
}

function candidates(environment: NodeJS.ProcessEnv): string[] {
  const override = environment.MMCB_NATIVE_BINDING;
  if (override !== undefined && override !== '') return [resolve(override)];
  const root = packageRoot();
  return [
    join(root, 'prebuilds', target(), 'mmcb.node'),
    join(root, 'build', 'Release', 'mmcb.node'),
    join(root, 'build', 'Debug', 'mmcb.node'),
  ];
}

/** The folder with mmcb's own package.json: the nearest above the compiled code. */
function packageRoot(): string {
  for (let folder = dirname(here); ; ) {
    if (packageName(join(folder, 'package.json')) === 'mmcb') return folder;
    const parent = dirname(folder);
    if (parent === folder) return dirname(here); // bundled: the message will say where we looked
    folder = parent;
  }
}

function packageName(path: string): unknown {
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof content === 'object' && content !== null && 'name' in content ? content.name : undefined;
  } catch {
    return undefined;
  }
}

/** The platform as folders of prebuilds are named: linux-x64, linux-x64-musl, darwin-arm64, win32-x64. */
export function target(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
}

function advice(): string {
  if (process.platform === 'win32') return 'mmcb does not run on Windows yet; see its README.';
  const build = 'Build it with "npm run build:native" (or "npx node-gyp rebuild") in the folder of mmcb';
  return `${build}, or set MMCB_NATIVE_BINDING to the path of an mmcb.node.`;
}

/** What decides which addon can be loaded. */
function platformDetails(): string {
  const libc = process.platform !== 'linux' ? [] : [isMusl() ? 'musl' : `glibc ${glibcVersion()}`];
  return [...libc, `Node ${process.version}`, `Node-API ${process.versions['napi'] ?? 'unknown'}`].join(', ');
}

function isMusl(): boolean {
  return process.platform === 'linux' && glibcVersion() === undefined;
}

/** Undefined where the C library is not glibc. */
function glibcVersion(): string | undefined {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true; // else it may wait for name servers
  try {
    const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime;
  } finally {
    report.excludeNetwork = before ?? false;
  }
}
