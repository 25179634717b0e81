/**
 * The root record: the newest checkpoint, and where the log goes on after it.
 *
 * Two slots of 4,096 bytes; record n lies in slot n % 2, and the first record in both.
 *
 *     0    u32   magic "CRNR"
 *     4    u32   checksum of bytes 8 to 4,096, seed 0
 *     8    u16   format version; 10 u16 flags, 0; 12 u32 0
 *     16   16 B  database id
 *     32   u64   record number, from 1
 *     40   u64   generation of the open that wrote it
 *     48   u64   seq S: the checkpoint holds all commits up to it
 *     56   u64   time of S, Unix milliseconds
 *     64   u64   time of the database's creation, Unix milliseconds
 *     72   u64   seed of the hash trees
 *     80   u64   oldest seq that this record retains
 *     88   log position: u64 segment, u64 offset, u64 seq, u32 checksum, u32 0
 *     120  catalogue: u64 blob number, u64 blob generation, u64 blob random, u64 offset,
 *          u64 length, u32 checksum, u32 0; all zeros when there is no blob yet
 *     168  32 B  digest of the options that must stay the same, zeros for none
 *     200  zeros to 4,096
 *
 * Magic, checksum and version stay where they are in every later format. The unused bytes are
 * covered by the checksum and must be zero.
 *
 * A crash can leave one slot torn: then the other one counts, and the log after its position is
 * still there, because the log is trimmed only below the older of the two.
 */
import { CairnError } from "../errors.ts";
import { rootBytes } from "../storage/port.ts";
import type { Checksum } from "./checksum.ts";
import { requireReadable } from "./format-version.ts";
import { databaseIdBytes, sameDatabase } from "./log/database-id.ts";
import { isLogPosition, type LogPosition } from "./log/position.ts";
import { isU64, readU64, writeU64 } from "./log/u64.ts";

/** The root format that this version writes, and the newest that it reads. */
export const rootVersion = 1;

/** Number of the record that creation writes to both slots. */
export const firstRecord = 1;

export const optionsDigestBytes = 32;

/** Where the catalogue of a checkpoint lies. */
export interface CatalogueReference {
  /** The parts of the blob's name. */
  readonly number: number;
  readonly generation: number;
  readonly random: bigint;
  /** Bytes from the start of the blob. */
  readonly offset: number;
  readonly bytes: number;
  readonly checksum: number;
}

export interface Root {
  /** 16 bytes. */
  readonly databaseId: Uint8Array;
  readonly record: number;
  readonly generation: number;
  /** The checkpoint holds all commits up to this one. */
  readonly seq: number;
  /** Of commit `seq`, Unix milliseconds. */
  readonly time: number;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Unsigned, 64 bits. */
  readonly hashSeed: bigint;
  readonly oldestSeq: number;
  readonly position: LogPosition;
  /** Undefined as long as nothing was ever written to a blob. */
  readonly catalogue: CatalogueReference | undefined;
  /** {@link optionsDigestBytes} bytes. */
  readonly optionsDigest: Uint8Array;
}

/** What the two slots hold. */
export interface RootSlots {
  /** The newest intact record. */
  readonly newest: Root;
  /** The other one, when it is intact and not the same. */
  readonly older: Root | undefined;
  /** Slot that holds no intact record, 0 or 1; the next record repairs it or will. */
  readonly damagedSlot: number | undefined;
}

const magic = 0x524e5243;
const usedBytes = 200;

