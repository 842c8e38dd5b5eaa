// The command line of the demo.
import { parseArgs } from 'node:util';

export const help = `npm start                       135,233 cities through everything mmcb does, with every result checked
npm start -- --records N        that many records: fewer cities, or synthetic copies of them (1,000 to 100,000,000)
npm start -- --path FILE        a new file there instead of one in a temporary folder; it is kept
npm start -- --kills N          how often the writing process is killed (default 3)
npm start -- --help             this`;

/** A mistake on the command line: said in one line, without a stack. */
export class UsageError extends Error {}

const table = {
  records: { type: 'string' },
  path: { type: 'string' },
  kills: { type: 'string', default: '3' },
  help: { type: 'boolean', short: 'h', default: false },
};

export function readOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({ args, options: table }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (values.path === '') throw new UsageError('--path needs the name of a file');
  return {
    help: values.help,
    path: values.path,
    records: wholeNumber(values.records, '--records', 1000, 100_000_000),
    kills: wholeNumber(values.kills, '--kills', 1, 1000),
  };
}

function wholeNumber(text, name, min, max) {
  if (text === undefined) return undefined;
  const number = /^\d[\d_,]*$/.test(text) ? Number(text.replace(/[_,]/g, '')) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${name} must be a whole number from ${min} to ${max}, got '${text}'`);
}
