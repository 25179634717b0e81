/**
 * The header of a segment: who wrote it, and where the log continues into it.
 *
 * A segment begins with {@link segmentHeaderBytes} bytes: two equal copies of the header, at 0 and
 * at 4,096, so that neither one flipped bit nor one lost device sector takes it away. The first
 * frame follows them.
 *
 *     0    u32   magic "CSEG"
 *     4    u32   checksum of bytes 8 to 512, seed 0
 *     8    u16   format version; 10 u16 flags, 0
 *     12   u32   salt, random
 *     16   16 B  database id
 *     32   u64   generation of the writing open
 *     40   u64   segment number, from 1, never used again
 *     48   u64   capacity: bytes of the whole segment
 *     56   u64   durable seq: highest commit known durable when this header was written
 *     64   pin: u64 segment, u64 offset, u64 seq, u32 checksum: where the log before it ends
 *     92   zeros to 512; room for a key epoch and a key-derivation salt
 *
 * The pin is the accepted end of the predecessor. It names segment 0 only in the first segment of a
 * log's life, and stays as it was when the predecessor is trimmed. Whatever lies in the predecessor
 * beyond the pin, or in segments between the two, is ignored for ever.
 *
 * The checksum of the header, xor the offset, is the seed of each frame in the segment. So a frame
 * carries the identity of its database, generation, segment, salt and place without storing it.
 *
 * Magic, checksum, version and the 512 bytes that they cover stay the same in every later format:
 * an older reader can always tell "newer" from "damaged".
 *
 * A crash can leave: no header (the segment was created ahead, all zeros), either copy or both
 * torn, or a header without frames. The header and the first frames share one sync, so when both
 * copies are torn nothing in the segment was ever acknowledged as durable.
 */
import type { Checksum } from "../checksum.ts";
import type { LogPosition } from "./position.ts";
import { isU64, readU64, writeU64 } from "./u64.ts";

/** The log format that this version writes, and the newest that it reads. */
export const logVersion = 1;

/** Bytes before the first frame of a segment. */
export const segmentHeaderBytes = 4608;

const copyBytes = 512;
const usedBytes = 92;
const copyOffsets = [0, segmentHeaderBytes - copyBytes] as const;
const magic = 0x47455343;

export interface SegmentHeader {
  readonly version: number;
  readonly salt: number;
  /** 16 bytes. */
  readonly databaseId: Uint8Array;
  readonly generation: number;
  readonly segment: number;
  readonly capacityBytes: number;
  readonly durableSeq: number;
  readonly pin: LogPosition;
  /** True when everything that this format leaves unused is zero. */
  readonly isPlain: boolean;
  /** Of the header itself; begins the chain of frames in this segment and seeds each of them. */
  readonly checksum: number;
}

/** Both copies, ready to be written at offset 0, and the checksum that they carry. */
export function encodeSegmentHeader(
  header: Omit<SegmentHeader, "checksum" | "version" | "isPlain">,
  checksum: Checksum,
): { bytes: Uint8Array; checksum: number } {
  const bytes = new Uint8Array(segmentHeaderBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint16(8, logVersion, true);
  view.setUint32(12, header.salt, true);
  bytes.set(header.databaseId, 16);
  writeU64(view, 32, header.generation);
  writeU64(view, 40, header.segment);
  writeU64(view, 48, header.capacityBytes);
  writeU64(view, 56, header.durableSeq);
  writeU64(view, 64, header.pin.segment);
  writeU64(view, 72, header.pin.offset);
  writeU64(view, 80, header.pin.seq);
  view.setUint32(88, header.pin.previousChecksum, true);
  const sum = checksum(bytes.subarray(8, copyBytes), 0);
  view.setUint32(4, sum, true);
  bytes.copyWithin(copyOffsets[1], 0, copyBytes);
  return { bytes, checksum: sum };
}

function decodeCopy(bytes: Uint8Array, checksum: Checksum): SegmentHeader | undefined {
  if (bytes.length < copyBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, copyBytes);
  const sum = view.getUint32(4, true);
  if (view.getUint32(0, true) !== magic) return undefined;
  if (checksum(bytes.subarray(8, copyBytes), 0) !== sum) return undefined;
  return {
    version: view.getUint16(8, true),
    salt: view.getUint32(12, true),
    databaseId: bytes.slice(16, 32),
    generation: readU64(view, 32),
    segment: readU64(view, 40),
    capacityBytes: readU64(view, 48),
    durableSeq: readU64(view, 56),
    pin: {
      segment: readU64(view, 64),
      offset: readU64(view, 72),
      previousChecksum: view.getUint32(88, true),
      seq: readU64(view, 80),
    },
    isPlain:
      view.getUint16(10, true) === 0 &&
      bytes.subarray(usedBytes, copyBytes).every((byte) => byte === 0),
    checksum: sum,
  };
}

/** What the first bytes of a segment are. */
export interface SegmentOpening {
  /** Undefined when neither copy is intact. */
  readonly header: SegmentHeader | undefined;
  /** Copies that are not intact: 0, 1 or 2. */
  readonly copiesLost: number;
}

/**
 * Reads the header from the first bytes of a segment, as many as there are. Fields are checked only
 * against the checksum: what they should say is known to the caller.
 */
export function decodeSegmentHeader(opening: Uint8Array, checksum: Checksum): SegmentOpening {
  const copies = copyOffsets.map((at) =>
    decodeCopy(opening.subarray(at, at + copyBytes), checksum),
  );
  return {
    header: copies[0] ?? copies[1],
    copiesLost: copies.filter((copy) => copy === undefined).length,
  };
}

/** True when every field of an intact header is one that a writer of this format can have meant. */
export function isSegmentHeaderSound(header: SegmentHeader): boolean {
  const { pin } = header;
  return (
    header.version === logVersion &&
    header.isPlain &&
    [header.generation, header.segment, header.capacityBytes, header.durableSeq].every(isU64) &&
    [pin.segment, pin.offset, pin.seq].every(isU64) &&
    header.capacityBytes >= segmentHeaderBytes &&
    header.durableSeq <= pin.seq &&
    pin.segment < header.segment
  );
}