/** The bytes of one slot. */
export function encodeRoot(root: Root, checksum: Checksum): Uint8Array {
  requireSound(root);
  const bytes = new Uint8Array(rootBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint16(8, rootVersion, true);
  bytes.set(root.databaseId, 16);
  writeU64(view, 32, root.record);
  writeU64(view, 40, root.generation);
  writeU64(view, 48, root.seq);
  writeU64(view, 56, root.time);
  writeU64(view, 64, root.createdAt);
  view.setBigUint64(72, root.hashSeed, true);
  writeU64(view, 80, root.oldestSeq);
  writeU64(view, 88, root.position.segment);
  writeU64(view, 96, root.position.offset);
  writeU64(view, 104, root.position.seq);
  view.setUint32(112, root.position.previousChecksum, true);
  if (root.catalogue !== undefined) writeCatalogue(view, root.catalogue);
  bytes.set(root.optionsDigest, 168);
  view.setUint32(4, checksum(bytes.subarray(8), 0), true);
  return bytes;
}

function writeCatalogue(view: DataView, catalogue: CatalogueReference): void {
  writeU64(view, 120, catalogue.number);
  writeU64(view, 128, catalogue.generation);
  view.setBigUint64(136, catalogue.random, true);
  writeU64(view, 144, catalogue.offset);
  writeU64(view, 152, catalogue.bytes);
  view.setUint32(160, catalogue.checksum, true);
}

/**
 * Reads both slots and says which record counts. Throws `not_a_database` when neither begins like a
 * root, `format_newer` or `format_older` when an intact one is of a format that is not read, and
 * `root_corrupt` when neither is intact or the two contradict each other.
 */
export function readRoots(slots: readonly [Uint8Array, Uint8Array], checksum: Checksum): RootSlots {
  if (slots.every((slot) => !hasMagic(slot))) {
    throw new CairnError(
      "not_a_database",
      "Reading the root: neither slot begins like the root of a CairnDB database. Nothing was " +
        "changed. Check the path, or restore from a backup.",
    );
  }
  const roots = slots.map((slot, i) => decodeSlot(slot, i, checksum));
  const [zero, one] = roots;
  if (zero === undefined && one === undefined) {
    throw corrupt("no slot holds an intact record", {});
  }
  const damagedSlot = zero === undefined ? 0 : one === undefined ? 1 : undefined;
  const intact = roots.filter((root) => root !== undefined);
  intact.sort((a, b) => b.record - a.record);
  const [newest, other] = intact;
  if (other === undefined) return { newest, older: undefined, damagedSlot };
  requireSuccession(newest, other);
  return { newest, older: newest.record === other.record ? undefined : other, damagedSlot };
}

function hasMagic(slot: Uint8Array): boolean {
  return (
    slot.length >= 4 && new DataView(slot.buffer, slot.byteOffset).getUint32(0, true) === magic
  );
}

/** The record of a slot; undefined when it is damaged. */
function decodeSlot(slot: Uint8Array, index: number, checksum: Checksum): Root | undefined {
  if (slot.length !== rootBytes || !hasMagic(slot)) return undefined;
  const view = new DataView(slot.buffer, slot.byteOffset, rootBytes);
  if (checksum(slot.subarray(8), 0) !== view.getUint32(4, true)) return undefined;
  const version = view.getUint16(8, true);
  requireReadable("the root", version, rootVersion);
  const root = decodeFields(slot, view);
  const belongs = root.record === firstRecord || root.record % 2 === index;
  const isZero =
    view.getUint32(10, true) === 0 &&
    view.getUint16(14, true) === 0 &&
    view.getUint32(116, true) === 0 &&
    view.getUint32(164, true) === 0 &&
    isZeroFrom(slot, usedBytes);
  if (version === rootVersion && belongs && isZero && isSound(root)) return root;
  throw corrupt("an intact record has fields that cannot be written, or lies in the wrong slot", {
    slot: index,
    record: root.record,
  });
}

/**
 * Word by word: code that runs once is interpreted, and this is most of what opening looks at. What
 * is not in use of a slot begins and ends at a multiple of four.
 */
function isZeroFrom(bytes: Uint8Array, from: number): boolean {
  const rest = bytes.slice(from);
  const words = new Int32Array(rest.buffer, 0, rest.length >> 2);
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false;
  return true;
}

function decodeFields(slot: Uint8Array, view: DataView): Root {
  const catalogue: CatalogueReference = {
    number: readU64(view, 120),
    generation: readU64(view, 128),
    random: view.getBigUint64(136, true),
    offset: readU64(view, 144),
    bytes: readU64(view, 152),
    checksum: view.getUint32(160, true),
  };
  return {
    databaseId: slot.slice(16, 32),
    record: readU64(view, 32),
    generation: readU64(view, 40),
    seq: readU64(view, 48),
    time: readU64(view, 56),
    createdAt: readU64(view, 64),
    hashSeed: view.getBigUint64(72, true),
    oldestSeq: readU64(view, 80),
    position: {
      segment: readU64(view, 88),
      offset: readU64(view, 96),
      previousChecksum: view.getUint32(112, true),
      seq: readU64(view, 104),
    },
    catalogue: slot.subarray(120, 164).some((byte) => byte !== 0) ? catalogue : undefined,
    optionsDigest: slot.slice(168, usedBytes),
  };
}

function isSound(root: Root): boolean {
  const { position, catalogue } = root;
  const numbers = [root.record, root.generation, root.seq, root.time, root.createdAt];
  return (
    [...numbers, root.oldestSeq].every(isU64) &&
    root.record >= firstRecord &&
    root.oldestSeq <= root.seq &&
    position.seq === root.seq &&
    isLogPosition(position) &&
    root.databaseId.length === databaseIdBytes &&
    root.optionsDigest.length === optionsDigestBytes &&
    (catalogue === undefined ||
      (catalogue.number > 0 &&
        catalogue.bytes > 0 &&
        [catalogue.number, catalogue.generation, catalogue.offset, catalogue.bytes].every(isU64)))
  );
}

/** Two records of one database, one after the other: the older may not know more than the newer. */
function requireSuccession(newest: Root, other: Root): void {
  const follows =
    sameDatabase(newest.databaseId, other.databaseId) &&
    newest.record - other.record <= 1 &&
    newest.generation >= other.generation &&
    newest.seq >= other.seq &&
    newest.position.segment >= other.position.segment;
  if (follows) return;
  throw corrupt("the two slots hold records that do not follow each other", {
    newest: newest.record,
    older: other.record,
  });
}

function requireSound(root: Root): void {
  if (isSound(root)) return;
  throw new CairnError(
    "invariant_broken",
    `Encoding root record ${root.record}: a field cannot be stored. Nothing was written.`,
  );
}

function corrupt(found: string, details: Readonly<Record<string, number>>): CairnError {
  return new CairnError(
    "root_corrupt",
    `Reading the root: ${found}. Nothing was changed. Restore from a backup.`,
    { details },
  );
}
