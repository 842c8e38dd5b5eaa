// What the demo measures on its way, and the table at the end.
import { count, mebibytes, milliseconds, perSecond } from './format.mjs';

export class Figures {
  /** How long each opening after a kill took. */
  recoveries = [];
  #moments = new Map();
  #rates = new Map();

  moment(name, map) {
    this.#moments.set(name, map.stats());
  }

  rate(name, { calls, ms }) {
    this.#rates.set(name, perSecond(calls, ms));
  }

  print(screen, checks) {
    screen.heading('In figures');
    const moments = [...this.#moments.values()];
    const row = (title, value) => [title, ...moments.map(value)];
    const sizes = [
      ['', ...this.#moments.keys()],
      row('records', (stats) => count(stats.count)),
      row('live', (stats) => mebibytes(stats.liveBytes)),
      row('slack', (stats) => mebibytes(stats.slackBytes)),
      row('garbage', (stats) => mebibytes(stats.garbageBytes)),
      row('free', (stats) => mebibytes(stats.freeBytes)),
      row('file', (stats) => mebibytes(stats.fileSize)),
    ];
    screen.details(sizes);
    screen.line();
    screen.details([
      ['per second', ...this.#rates.keys()],
      ['one thread', ...this.#rates.values()],
    ]);
    screen.line();
    screen.details([
      ['recovery after kill -9', summary(this.recoveries)],
      ['checks', `${count(checks.passed)} passed, ${count(checks.failed)} failed`],
    ]);
  }
}

/** All times, or, of many, what they come to. */
function summary(times) {
  if (times.length <= 5) return times.map(milliseconds).join(', ');
  const sorted = times.toSorted((a, b) => a - b);
  return `${milliseconds(sorted[sorted.length >> 1])} (median of ${times.length}), ${milliseconds(sorted.at(-1))} (longest)`;
}
