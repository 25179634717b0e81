/**
 * Blobs of pages: their names and their first 4 KiB.
 *
 *     0    u32   magic "CBLB"
 *     4    u32   checksum of bytes 8..4096, seeded with the database id
 *     8    u16   format version, 1
 *     10   u16   0
 *     12   u32   blob number
 *     16   16    database id
 *     32   u64   generation of the open that wrote it
 *     40   u64   random part of the name
 *     48   u32   slots, this header among them
 *     52   ..    0
 *
 * Page `slot` lies at 4096 * slot, for slots from 1 on (page format: assembly/page/header.ts). A
 * slot whose page died before it was written is zero. A crash leaves the blob unsealed, and then no
 * root names it: what is under a sealed name is whole.
 */
import { pageBytes } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import type { Checksum } from "./checksum.ts";
import { requireReadable } from "./format-version.ts";
import { readU64, writeU64 } from "./log/u64.ts";

const magic = 0x424c4243;
export const blobVersion = 1;

/** What makes a blob's name unique for ever. */
export interface BlobName {
  readonly number: number;
  readonly generation: number;
  readonly random: bigint;
}

/** `pages-12-3-0123456789abcdef`: number, generation, random. */
export function blobFile(kind: "pages" | "catalogue" | "image", name: BlobName): string {
  const random = name.random.toString(16).padStart(16, "0");
  return `${kind}-${name.number}-${name.generation}-${random}`;
}

export function encodeBlobHeader(
  name: BlobName,
  slots: number,
  databaseId: Uint8Array,
  checksum: Checksum,
): Uint8Array {
  const bytes = new Uint8Array(pageBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint16(8, blobVersion, true);
  view.setUint32(12, name.number, true);
  bytes.set(databaseId, 16);
  writeU64(view, 32, name.generation);
  view.setBigUint64(40, name.random, true);
  view.setUint32(48, slots, true);
  view.setUint32(4, checksum(bytes.subarray(8), checksum(databaseId, 0)), true);
  return bytes;
}

/** Refuses a header that is not this blob's: `corruption`, `format_newer`, `format_older`. */
export function checkBlobHeader(
  bytes: Uint8Array,
  name: BlobName,
  slots: number,
  databaseId: Uint8Array,
  checksum: Checksum,
): void {
  const file = blobFile("pages", name);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const intact =
    bytes.length === pageBytes &&
    view.getUint32(0, true) === magic &&
    view.getUint32(4, true) === checksum(bytes.subarray(8), checksum(databaseId, 0));
  if (!intact) throw blobCorrupt(file, "its header is damaged or foreign");
  requireReadable(`blob ${file}`, view.getUint16(8, true), blobVersion);
  const belongs =
    view.getUint32(12, true) === name.number &&
    readU64(view, 32) === name.generation &&
    view.getBigUint64(40, true) === name.random &&
    view.getUint32(48, true) === slots;
  if (!belongs) throw blobCorrupt(file, "its header belongs to another blob");
}

export function blobCorrupt(file: string, what: string): CairnError {
  return new CairnError("corruption", `Reading blob ${file}: ${what}. Restore from a backup.`, {
    details: { blob: file, reason: what },
  });
}
