/**
 * The catalogue: what a checkpoint holds besides pages. One blob of its own per checkpoint, named
 * by the root, read whole at open.
 *
 *     0    u32   magic "CCAT"
 *     4    u32   0
 *     8    u16   format version, 1
 *     10   u16   0
 *     12   u32   bytes of the body
 *     16   16    database id
 *     32   u64   number of the root record it belongs to
 *     40   ..    body: JSON, UTF-8, of {@link Catalogue}
 *
 * The checksum over all of it stands in the root, so damage is found before anything is decoded.
 */
import { CairnError } from "../errors.ts";
import { catalogueFault } from "./catalogue-check.ts";
import type { Checksum } from "./checksum.ts";
import { requireReadable } from "./format-version.ts";
import type { CatalogueImage } from "./images.ts";
import { sameDatabase } from "./log/database-id.ts";
import { readU64, writeU64 } from "./log/u64.ts";
import type { CatalogueReference } from "./root.ts";

const magic = 0x54414343;
const version = 1;
const headerBytes = 40;

/** One tree at the checkpoint. */
export interface CatalogueTree {
  readonly id: number;
  readonly kind: "ordered" | "hashed";
  /** Page id of the root; 0 when the tree is empty. */
  readonly root: number;
  readonly records: number;
  readonly overflowPages: number;
  readonly descriptor: Readonly<Record<string, unknown>>;
}

/** One blob that the checkpoint needs. */
export interface CatalogueBlob {
  readonly number: number;
  readonly generation: number;
  /** 16 hexadecimal digits. */
  readonly random: string;
  readonly slots: number;
  readonly live: number;
}

export interface Catalogue {
  /** The id that the next new tree gets. */
  readonly nextTree: number;
  /** The number that the next new blob gets. */
  readonly nextBlob: number;
  readonly trees: readonly CatalogueTree[];
  readonly blobs: readonly CatalogueBlob[];
  /** What is derived from trees and kept; absent for none. */
  readonly images?: readonly CatalogueImage[];
  /** Detached subtrees whose pages are still to be reclaimed: 16 hexadecimal digits each. */
  readonly reclaim: readonly string[];
}

export function encodeCatalogue(
  catalogue: Catalogue,
  databaseId: Uint8Array,
  record: number,
): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(catalogue));
  const bytes = new Uint8Array(headerBytes + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint16(8, version, true);
  view.setUint32(12, body.length, true);
  bytes.set(databaseId, 16);
  writeU64(view, 32, record);
  bytes.set(body, headerBytes);
  return bytes;
}

/** Decodes what the root's reference led to: `corruption`, `format_newer`, `format_older`. */
export function decodeCatalogue(
  bytes: Uint8Array,
  reference: CatalogueReference,
  databaseId: Uint8Array,
  checksum: Checksum,
): Catalogue {
  if (bytes.length !== reference.bytes || checksum(bytes, 0) !== reference.checksum) {
    throw catalogueCorrupt("its checksum is not the one in the root");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < headerBytes || view.getUint32(0, true) !== magic) {
    throw catalogueCorrupt("it does not begin like a catalogue");
  }
  requireReadable("the catalogue", view.getUint16(8, true), version);
  const belongs =
    sameDatabase(bytes.subarray(16, 32), databaseId) &&
    readU64(view, 32) === reference.number &&
    view.getUint32(12, true) === bytes.length - headerBytes;
  if (!belongs) throw catalogueCorrupt("it belongs to another root");
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes.subarray(headerBytes)));
  } catch (cause) {
    throw catalogueCorrupt("its body cannot be decoded", cause);
  }
  const fault = catalogueFault(body);
  if (fault !== undefined) throw catalogueCorrupt(fault);
  return body as Catalogue;
}

function catalogueCorrupt(what: string, cause?: unknown): CairnError {
  return new CairnError(
    "corruption",
    `Reading the catalogue of a checkpoint: ${what}. Restore from a backup.`,
    { cause, details: { reason: what } },
  );
}
