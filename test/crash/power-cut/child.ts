/** An unmodified Node process under the shim: it writes to a file until the power fails. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./process.mjs', import.meta.url));

export interface Under {
  shim: string;
  /** The file as the process sees it, and as the disk holds it. */
  file: string;
  disk: string;
  report: string;
  seed: number;
  /** Undefined: the machine's own. */
  bootId?: string | undefined;
  /** fdatasync does nothing. */
  lies?: boolean | undefined;
}

/** What the shim says about its cut. */
export interface Cut {
  phase: 'begin' | 'middle' | 'end' | 'afterwards';
  /** fdatasyncs begun since the process opened the file. */
  syncs: number;
  /** Pages, and parts of pages, that were written back besides. */
  flushed: number;
  /** Pages that differed from the disk at the cut; those that still got there; those of them in part only. */
  dirty: number;
  written: number;
  torn: number;
  /** Changes of size and holes that were under way; those that did not get there. */
  changes: number;
  lostChanges: number;
  durableSize: number;
  size: number;
  liveSize: number;
}

export class CutChild {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  #output = '';

  constructor(readonly under: Under) {
    const { shim, file, disk, report, seed, bootId, lies } = under;
    this.#process = spawn(process.execPath, [program], {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: {
        ...process.env,
        LD_PRELOAD: shim,
        MMCB_CUT_FILE: file,
        MMCB_CUT_DISK: disk,
        MMCB_CUT_REPORT: report,
        MMCB_CUT_SEED: String(seed),
        ...(bootId === undefined ? {} : { MMCB_CUT_BOOT_ID: bootId }),
        ...(lies === true ? { MMCB_CUT_LIES: '1' } : {}),
      },
    });
    this.#process.stderr?.on('data', (text) => {
      this.#output += text;
    });
    this.#process.stdin?.on('error', () => {}); // it is gone: its exit says why
    this.#exit = once(this.#process, 'close');
  }

  /** Gives it its task, and waits for the cut; then the file is as the disk holds it. */
  async run(task: object): Promise<Cut> {
    this.#process.stdin?.write(`${JSON.stringify({ ...task, file: this.under.file })}\n`);
    const timeout = setTimeout(() => this.kill(), 60_000);
    await this.#exit;
    clearTimeout(timeout);
    const { exitCode, signalCode } = this.#process;
    if (signalCode !== 'SIGKILL' || !existsSync(this.under.report)) {
      throw new Error(`no cut: the child ended with exit code ${exitCode}, signal ${signalCode}:\n${this.#output}`);
    }
    const cut = JSON.parse(readFileSync(this.under.report, 'utf8')) as Cut;
    copyFileSync(this.under.disk, this.under.file); // into the same inode: only the contents are the disk's
    return cut;
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await this.#exit;
  }
}
