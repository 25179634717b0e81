/**
 * Reads the log after a position: every complete commit group in order, then what its end is.
 *
 * Torn tail or corruption? Let s be the last commit of the intact prefix, and d the highest durable
 * seq in any intact record found after it: a frame's header in the rest of the segment or in a
 * later one, a segment's header, the mark of a clean close. (A caller may know a higher d.)
 *
 *     d > s    commit s + 1 had been durable when that record was built, and is gone:
 *              `log_corrupt`.
 *     d <= s   nobody had been told that anything after s is durable when the newest intact record
 *              was built. The rest was never synced: it is dropped, and reported as torn.
 *
 * An intact frame after a hole is in itself no proof: writes that were not synced reach the medium
 * in any order. With a sync after every group each frame says that the one before is durable, and
 * the rule is exact up to the last frame of an unclean shutdown; the mark of a clean close, written
 * after the sync of everything before it, makes it exact for that one too. Durable seqs in what
 * earlier recoveries dropped are no higher than where they cut, so counting them is harmless.
 *
 * Missing or shortened segments, records of other databases, and intact records that contradict
 * each other are no trace that a crash can leave, and are always refused. Before a log is refused
 * for a damaged frame, or its end dropped, it is read once more: a live writer may have got there
 * meanwhile, and a bit may have been flipped on its way here and not on the medium.
 */
import { CairnError } from "../../errors.ts";
import type { LogStorage } from "../../storage/port.ts";
import type { Checksum } from "../checksum.ts";
import type { Steps } from "../steps.ts";
import { readSegments, resolveChain, type SegmentInfo } from "./chain.ts";
import { type Frame, frameBytes, frameKind } from "./frame.ts";
import type { LogPosition } from "./position.ts";
import { type Remains, surveyRemains } from "./remains.ts";
import type { UnsureStretch } from "./rewrite.ts";
import { segmentHeaderBytes } from "./segment.ts";
import { type Cursor, cursorAfter, FrameWalk } from "./walk.ts";

export interface LogReaderSetup {
  readonly log: LogStorage;
  readonly checksum: Checksum;
  /** 16 bytes, as in the root. */
  readonly databaseId: Uint8Array;
  /** Where to begin: the root's position, or {@link logStart}. */
  readonly from: LogPosition;
  /** A commit known durable from elsewhere, such as a newer root: a log without it is refused. */
  readonly durableSeq?: number;
  /** Bytes read at a time; 1 MiB by default. A larger frame is read whole. */
  readonly windowBytes?: number;
}

/** A commit group, or one part of a large one. Every part of it has been seen intact. */
export interface LogPart {
  /** A view that is valid until the next call of `next`. */
  readonly payload: Uint8Array;
  /** From 0. Parts of a group follow each other; their payloads form one run of commits. */
  readonly part: number;
  readonly parts: number;
  /** Payload bytes of all parts. */
  readonly groupBytes: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Unix milliseconds. */
  readonly time: number;
  readonly generation: number;
}

/** What the end of the log is. */
export interface LogTail {
  /**
   * `clean`: closed. `unclosed`: not closed, but it ends with an intact group. `torn`: something
   * after the last intact group was dropped. `empty`: no segment was ever begun.
   */
  readonly kind: "clean" | "unclosed" | "torn" | "empty";
  /** After the last intact group. A {@link LogWriter} continues here. */
  readonly end: LogPosition;
  /** Bytes that are not used, up to the last one that is not zero, in units of 8. */
  readonly droppedBytes: number;
  /** First and highest commit that may have been in them; undefined when nothing was dropped. */
  readonly firstDroppedSeq: number | undefined;
  readonly lastDroppedSeq: number | undefined;
  /** Highest commit that the log itself shows to have been durable; at least that of `from`. */
  readonly durableSeq: number;
  /** The segments that were read, in order: to be synced before anything builds on them. */
  readonly segments: readonly number[];
  /** Copies of headers and of the closing mark that are damaged, with the other one intact. */
  readonly copiesLost: number;
  /** What was accepted, and may be in a cache only: to be written again by whoever goes on. */
  readonly unsure: readonly UnsureStretch[];
}

const windowBytesDefault = 1 << 20;
const windowBytesMin = 512;

export class LogReader {
  readonly #setup: LogReaderSetup;
  readonly #walk: FrameWalk;
  #infos: readonly SegmentInfo[] = [];
  /** Undefined until the segments have been listed. */
  #cursor: Cursor | undefined;
  /** Parts of the current group that are still to be handed out. */
  #partsLeft = 0;
  /** Highest durable seq of what was read. */
  #durableSeq: number;
  #tail: LogTail | undefined;
  /** Everything before it is known to be durable. */
  #sure: Cursor | undefined;

