/** An unmodified Node process under the shim: it writes to a file until the power fails. */
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { Child, type Task } from '../child.js';

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

export class CutChild extends Child {
  constructor(readonly under: Under) {
    const { shim, file, disk, report, seed, bootId, lies } = under;
    super({
      env: {
        LD_PRELOAD: shim,
        MMCB_CUT_FILE: file,
        MMCB_CUT_DISK: disk,
        MMCB_CUT_REPORT: report,
        MMCB_CUT_SEED: String(seed),
        ...(bootId === undefined ? {} : { MMCB_CUT_BOOT_ID: bootId }),
        ...(lies === true ? { MMCB_CUT_LIES: '1' } : {}),
      },
    });
  }

  /** Gives it its task, and waits for the cut; then the file is as the disk holds it. */
  async run(task: Task): Promise<Cut> {
    this.start(task);
    await this.ended(60_000);
    await this.kill();
    this.expectKilled();
    const { report, disk, file } = this.under;
    if (!existsSync(report)) throw new Error('no cut: the power did not fail within a minute');
    const cut = JSON.parse(readFileSync(report, 'utf8')) as Cut;
    copyFileSync(disk, file); // into the same inode: only the contents are the disk's
    return cut;
  }
}
