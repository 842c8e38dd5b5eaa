// What is printed. On a terminal there are progress bars and a little weight; in a pipe there are plain lines.
import { setImmediate } from 'node:timers/promises';
import cliProgress from 'cli-progress';
import { alignedRows } from './format.mjs';

const PIPE_INTERVAL = 3000; // milliseconds between two progress lines in a pipe

export class Screen {
  #out;
  #terminal;
  #colour;
  #phase = 0;

  constructor(out = process.stdout) {
    this.#out = out;
    this.#terminal = Boolean(out.isTTY);
    this.#colour = this.#terminal && !process.env.NO_COLOR;
  }

  line(text = '') {
    this.#out.write(`${text}\n`);
  }

  /** A line that belongs to the phase above it. */
  detail(text) {
    this.line(`   ${text}`);
  }

  details(rows) {
    for (const row of alignedRows(rows)) this.detail(row);
  }

  phase(title) {
    this.#phase++;
    this.line();
    this.line(this.#bold(`${this.#phase}. ${title}`));
  }

  heading(title) {
    this.line();
    this.line(this.#bold(title));
  }

  failure(text) {
    this.line(`   FAILED: ${text}`);
  }

  /** Its `update` also lets the event loop turn, so that a loop that reports progress blocks nobody for long. */
  bar(label, total) {
    return this.#terminal ? new TerminalBar(this.#out, label, total) : new PipeBar(this, label, total);
  }

  #bold(text) {
    return this.#colour ? `\x1b[1m${text}\x1b[22m` : text;
  }
}

class TerminalBar {
  #bar;

  constructor(stream, label, total) {
    const options = {
      stream,
      format: `   ${label} {bar} {percentage}%`,
      barsize: 40,
      hideCursor: true,
      clearOnComplete: true,
    };
    this.#bar = new cliProgress.SingleBar(options, cliProgress.Presets.shades_classic);
    this.#bar.start(total, 0);
  }

  async update(done, total) {
    this.show(done, total);
    await setImmediate();
  }

  show(done, total) {
    if (total !== undefined) this.#bar.setTotal(total);
    this.#bar.update(done);
  }

  async stop() {
    this.#bar.stop();
  }
}

class PipeBar {
  #screen;
  #label;
  #total;
  #next = Date.now() + PIPE_INTERVAL;

  constructor(screen, label, total) {
    this.#screen = screen;
    this.#label = label;
    this.#total = total;
  }

  async update(done, total) {
    this.show(done, total);
    await setImmediate();
  }

  show(done, total = this.#total) {
    if (Date.now() < this.#next || total === 0) return;
    this.#next = Date.now() + PIPE_INTERVAL;
    this.#screen.detail(`${this.#label} ${Math.floor((done / total) * 100)}%`);
  }

  async stop() {}
}