  constructor(setup: LogReaderSetup) {
    const windowBytes = Math.max(setup.windowBytes ?? windowBytesDefault, windowBytesMin);
    this.#setup = setup;
    this.#walk = new FrameWalk(setup.log, setup.checksum, windowBytes);
    this.#durableSeq = setup.from.seq;
  }

  /** What the end of the log is; only after `next` has answered undefined. */
  get tail(): LogTail {
    if (this.#tail !== undefined) return this.#tail;
    throw new CairnError(
      "invariant_broken",
      "The end of the log was asked for before it was read.",
    );
  }

  /** The place after what was handed out so far. */
  get position(): LogPosition {
    return this.#cursor === undefined ? this.#setup.from : this.#walk.position(this.#cursor);
  }

  /**
   * The next part in order, undefined at the end. Throws `log_corrupt` with `details` { reason,
   * segment, offset, seq }, or `format_newer`; what was handed out before is intact all the same.
   */
  *next(): Steps<LogPart | undefined> {
    if (this.#tail !== undefined) return undefined;
    let cursor = this.#cursor ?? (yield* this.#open());
    if (this.#partsLeft > 0) return yield* this.#nextPart(cursor);
    for (let isSecondLook = false; ; isSecondLook = true) {
      cursor = this.#walk.cross(cursor);
      this.#cursor = cursor;
      const first = yield* this.#walk.frameAt(cursor);
      let broken = cursor;
      if (first !== undefined) {
        this.#walk.requireNext(first, cursor, 0, undefined);
        if (first.kind === frameKind.cleanClose) {
          yield* this.#finishClean(cursor, first);
          return undefined;
        }
        const hole = first.parts === 1 ? undefined : yield* this.#holeOf(cursor, first);
        if (hole === undefined) {
          this.#durableSeq = Math.max(this.#durableSeq, first.durableSeq);
          if (first.durableSeq >= cursor.seq) this.#sure = cursor;
          this.#partsLeft = first.parts;
          return first.parts === 1 ? this.#hand(cursor, first) : yield* this.#nextPart(cursor);
        }
        broken = hole;
      }
      if (yield* this.#finish(cursor, broken, isSecondLook)) return undefined;
      this.#walk.window.forget();
    }
  }

  *#open(): Steps<Cursor> {
    const { log, checksum, databaseId, from } = this.#setup;
    this.#infos = yield* readSegments(log, checksum, databaseId, from);
    this.#walk.chain = resolveChain(this.#infos, from);
    this.#sure = { index: 0, offset: from.offset, checksum: from.previousChecksum, seq: from.seq };
    return this.#sure;
  }

  /** Looks at every part of a group; answers the place of the first that is not intact. */
  *#holeOf(start: Cursor, first: Frame): Steps<Cursor | undefined> {
    let cursor = cursorAfter(start, first);
    let bytes = first.payloadBytes;
    for (let part = 1; part < first.parts; part++) {
      cursor = this.#walk.cross(cursor);
      const frame = yield* this.#walk.frameAt(cursor);
      if (frame === undefined) return cursor;
      this.#walk.requireNext(frame, cursor, part, first);
      bytes += frame.payloadBytes;
      cursor = cursorAfter(cursor, frame);
    }
    if (bytes === first.groupBytes) return undefined;
    const found = `a group has ${bytes} payload bytes, its frames say ${first.groupBytes}`;
    throw this.#walk.corrupt("frame-malformed", start, found);
  }

  *#nextPart(from: Cursor): Steps<LogPart> {
    const cursor = this.#walk.cross(from);
    const frame = yield* this.#walk.frameAt(cursor);
    if (frame === undefined || frame.parts - frame.part !== this.#partsLeft) {
      const found = "a part of a group was intact a moment ago and is not any more";
      throw this.#walk.corrupt("frame-changed", cursor, found);
    }
    return this.#hand(cursor, frame);
  }

  #hand(cursor: Cursor, frame: Frame): LogPart {
    this.#partsLeft--;
    this.#cursor = cursorAfter(cursor, frame);
    return {
      payload: this.#walk.payload(frame, cursor),
      part: frame.part,
      parts: frame.parts,
      groupBytes: frame.groupBytes,
      firstSeq: frame.firstSeq,
      lastSeq: frame.lastSeq,
      time: frame.time,
      generation: frame.generation,
    };
  }

