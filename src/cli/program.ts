/** The command line: its commands, options and help, and what each of them calls. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { backup } from './commands/backup.js';
import { bench } from './commands/bench.js';
import { compact } from './commands/compact.js';
import { dump, entryKinds } from './commands/dump.js';
import { get, keyKinds } from './commands/get.js';
import { inspect } from './commands/inspect.js';
import { load } from './commands/load.js';
import { repair } from './commands/repair.js';
import { stats } from './commands/stats.js';
import { verify } from './commands/verify.js';
import { codecNames } from './line-values.js';
import { Output, type OutputOptions } from './output.js';

/** What a run ends with besides its exit code: told to `run` by the command that was chosen. */
export type Ended = (exitCode: number) => void;

/** The whole program. `ended` gets the exit code of the command that was run. */
export function createProgram(version: string, signal: AbortSignal, ended: Ended): Command {
  const program = new Command('mmcb')
    .description('Looks at, checks, copies and mends files of mmcb. Reads only, unless a command says that it writes.')
    .version(version)
    .option('--json', 'report as one JSON document, errors as well')
    .option('-q, --quiet', 'no progress and no notes')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} }) // reported by `run`, as text or JSON
    .showSuggestionAfterError(true)
    .allowExcessArguments(false) // subcommands inherit it
    .exitOverride()
    .addHelpText('after', exitCodeHelp);

  const codec = (): Option =>
    new Option('-c, --codec <name>', 'how values are stored').choices(codecNames).default('msgpack');
  const file = ['<file>', 'a file of mmcb'] as const;

  /** Adds a command; `work` gets its arguments and options. */
  function add<O extends object>(
    command: Command,
    work: (args: string[], options: O, context: { output: Output; signal: AbortSignal }) => Promise<number>,
  ): void {
    command.exitOverride().configureOutput({ outputError: () => {} });
    command.action(async () => {
      const options = command.optsWithGlobals<O & OutputOptions>();
      const args = command.processedArgs as string[];
      ended(await work(args, options, { output: new Output(options), signal }));
    });
  }

  add(
    program
      .command('stats')
      .description('counters: entries, sizes, garbage, epochs')
      .argument(...file),
    ([path = ''], _: object, context) => stats(path, context),
  );
  add(
    program
      .command('verify')
      .description('check every checksum and every invariant; exit code 1 if there is damage')
      .argument(...file)
      .option('--acknowledge', 'clear the damage marker if nothing is wrong any more (writes)'),
    ([path = ''], options: { acknowledge?: boolean }, context) => verify(path, options, context),
  );
  add(
    program
      .command('dump')
      .description('every entry as a line of JSON')
      .argument(...file)
      .addOption(codec())
      .addOption(new Option('--only <kind>', 'only these entries').choices(entryKinds))
      .option('--keys', 'no values')
      .option('--limit <n>', 'no more than n entries', natural)
      .option('-o, --output <file>', 'write to a new file instead of stdout'),
    ([path = ''], options: Parameters<typeof dump>[1], context) => dump(path, options, context),
  );
  add(
    program
      .command('load')
      .description('store lines of JSON, as dump writes them (writes; makes the file if there is none)')
      .argument(...file)
      .argument('[input]', 'a file of lines; left out, or -: stdin')
      .addOption(codec())
      .option('--batch <n>', 'lines stored together, all or nothing', natural, 1000),
    ([path = '', input], options: Parameters<typeof load>[2], context) => load(path, input, options, context),
  );
  add(
    program
      .command('get')
      .description('the value of one key; exit code 1 if there is none')
      .argument(...file)
      .argument('<key>', 'a key, or an address')
      .addOption(codec())
      .addOption(
        new Option(
          '--as <kind>',
          'what the key is; left out: an int if it looks like one and no key is a string',
        ).choices(keyKinds),
      )
      .option('--raw', 'the stored bytes as they are'),
    ([path = '', key = ''], options: Parameters<typeof get>[2], context) => get(path, key, options, context),
  );
  add(
    program
      .command('compact')
      .description('give the space of removed entries back to the file system (writes)')
      .argument(...file),
    ([path = ''], _: object, context) => compact(path, context),
  );
  add(
    program
      .command('backup')
      .description('copy what is live to a new file; addresses stay the same')
      .argument(...file)
      .argument('<target>', 'the new file')
      .option('--overwrite', 'replace a file that is there already'),
    ([path = '', target = ''], options: { overwrite?: boolean }, context) => backup(path, target, options, context),
  );
  add(
    program
      .command('repair')
      .description('salvage what is whole of a damaged file into a new one; exit code 1 if something was lost')
      .argument('<file>', 'a damaged file; it stays as it is')
      .argument('<target>', 'the new file')
      .option('--overwrite', 'replace a file that is there already'),
    ([path = '', target = ''], options: { overwrite?: boolean }, context) => repair(path, target, options, context),
  );
  add(
    program
      .command('bench')
      .description('measure this machine and this disk, with a file that is removed afterwards')
      .argument('[folder]', 'where to put the file', '.')
      .option('--entries <n>', 'how many', natural, 200_000)
      .option('--size <bytes>', 'of each value', natural, 100),
    ([folder = '.'], options: { entries: number; size: number }, context) => bench(folder, options, context),
  );
  add(
    program
      .command('inspect')
      .description('show a file in the browser, segment by segment, beside whoever writes to it')
      .argument(...file)
      .option('--port <n>', 'of the page on 127.0.0.1; left out: any that is free', port)
      .option('--svg <file>', 'write a picture of the segments instead of serving a page'),
    ([path = ''], options: Parameters<typeof inspect>[1], context) => inspect(path, options, context),
  );
  return program;
}

const exitCodeHelp = `
Exit codes: 0 done, 1 the answer is no (damage, no such key, loss), 2 wrong command line or input, 3 the file cannot be
used, 4 damaged, 5 in use by another process, 6 disk full or system error. See docs/cli.md.`;

function natural(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > 1e9) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 1,000,000,000.');
  }
  return number;
}

function port(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > 65_535) throw new InvalidArgumentError('It must be a number from 0 to 65,535.');
  return number;
}
