/** Progress of long work: a bar on a terminal, now and then a plain line in a pipe. */
import type { SingleBar } from 'cli-progress';
import cliProgress from 'cli-progress';
import type { Progress } from '../buffer/options.js';

export interface ShownProgress {
  update(progress: Progress): void;
  stop(): void;
}

/** Milliseconds between two lines in a pipe. */
const LINE_INTERVAL = 2000;

export function startProgress(label: string, stream: NodeJS.WriteStream, now: () => number = Date.now): ShownProgress {
  return stream.isTTY ? new Bar(label, stream) : new Lines(label, stream, now);
}

class Bar implements ShownProgress {
  readonly #bar: SingleBar;
  #started = false;

  constructor(label: string, stream: NodeJS.WriteStream) {
    const format = `${label} {phase} {bar} {percentage} %`;
    this.#bar = new cliProgress.SingleBar(
      { stream, format, barsize: 30, hideCursor: true, clearOnComplete: true, emptyOnZero: true },
      cliProgress.Presets.shades_classic,
    );
  }

  update({ phase, done, total }: Progress): void {
    if (this.#started) this.#bar.setTotal(total);
    else this.#bar.start(total, 0, { phase });
    this.#started = true;
    this.#bar.update(done, { phase });
  }

  stop(): void {
    if (this.#started) this.#bar.stop();
  }
}

/** A line when a phase has begun a while ago, and then one each interval: short work says nothing. */
class Lines implements ShownProgress {
  readonly #label: string;
  readonly #stream: NodeJS.WriteStream;
  readonly #now: () => number;
  #next: number;

  constructor(label: string, stream: NodeJS.WriteStream, now: () => number) {
    this.#label = label;
    this.#stream = stream;
    this.#now = now;
    this.#next = now() + LINE_INTERVAL;
  }

  update({ phase, done, total }: Progress): void {
    if (this.#now() < this.#next) return;
    this.#next = this.#now() + LINE_INTERVAL;
    const share = total > 0 ? ` ${Math.floor((done / total) * 100)} %` : '';
    this.#stream.write(`${this.#label}: ${phase}${share}\n`);
  }

  stop(): void {}
}