  /**
   * No whole group begins at `cursor`: finds out what the end is. Answers false when what follows
   * says that something is lost, and it was not looked at twice yet.
   */
  *#finish(cursor: Cursor, broken: Cursor, isSecondLook: boolean): Steps<boolean> {
    const copy = { ...cursor, offset: cursor.offset + frameBytes(0) };
    const mark = yield* this.#walk.frameAt(copy);
    if (mark?.kind === frameKind.cleanClose) {
      this.#walk.requireNext(mark, copy, 0, undefined);
      yield* this.#finishClosed(cursor, 1);
      return true;
    }
    const remains = yield* this.#survey(cursor, cursor.offset);
    const hasBegun = this.#walk.chain[cursor.index].header !== undefined;
    // Zeros tell nothing either: a read that was answered from another place may have brought them.
    if (!isSecondLook && (hasBegun || remains.bytes > 0)) return false;
    this.#requireNothingLost(broken, remains);
    const kind = remains.bytes > 0 ? "torn" : hasBegun ? "unclosed" : "empty";
    this.#end(kind, cursor, remains, 0);
    return true;
  }

  *#finishClean(cursor: Cursor, mark: Frame): Steps<void> {
    const copy = { ...cursor, offset: cursor.offset + mark.bytes };
    const isWhole = (yield* this.#walk.frameAt(copy)) !== undefined;
    yield* this.#finishClosed(cursor, isWhole ? 0 : 1);
  }

  /** The log was closed at `cursor`. Nothing of this segment can follow, but a torn new one may. */
  *#finishClosed(cursor: Cursor, copiesLost: number): Steps<void> {
    const remains = yield* this.#survey(cursor, this.#walk.chain[cursor.index].end);
    this.#requireNothingLost(cursor, remains);
    this.#durableSeq = Math.max(this.#durableSeq, cursor.seq);
    this.#end(remains.bytes > 0 ? "torn" : "clean", cursor, remains, copiesLost);
  }

  /** Searches the rest of the segment from `from` on, and all later segments. */
  *#survey(cursor: Cursor, from: number): Steps<Remains> {
    const { window, chain } = this.#walk;
    const { checksum } = this.#setup;
    const { segment, header, end } = chain[cursor.index];
    const all = yield* surveyRemains(window, checksum, { segment, from, end, header });
    all.durableSeq = Math.max(all.durableSeq, this.#setup.durableSeq ?? 0);
    for (const info of this.#infos) {
      if (info.segment <= segment) continue;
      const begun = info.header === undefined ? 0 : segmentHeaderBytes;
      const remains = yield* surveyRemains(window, checksum, {
        segment: info.segment,
        from: begun,
        end: Math.min(info.header?.capacityBytes ?? info.bytes, info.bytes),
        header: info.header,
      });
      all.bytes += begun + remains.bytes;
      all.durableSeq = Math.max(all.durableSeq, remains.durableSeq, info.header?.durableSeq ?? 0);
      all.lastSeq = Math.max(all.lastSeq, remains.lastSeq);
    }
    return all;
  }

  #requireNothingLost(broken: Cursor, remains: Remains): void {
    const { durableSeq } = remains;
    if (durableSeq <= broken.seq) return;
    const found = `no intact frame is there, but commit ${durableSeq} is known to be durable`;
    throw this.#walk.corrupt("frame-damaged", broken, found, { durableSeq });
  }

  #end(kind: LogTail["kind"], cursor: Cursor, remains: Remains, marksLost: number): void {
    const read = this.#walk.chain.slice(0, cursor.index + 1);
    const isDropped = remains.bytes > 0;
    this.#cursor = cursor;
    this.#tail = {
      kind,
      end: this.#walk.position(cursor),
      droppedBytes: remains.bytes,
      firstDroppedSeq: isDropped ? cursor.seq + 1 : undefined,
      lastDroppedSeq: isDropped ? Math.max(cursor.seq + 1, remains.lastSeq) : undefined,
      durableSeq: Math.max(this.#durableSeq, remains.durableSeq),
      segments: read.filter((link) => link.header !== undefined).map((link) => link.segment),
      copiesLost: read.reduce((sum, link) => sum + link.copiesLost, marksLost),
      unsure: kind === "clean" ? [] : this.#unsure(cursor),
    };
  }

  /** From the last place of which a frame says that all before it is durable, up to the end. */
  #unsure(end: Cursor): UnsureStretch[] {
    const sure = this.#sure ?? end;
    const stretches: UnsureStretch[] = [];
    for (let index = sure.index; index <= end.index; index++) {
      const link = this.#walk.chain[index];
      const from = index === sure.index ? sure.offset : 0;
      const to = index === end.index ? end.offset : link.end;
      if (link.header === undefined || from >= to) continue;
      stretches.push({ segment: link.segment, header: link.header, from, to });
    }
    return stretches;
  }
}
