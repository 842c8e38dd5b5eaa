/** How far a run has come: a bar on a terminal, a line per round elsewhere. */
import { MultiBar, Presets } from 'cli-progress';

export function showProgress(total, rounds) {
  const started = Date.now();
  if (process.stderr.isTTY) {
    const bars = new MultiBar(
      { format: '{bar} {value}/{total} trials, {eta_formatted} left  {doing}', stream: process.stderr },
      Presets.shades_classic,
    );
    const bar = bars.create(total, 0, { doing: '' });
    return {
      begin: ({ durability, group, engine, entries, size }) =>
        bar.update({ doing: `${durability} ${group} ${engine} ${entries} × ${size} B` }),
      end: () => bar.increment(),
      say: (text) => bars.log(`${text}\n`),
      stop: () => bars.stop(),
    };
  }
  let done = 0;
  return {
    begin() {},
    end({ round }, next) {
      done++;
      if (next?.round === round) return;
      const seconds = ((Date.now() - started) / 1000).toFixed(0);
      console.error(`round ${round + 1} of ${rounds} done: ${done} of ${total} trials, ${seconds} s`);
    },
    say: (text) => console.error(text),
    stop() {},
  };
}
