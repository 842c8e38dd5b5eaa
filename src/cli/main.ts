#!/usr/bin/env node
/** npx mmcb: see program.ts for the commands. */
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { ExitCode, Interrupted } from './exit-codes.js';
import { reportFailure } from './output.js';
import { createProgram } from './program.js';

const interruption = new AbortController();
for (const [name, code] of [
  ['SIGINT', ExitCode.INTERRUPTED],
  ['SIGTERM', ExitCode.TERMINATED],
] as const) {
  // The second one ends the process at once, as if nobody had listened.
  process.once(name, () => interruption.abort(new Interrupted(code)));
}

// `mmcb dump ... | head`: whoever read has had enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.PIPE);
  throw error;
});

process.exitCode = await run(process.argv.slice(2));

async function run(args: string[]): Promise<number> {
  let exitCode: number = ExitCode.OK;
  try {
    const program = createProgram(version(), interruption.signal, (code) => {
      exitCode = code;
    });
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (thrown) {
    // A stream that was aborted says so in its own way.
    const error = interruption.signal.aborted ? interruption.signal.reason : thrown;
    if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.OK; // --help, --version
    if (error instanceof CommanderError && error.code === 'commander.help') return ExitCode.USAGE; // has been printed
    const json = args.includes('--json');
    const failed = reportFailure(error, json);
    if (failed === ExitCode.USAGE && !json) process.stderr.write("mmcb: see 'mmcb --help' and 'mmcb help COMMAND'\n");
    return failed;
  }
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as unknown;
  return (manifest as { version: string }).version;
}
