/**
 * A frame: one commit group, or one part of a large group, or the mark of a clean close.
 *
 *     0    u32   magic "CFRM"
 *     4    u32   header checksum of bytes 12 to 80, seed: segment's header checksum xor offset
 *     8    u32   frame checksum of byte 80 to the padded end, seed: header checksum
 *     12   u16   format version; 14 u8 kind (1 commits, 2 clean close); 15 u8 flags, 0
 *     16   u32   payload bytes
 *     20   u32   part, from 0; 24 u32 parts of the group
 *     28   u32   frame checksum of the frame before, or the checksum of the segment's header
 *     32   u64   generation, as in the segment's header
 *     40   u64   first seq; 48 u64 last seq of the group
 *     56   u64   durable seq: highest commit known durable when the frame was built
 *     64   u64   time of the group, Unix milliseconds
 *     72   u64   group bytes: payload bytes of all parts
 *     80   payload, then zeros to a multiple of 8
 *
 * Frames follow each other without gaps; zeros follow the last one. A group counts only when its
 * last part is intact. Parts are consecutive frames and may continue in the next segment. The mark
 * of a clean close is written twice, is no part of the chain, and the log never continues after it.
 * A later format that keys the chain or encrypts says so in the flags and begins the payload with
 * its tag.
 *
 * The header has a checksum of its own, so that a length is trusted before it is followed, and so
 * that the durable seq of a frame counts although its payload is torn. The salt in the seed keeps a
 * payload from containing what looks like a frame.
 *
 * A crash can leave any unsynced frame absent, torn at any byte or sector, or intact with an
 * earlier one absent.
 */
import type { Checksum } from "../checksum.ts";
import { logVersion } from "./segment.ts";
import { isU64, readU64, writeU64 } from "./u64.ts";

/** Bytes before the payload of a frame. */
export const frameHeaderBytes = 80;

export const frameMagic = 0x4d524643;

export const frameKind = { commits: 1, cleanClose: 2 } as const;

export interface FrameFields {
  readonly kind: number;
  readonly payloadBytes: number;
  /** From 0. */
  readonly part: number;
  readonly parts: number;
  readonly generation: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly durableSeq: number;
  /** Unix milliseconds. */
  readonly time: number;
  readonly previousChecksum: number;
  readonly groupBytes: number;
}

export interface Frame extends FrameFields {
  readonly headerChecksum: number;
  readonly checksum: number;
  readonly version: number;
  readonly flags: number;
  /** Bytes of the whole frame, padding included. */
  readonly bytes: number;
}

/** Bytes of a frame with so much payload, padding included. */
export function frameBytes(payloadBytes: number): number {
  return frameHeaderBytes + Math.ceil(payloadBytes / 8) * 8;
}

/**
 * Completes the frame whose payload already lies {@link frameHeaderBytes} after `at`: writes the
 * header and the padding, and answers the frame checksum. `view` covers the same bytes as `bytes`.
 */
export function sealFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  fields: FrameFields,
  checksum: Checksum,
  seed: number,
): number {
  const payloadAt = at + frameHeaderBytes;
  const end = at + frameBytes(fields.payloadBytes);
  for (let i = payloadAt + fields.payloadBytes; i < end; i++) bytes[i] = 0;
  view.setUint32(at, frameMagic, true);
  view.setUint16(at + 12, logVersion, true);
  view.setUint16(at + 14, fields.kind, true);
  view.setUint32(at + 16, fields.payloadBytes, true);
  view.setUint32(at + 20, fields.part, true);
  view.setUint32(at + 24, fields.parts, true);
  view.setUint32(at + 28, fields.previousChecksum, true);
  writeU64(view, at + 32, fields.generation);
  writeU64(view, at + 40, fields.firstSeq);
  writeU64(view, at + 48, fields.lastSeq);
  writeU64(view, at + 56, fields.durableSeq);
  writeU64(view, at + 64, fields.time);
  writeU64(view, at + 72, fields.groupBytes);
  const headerChecksum = checksum(bytes.subarray(at + 12, payloadAt), seed);
  const frameChecksum = checksum(bytes.subarray(payloadAt, end), headerChecksum);
  view.setUint32(at + 4, headerChecksum, true);
  view.setUint32(at + 8, frameChecksum, true);
  return frameChecksum;
}

/** The fields at `at`, or undefined when no frame begins there. They are not checked yet. */
export function readFrame(view: DataView, at: number): Frame | undefined {
  if (view.getUint32(at, true) !== frameMagic) return undefined;
  const payloadBytes = view.getUint32(at + 16, true);
  return {
    kind: view.getUint8(at + 14),
    payloadBytes,
    part: view.getUint32(at + 20, true),
    parts: view.getUint32(at + 24, true),
    previousChecksum: view.getUint32(at + 28, true),
    generation: readU64(view, at + 32),
    firstSeq: readU64(view, at + 40),
    lastSeq: readU64(view, at + 48),
    durableSeq: readU64(view, at + 56),
    time: readU64(view, at + 64),
    groupBytes: readU64(view, at + 72),
    headerChecksum: view.getUint32(at + 4, true),
    checksum: view.getUint32(at + 8, true),
    version: view.getUint16(at + 12, true),
    flags: view.getUint8(at + 15),
    bytes: frameBytes(payloadBytes),
  };
}

/** True when the header at `at` is as it was written, for this place. */
export function isHeaderIntact(
  bytes: Uint8Array,
  at: number,
  frame: Frame,
  checksum: Checksum,
  seed: number,
): boolean {
  return checksum(bytes.subarray(at + 12, at + frameHeaderBytes), seed) === frame.headerChecksum;
}

/** True when the payload and padding of a frame with an intact header are as they were written. */
export function isPayloadIntact(
  bytes: Uint8Array,
  at: number,
  frame: Frame,
  checksum: Checksum,
): boolean {
  const rest = bytes.subarray(at + frameHeaderBytes, at + frame.bytes);
  return checksum(rest, frame.headerChecksum) === frame.checksum;
}

/** The seed of the frame at `offset` of the segment whose header has this checksum. */
export function frameSeed(headerChecksum: number, offset: number): number {
  return (headerChecksum ^ offset) >>> 0;
}

/** Which field of an intact frame no writer of this format can have written; else undefined. */
export function frameFault(frame: Frame): string | undefined {
  const { kind, parts, part, firstSeq, lastSeq, durableSeq } = frame;
  if (frame.version !== logVersion) return "format version";
  if (frame.flags !== 0) return "flags";
  const isInRange =
    isU64(firstSeq) &&
    isU64(lastSeq) &&
    isU64(durableSeq) &&
    isU64(frame.time) &&
    isU64(frame.generation);
  if (!isInRange) return "range";
  if (!isU64(frame.groupBytes) || frame.groupBytes < frame.payloadBytes) return "group length";
  if (part >= parts) return "part";
  if (kind === frameKind.cleanClose) {
    return firstSeq === lastSeq && durableSeq === lastSeq && parts === 1 ? undefined : "seq";
  }
  if (kind !== frameKind.commits) return "kind";
  if (parts === 1 && frame.groupBytes !== frame.payloadBytes) return "group length";
  return durableSeq < firstSeq && firstSeq <= lastSeq ? undefined : "seq";
}
