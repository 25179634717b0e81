/**
 * Which segments are the log, and where each of them ends.
 *
 * Every segment pins the end of the one it follows, so the newest begun segment decides: going back
 * from it, pin by pin, to the segment of the starting position gives the chain. Segments beside the
 * chain were created ahead and never begun, or hold what an earlier recovery dropped.
 *
 * A rotation does not wait for the sync of the segment it leaves. After a loss of power a segment
 * in the middle may therefore be without a header although a later one has its own: the later ones
 * are then out of reach, and whether that is a loss is decided as for any other hole (`reader.ts`).
 */
import type { LogStorage } from "../../storage/port.ts";
import type { Checksum } from "../checksum.ts";
import { requireReadable } from "../format-version.ts";
import { type Steps, wait } from "../steps.ts";
import { type LogPlace, logCorrupt } from "./corrupt.ts";
import { databaseName, sameDatabase } from "./database-id.ts";
import type { LogPosition } from "./position.ts";
import {
  decodeSegmentHeader,
  isSegmentHeaderSound,
  logVersion,
  type SegmentHeader,
  segmentHeaderBytes,
} from "./segment.ts";

/** A segment as it is on the medium. */
export interface SegmentInfo {
  readonly segment: number;
  /** Undefined when it was never begun, or when both copies are damaged. */
  readonly header: SegmentHeader | undefined;
  readonly copiesLost: number;
  /** Bytes that the storage has. */
  readonly bytes: number;
}

/** A segment of the chain. Frames lie before `end`. */
export interface ChainLink {
  readonly segment: number;
  /** Undefined only for the place before the first segment. */
  readonly header: SegmentHeader | undefined;
  readonly copiesLost: number;
  /** Where the next link says that this one ends; undefined for the last. */
  readonly pin: LogPosition | undefined;
  /** Offset of the pin, or the capacity. */
  readonly end: number;
}

/** Reads the headers of every segment from that of `from` on, in order of their numbers. */
export function* readSegments(
  log: LogStorage,
  checksum: Checksum,
  databaseId: Uint8Array,
  from: LogPosition,
): Steps<SegmentInfo[]> {
  const infos: SegmentInfo[] = [];
  const opening = new Uint8Array(segmentHeaderBytes);
  for (const segment of yield* wait(log.list())) {
    if (segment < from.segment) continue;
    const bytes = yield* wait(log.size(segment));
    let read = yield* wait(log.read(segment, 0, opening));
    let opened = decodeSegmentHeader(opening.subarray(0, read), checksum);
    if (opened.header === undefined) {
      // It would be dropped as never begun, so this must not be what only one read has brought.
      read = yield* wait(log.read(segment, 0, opening));
      opened = decodeSegmentHeader(opening.subarray(0, read), checksum);
    }
    const { header, copiesLost } = opened;
    const place = { segment, offset: 0, seq: from.seq + 1 };
    if (header !== undefined) requireOurs(header, databaseId, place);
    if (read < segmentHeaderBytes) {
      const found = `the segment has ${bytes} bytes, at least ${segmentHeaderBytes} were expected`;
      throw logCorrupt("segment-truncated", place, found, { bytes });
    }
    infos.push({ segment, header, copiesLost, bytes });
  }
  return infos;
}

function requireOurs(header: SegmentHeader, databaseId: Uint8Array, place: LogPlace): void {
  requireReadable("the log", header.version, logVersion);
  if (!sameDatabase(header.databaseId, databaseId)) {
    const found =
      `the segment belongs to database ${databaseName(header.databaseId)}, ` +
      `${databaseName(databaseId)} was expected`;
    throw logCorrupt("foreign-database", place, found);
  }
  if (header.segment !== place.segment) {
    const found = `it holds segment ${header.segment}`;
    throw logCorrupt("segment-misplaced", place, found, { found: header.segment });
  }
  if (!isSegmentHeaderSound(header)) {
    const found = "the fields of its header contradict each other";
    throw logCorrupt("segment-header-damaged", place, found);
  }
}

/** The chain from `from` to the newest segment that can be reached, in order. */
export function resolveChain(infos: readonly SegmentInfo[], from: LogPosition): ChainLink[] {
  const bySegment = new Map(infos.map((info) => [info.segment, info]));
  const first = bySegment.get(from.segment);
  const place = { segment: from.segment, offset: from.offset, seq: from.seq + 1 };
  if (from.segment > 0 && first === undefined) {
    throw logCorrupt("segment-missing", place, "the segment that the root names is not there");
  }
  if (first !== undefined && first.header === undefined) {
    const found = "both copies of the header of the segment that the root names are damaged";
    throw logCorrupt("segment-header-damaged", place, found);
  }
  const successors = reachBack(infos, bySegment, from);
  const chain: ChainLink[] = [];
  for (const [i, info] of [first, ...successors].entries()) {
    const next = successors[i]?.header;
    if (next !== undefined && info?.header !== undefined) requireAscending(info.header, next);
    chain.push(link(info, next?.pin, place));
  }
  if (first !== undefined && (from.offset < segmentHeaderBytes || from.offset > chain[0].end)) {
    const found = `the log of the segment lies between ${segmentHeaderBytes} and ${chain[0].end}`;
    throw logCorrupt("pin-mismatch", place, found);
  }
  return chain;
}

/** The begun segments after the first, in order: those whose pins lead back to it. */
function reachBack(
  infos: readonly SegmentInfo[],
  bySegment: ReadonlyMap<number, SegmentInfo>,
  from: LogPosition,
): SegmentInfo[] {
  const begun = infos.filter((info) => info.header !== undefined && info.segment > from.segment);
  let reached: SegmentInfo[] = [];
  let info = begun.at(-1);
  while (info?.header !== undefined) {
    const { pin } = info.header;
    reached.unshift(info);
    if (pin.segment === from.segment) return reached;
    const place = { segment: info.segment, offset: 0, seq: pin.seq + 1 };
    if (pin.segment < from.segment) {
      const found = `the segment follows segment ${pin.segment}, the root names ${from.segment}`;
      throw logCorrupt("pin-mismatch", place, found);
    }
    const before = bySegment.get(pin.segment);
    if (before === undefined) {
      const found = `the segment follows segment ${pin.segment}, which is not there`;
      throw logCorrupt("segment-missing", place, found, { missing: pin.segment });
    }
    if (before.header === undefined) {
      reached = [];
      info = begun.findLast((candidate) => candidate.segment < before.segment);
    } else {
      info = before;
    }
  }
  return reached;
}

function requireAscending(before: SegmentHeader, after: SegmentHeader): void {
  if (after.generation >= before.generation) return;
  const place = { segment: after.segment, offset: 0, seq: after.pin.seq + 1 };
  const found =
    `the segment was written by generation ${after.generation}, ` +
    `but follows segment ${before.segment} of generation ${before.generation}`;
  const details = { found: after.generation, before: before.generation };
  throw logCorrupt("generation-backwards", place, found, details);
}

function link(
  info: SegmentInfo | undefined,
  pin: LogPosition | undefined,
  place: LogPlace,
): ChainLink {
  if (info?.header === undefined) {
    return { segment: 0, header: undefined, copiesLost: 0, pin, end: 0 };
  }
  const { segment, header, copiesLost, bytes } = info;
  const end = pin?.offset ?? header.capacityBytes;
  if (bytes < end) {
    const found = `the segment has ${bytes} bytes, ${end} were expected`;
    throw logCorrupt("segment-truncated", { ...place, segment, offset: bytes }, found, { bytes });
  }
  return { segment, header, copiesLost, pin, end };
}
