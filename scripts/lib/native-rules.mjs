// The rules of native/ that no compiler checks:
//   - native/core includes no Node header and makes system calls only in core/platform/*posix* and *windows* files
//     (asking for the CPU's features and yielding a time slice are not counted);
//   - native/sources.txt names exactly the .cc files that exist.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder } from './fingerprint.mjs';
import { root } from './run.mjs';

const nodeHeader = /#\s*include\s*[<"](?:[^>"]*\/)?(?:node|node_api|js_native_api|napi|v8|uv)[\w.-]*\.h[>"]/;

const systemHeader =
  /#\s*include\s*<(?:sys\/(?!auxv)|linux\/|mach\/|(?:unistd|fcntl|pthread|sched|signal|csignal|dirent|time|ctime|poll|aio|windows|io)(?:\.h)?>|(?:filesystem|fstream|iostream|random)>)/;

const systemCall =
  /(?<![\w:])::(?:open|close|read|write|pread|pwrite|mmap|munmap|mremap|madvise|msync|fsync|fdatasync|ftruncate|fallocate|fstat|stat|flock|fcntl|ioctl|rename|unlink|kill|raise|sigaction|nanosleep|clock_gettime|getrandom)\s*\(|\bstd::(?:thread|jthread|this_thread::sleep\w+|filesystem|random_device|fopen|getenv|system|time)\b|_clock::now\s*\(/;

const isPlatform = (file) => /^native\/core\/platform\/[^/]*(?:posix|linux|darwin|windows)[^/]*\.(?:cc|h)$/.test(file);

/** Findings as `file:line: reason`; none means all is well. */
export function nativeRules() {
  const files = filesUnder('native').map((file) => file.replaceAll('\\', '/'));
  const core = files.filter((file) => /^native\/core\/.*\.(?:cc|h)$/.test(file));
  return [...core.flatMap(checkFile), ...checkSourceList(files)];
}

function checkFile(file) {
  const rules = [['a Node header in the core', nodeHeader]];
  if (!isPlatform(file)) rules.push(['a system header outside core/platform', systemHeader]);
  if (!isPlatform(file)) rules.push(['a system call outside core/platform', systemCall]);
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  return lines.flatMap((line, index) => {
    const code = line.replace(/\/\/.*$/, '');
    return rules
      .filter(([, pattern]) => pattern.test(code))
      .map(([reason]) => `${file}:${index + 1}: ${reason}: ${line.trim()}`);
  });
}

function checkSourceList(files) {
  const list = 'native/sources.txt';
  if (!existsSync(join(root, list))) return [`${list} does not exist`];
  const listed = readFileSync(join(root, list), 'utf8').split(/\s+/).filter(Boolean);
  const present = files.filter((file) => file.endsWith('.cc')).map((file) => file.slice('native/'.length));
  return [
    ...present.filter((file) => !listed.includes(file)).map((file) => `${list}: ${file} exists but is not listed`),
    ...listed.filter((file) => !present.includes(file)).map((file) => `${list}: ${file} is listed but does not exist`),
    ...listed.filter((file, index) => listed.indexOf(file) !== index).map((file) => `${list}: ${file} is listed twice`),
  ];
}
