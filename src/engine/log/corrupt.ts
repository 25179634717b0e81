/** The errors of a log that cannot be read as it was written. */
import { CairnError } from "../../errors.ts";

/** Why a log was refused; `details.reason` of a `log_corrupt` error. */
export type LogCorruption =
  /** A frame is damaged, and a later record says that it had been durable. */
  | "frame-damaged"
  /** A frame is intact, but it does not follow the one before it. */
  | "frame-out-of-order"
  /** A frame is intact, but its fields contradict each other. */
  | "frame-malformed"
  /** A part of a group was intact when it was checked and is not when it is read again. */
  | "frame-changed"
  /** A commit or an effect does not fit the frame it lies in. */
  | "payload-malformed"
  /** A segment that the log needs is not there. */
  | "segment-missing"
  /** A segment is shorter than it was created. */
  | "segment-truncated"
  /** Both copies of the header of a segment that the log needs are damaged. */
  | "segment-header-damaged"
  /** A segment holds the bytes of another one. */
  | "segment-misplaced"
  /** A segment belongs to another database. */
  | "foreign-database"
  /** A segment continues at a place that its predecessor does not have. */
  | "pin-mismatch"
  /** A segment is older than the one it follows. */
  | "generation-backwards";

/** Where in the log, and at which commit. */
export interface LogPlace {
  readonly segment: number;
  readonly offset: number;
  /** The commit that should be there. */
  readonly seq: number;
}

/** A `log_corrupt` error. `found` says in one clause what was found and what was expected. */
export function logCorrupt(
  reason: LogCorruption,
  place: LogPlace,
  found: string,
  details: Readonly<Record<string, number>> = {},
): CairnError {
  return new CairnError(
    "log_corrupt",
    `Reading the log at segment ${place.segment}, offset ${place.offset}, commit ${place.seq}: ` +
      `${found}. Nothing was changed. Restore from a backup, or salvage what is intact into a ` +
      "new database.",
    {
      details: { reason, segment: place.segment, offset: place.offset, seq: place.seq, ...details },
    },
  );
}
