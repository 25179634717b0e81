/**
 * Walks the chain of segments frame by frame: finds the next frame, says whether it is intact, and
 * refuses an intact one that cannot stand there. It decides nothing about frames that are not.
 */
import type { CairnError } from "../../errors.ts";
import type { LogStorage } from "../../storage/port.ts";
import type { Checksum } from "../checksum.ts";
import type { Steps } from "../steps.ts";
import type { ChainLink } from "./chain.ts";
import { type LogCorruption, logCorrupt } from "./corrupt.ts";
import {
  type Frame,
  frameFault,
  frameHeaderBytes,
  frameKind,
  frameSeed,
  isHeaderIntact,
  isPayloadIntact,
  readFrame,
} from "./frame.ts";
import { type LogPosition, samePosition } from "./position.ts";
import { segmentHeaderBytes } from "./segment.ts";
import { LogWindow } from "./window.ts";

/** A place in the chain, and what the next frame there must continue. */
export interface Cursor {
  /** Of the link. */
  readonly index: number;
  readonly offset: number;
  readonly checksum: number;
  /** Last commit of the last complete group. */
  readonly seq: number;
}

/** The place behind a frame. The seq moves on with the last part of a group. */
export function cursorAfter(cursor: Cursor, frame: Frame): Cursor {
  return {
    index: cursor.index,
    offset: cursor.offset + frame.bytes,
    checksum: frame.checksum,
    seq: frame.part === frame.parts - 1 ? frame.lastSeq : cursor.seq,
  };
}

export class FrameWalk {
  readonly window: LogWindow;
  chain: readonly ChainLink[] = [];
  readonly #checksum: Checksum;

  constructor(log: LogStorage, checksum: Checksum, windowBytes: number) {
    this.window = new LogWindow(log, windowBytes);
    this.#checksum = checksum;
  }

  position({ index, offset, checksum, seq }: Cursor): LogPosition {
    return { segment: this.chain[index].segment, offset, previousChecksum: checksum, seq };
  }

  /** Goes on to the next segment when this one is pinned at the cursor. */
  cross(cursor: Cursor): Cursor {
    let at = cursor;
    for (;;) {
      const { pin, end } = this.chain[at.index];
      if (pin === undefined || at.offset < end) return at;
      const next = this.chain[at.index + 1];
      if (next.header === undefined || !samePosition(pin, this.position(at))) {
        const found =
          `segment ${next.segment} continues at offset ${pin.offset} after commit ${pin.seq}, ` +
          "where no such frame ends";
        throw this.corrupt("pin-mismatch", at, found);
      }
      const { checksum } = next.header;
      at = { index: at.index + 1, offset: segmentHeaderBytes, checksum, seq: at.seq };
    }
  }

  /** The intact frame at the cursor, all of it in the window; undefined when there is none. */
  *frameAt({ index, offset }: Cursor): Steps<Frame | undefined> {
    const { segment, header, end } = this.chain[index];
    if (header === undefined || offset + frameHeaderBytes > end) return undefined;
    const { window } = this;
    if (!window.holds(segment, offset, frameHeaderBytes)) {
      yield* window.load(segment, offset, frameHeaderBytes, end);
    }
    const at = offset - window.start;
    const frame = readFrame(window.view, at);
    if (frame === undefined || offset + frame.bytes > end) return undefined;
    const seed = frameSeed(header.checksum, offset);
    if (!isHeaderIntact(window.bytes, at, frame, this.#checksum, seed)) return undefined;
    if (!window.holds(segment, offset, frame.bytes)) {
      yield* window.load(segment, offset, frame.bytes, end);
    }
    const isIntact = isPayloadIntact(window.bytes, offset - window.start, frame, this.#checksum);
    return isIntact ? frame : undefined;
  }

  /** The payload of the frame that `frameAt` has just answered. A view on the window. */
  payload(frame: Frame, { offset }: Cursor): Uint8Array {
    const at = offset - this.window.start + frameHeaderBytes;
    return this.window.bytes.subarray(at, at + frame.payloadBytes);
  }

  /**
   * Refuses an intact frame that cannot be the next one: the first of a group, or the part with
   * number `part` of the group that began with `first`.
   */
  requireNext(frame: Frame, cursor: Cursor, part: number, first: Frame | undefined): void {
    const fault = frameFault(frame);
    if (fault !== undefined) {
      const found = `the fields of an intact frame contradict each other (${fault})`;
      throw this.corrupt("frame-malformed", cursor, found);
    }
    const { header, pin } = this.chain[cursor.index];
    const isMark = frame.kind === frameKind.cleanClose;
    const isNext =
      frame.generation === header?.generation &&
      frame.previousChecksum === cursor.checksum &&
      frame.part === part &&
      frame.firstSeq === (isMark ? cursor.seq : cursor.seq + 1) &&
      // Nothing follows the mark of a clean close, so no pin can lie behind it.
      !(isMark && pin !== undefined) &&
      (first === undefined || isSameGroup(frame, first));
    if (isNext) return;
    const found =
      `an intact frame (commits ${frame.firstSeq} to ${frame.lastSeq}, part ${frame.part + 1} of ` +
      `${frame.parts}, generation ${frame.generation}) does not follow what lies before it`;
    throw this.corrupt("frame-out-of-order", cursor, found);
  }

  corrupt(
    reason: LogCorruption,
    cursor: Cursor,
    found: string,
    details: Readonly<Record<string, number>> = {},
  ): CairnError {
    const { segment } = this.chain[cursor.index];
    return logCorrupt(
      reason,
      { segment, offset: cursor.offset, seq: cursor.seq + 1 },
      found,
      details,
    );
  }
}

function isSameGroup(a: Frame, b: Frame): boolean {
  return (
    a.kind === b.kind &&
    a.parts === b.parts &&
    a.lastSeq === b.lastSeq &&
    a.groupBytes === b.groupBytes &&
    a.time === b.time
  );
}
