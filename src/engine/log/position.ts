import { isU64 } from "./u64.ts";

/** A frame boundary in the log: everything up to and including commit `seq` lies before it. */
export interface LogPosition {
  /** Number of the segment; 0 before the first segment of a log's life. */
  readonly segment: number;
  /** Bytes from the start of the segment to the boundary; a multiple of 8. */
  readonly offset: number;
  /** Checksum of the frame that ends here, or of the segment's header when there is none. */
  readonly previousChecksum: number;
  /** Last commit before the boundary; 0 when there is none. */
  readonly seq: number;
}

/**
 * The position of a database that has never written a commit. One that begins with the state of
 * another, at commit s, starts its log here with seq s.
 */
export const logStart: LogPosition = { segment: 0, offset: 0, previousChecksum: 0, seq: 0 };

/** True when both name the same boundary of the same history. */
export function samePosition(a: LogPosition, b: LogPosition): boolean {
  return (
    a.segment === b.segment &&
    a.offset === b.offset &&
    a.previousChecksum === b.previousChecksum &&
    a.seq === b.seq
  );
}

/** True when a writer can have stored it: a place before the first segment, or within one. */
export function isLogPosition({ segment, offset, previousChecksum, seq }: LogPosition): boolean {
  if (![segment, offset, seq].every(isU64)) return false;
  if (segment === 0) return offset === 0 && previousChecksum === 0;
  return offset > 0 && offset % 8 === 0;
}
