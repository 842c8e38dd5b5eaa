/** Errors that say more than a code. */
import { errorCodes, MmcbError } from '../errors.js';
import type { ExpectedVersion, Version } from './event.js';

/** MMCB_VERSION_CONFLICT: somebody else has stored events in between. Nothing was stored. */
export class VersionConflictError extends MmcbError {
  /** What was expected. */
  readonly expectedVersion: ExpectedVersion;
  /** What it is. */
  readonly actualVersion: Version;
  /** The aggregate whose version it is; undefined where the version of an event was asked for. */
  readonly aggregateId: string | undefined;

  constructor(expectedVersion: ExpectedVersion, actualVersion: Version, aggregateId?: string) {
    const whose = aggregateId === undefined ? 'the next event' : `aggregate ${JSON.stringify(aggregateId)}`;
    const advice = errorCodes.MMCB_VERSION_CONFLICT[1];
    super('MMCB_VERSION_CONFLICT', `${whose} has version ${actualVersion}, not ${expectedVersion}; ${advice}`);
    this.expectedVersion = expectedVersion;
    this.actualVersion = actualVersion;
    this.aggregateId = aggregateId;
  }
}

/**
 * MMCB_STORED: the signal was aborted when the events had been stored already. They survive the death of the process, and
 * will be on the disk with the next sync point; what was given up is waiting for that. `cause` is the signal's reason.
 */
export class StoredError extends MmcbError {
  readonly stored = true;
  readonly versions: readonly Version[];

  constructor(versions: readonly Version[], cause: unknown) {
    const which = versions.length === 1 ? `version ${versions[0]}` : `versions ${versions[0]} to ${versions.at(-1)}`;
    super('MMCB_STORED', `the wait was aborted, but ${which} had been stored; ${errorCodes.MMCB_STORED[1]}`, { cause });
    this.versions = versions;
  }
}
