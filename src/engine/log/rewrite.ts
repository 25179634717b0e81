/**
 * Writes the end of a log again, byte for byte, before anything builds on it.
 *
 * When a sync fails, file systems such as ext4 and XFS keep the bytes in their cache but never try
 * to write them again: the next process reads them, its own sync answers well, and after a loss of
 * power they are gone. Bytes that are written once more are written once more by the sync as well.
 * A crash in the middle changes nothing: what is there is what is written.
 */
import type { LogStorage } from "../../storage/port.ts";
import type { Checksum } from "../checksum.ts";
import { type Steps, wait } from "../steps.ts";
import { logCorrupt } from "./corrupt.ts";
import {
  frameHeaderBytes,
  frameSeed,
  isHeaderIntact,
  isPayloadIntact,
  readFrame,
} from "./frame.ts";
import { encodeSegmentHeader, type SegmentHeader, segmentHeaderBytes } from "./segment.ts";
import { LogWindow } from "./window.ts";

/** Frames of one segment that no later record shows to be durable. */
export interface UnsureStretch {
  readonly segment: number;
  readonly header: SegmentHeader;
  /** At or before {@link segmentHeaderBytes}: the header is not sure either. */
  readonly from: number;
  readonly to: number;
}

const windowBytes = 1 << 20;

/** Reads each stretch, checks it once more, and writes it to where it is. */
export function* rewrite(
  log: LogStorage,
  checksum: Checksum,
  stretches: readonly UnsureStretch[],
): Steps<void> {
  const window = new LogWindow(log, windowBytes);
  for (const { segment, header, from, to } of stretches) {
    if (from <= segmentHeaderBytes) {
      yield* wait(log.append(segment, 0, encodeSegmentHeader(header, checksum).bytes));
    }
    let at = Math.max(from, segmentHeaderBytes);
    while (at < to) {
      yield* window.load(segment, at, Math.min(frameHeaderBytes, to - at), to);
      const bytes = yield* intactBytes(window, checksum, { segment, header, from: at, to });
      yield* wait(
        log.append(segment, at, window.bytes.subarray(at - window.start).subarray(0, bytes)),
      );
      at += bytes;
    }
  }
}

/** Bytes of the frames from the start of the stretch on: those in the window, at least one. */
function* intactBytes(
  window: LogWindow,
  checksum: Checksum,
  { segment, header, from, to }: UnsureStretch,
): Steps<number> {
  let at = from;
  while (at + frameHeaderBytes <= to) {
    const isHeld = window.holds(segment, at, frameHeaderBytes);
    if (!isHeld) break;
    const frame = readFrame(window.view, at - window.start);
    if (frame === undefined || at + frame.bytes > to) break;
    const seed = frameSeed(header.checksum, at);
    if (!isHeaderIntact(window.bytes, at - window.start, frame, checksum, seed)) break;
    if (!window.holds(segment, at, frame.bytes)) {
      if (at > from) break;
      yield* window.load(segment, at, frame.bytes, to);
    }
    if (!isPayloadIntact(window.bytes, at - window.start, frame, checksum)) break;
    at += frame.bytes;
  }
  if (at > from) return at - from;
  const found = "a frame was intact a moment ago and is not any more";
  throw logCorrupt("frame-changed", { segment, offset: at, seq: header.pin.seq + 1 }, found);
}
