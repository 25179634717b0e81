/**
 * What lies in the log after the last group that can be used: how much, and what it proves.
 *
 * Only headers of frames count as proof: they carry the durable seq, and the seed ties them to the
 * place where they lie.
 */
import type { Checksum } from "../checksum.ts";
import type { Steps } from "../steps.ts";
import { frameHeaderBytes, frameMagic, frameSeed, isHeaderIntact, readFrame } from "./frame.ts";
import type { SegmentHeader } from "./segment.ts";
import type { LogWindow } from "./window.ts";

export interface Remains {
  /** From the start up to the last byte that is not zero, rounded up to 8. */
  bytes: number;
  /** Highest durable seq that an intact frame header carries; 0 for none. */
  durableSeq: number;
  /** Highest last seq of those frames; 0 for none. */
  lastSeq: number;
}

/** A stretch of a segment to be searched; `from` is a multiple of 8. */
export interface Stretch {
  readonly segment: number;
  readonly from: number;
  readonly end: number;
  /** Undefined when the header is lost: then only bytes are counted. */
  readonly header: SegmentHeader | undefined;
}

/** Searches a stretch of a segment, in bounded memory, at every place where a frame can begin. */
export function* surveyRemains(
  window: LogWindow,
  checksum: Checksum,
  stretch: Stretch,
): Steps<Remains> {
  const { segment, from, end, header } = stretch;
  const remains: Remains = { bytes: 0, durableSeq: 0, lastSeq: 0 };
  let at = from;
  while (at + 8 <= end) {
    if (!window.holds(segment, at, 8)) yield* window.load(segment, at, 8, end);
    at = skipZeros(window, at, end);
    if (at + 8 > Math.min(end, window.start + window.length)) continue;
    remains.bytes = at + 8 - from;
    const isMagic = window.view.getUint32(at - window.start, true) === frameMagic;
    const bytes =
      isMagic && header !== undefined
        ? yield* readProof(window, checksum, { segment, from: at, end, header }, remains)
        : 0;
    if (bytes > 0) remains.bytes = at + bytes - from;
    at += Math.max(bytes, 8);
  }
  return remains;
}

/** The first place from `at` on, in steps of 8, that is not zero, or the end of the window. */
function skipZeros(window: LogWindow, at: number, end: number): number {
  const { view, start } = window;
  const last = Math.min(end, start + window.length) - 8;
  let next = at;
  while (next <= last && view.getUint32(next - start, true) === 0) {
    if (view.getUint32(next - start + 4, true) !== 0) break;
    next += 8;
  }
  return next;
}

/** Bytes of the frame at the start of the stretch, noted in `remains`; 0 when there is none. */
function* readProof(
  window: LogWindow,
  checksum: Checksum,
  { segment, from, end, header }: Stretch & { readonly header: SegmentHeader },
  remains: Remains,
): Steps<number> {
  if (from + frameHeaderBytes > end) return 0;
  yield* window.load(segment, from, frameHeaderBytes, end);
  const at = from - window.start;
  const frame = readFrame(window.view, at);
  if (frame === undefined) return 0;
  const seed = frameSeed(header.checksum, from);
  if (!isHeaderIntact(window.bytes, at, frame, checksum, seed)) return 0;
  if (from + frame.bytes > end) return 0;
  remains.durableSeq = Math.max(remains.durableSeq, frame.durableSeq);
  remains.lastSeq = Math.max(remains.lastSeq, frame.lastSeq);
  return frame.bytes;
}
