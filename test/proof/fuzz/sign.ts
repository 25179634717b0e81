/** Checksums put right after damage, so that what comes behind them is reached. */
import { Core } from "../../../bindings/core.ts";
import { loadCore } from "../../../bindings/load.ts";
import type { Checksum } from "../../../src/engine/checksum.ts";

export const databaseId: Uint8Array = Uint8Array.from({ length: 16 }, (_, at) => at * 11 + 3);

const core = new Core(loadCore());
core.configure({ frames: 1_024, databaseId, hashSeed: new Uint8Array(8), firstBlob: 1 });

/** A core of its own, for checksums and for looking at pages. */
export const checkingCore: Core = core;
export const checksum: Checksum = core.checksum;

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function signRoot(slot: Uint8Array): void {
  view(slot).setUint32(4, checksum(slot.subarray(8), 0), true);
}

export function signBlobHeader(header: Uint8Array, id: Uint8Array): void {
  view(header).setUint32(4, checksum(header.subarray(8), checksum(id, 0)), true);
}

export function signSegmentHeader(opening: Uint8Array): void {
  for (const at of [0, 4_096]) {
    if (opening.length < at + 512) continue;
    view(opening).setUint32(at + 4, checksum(opening.subarray(at + 8, at + 512), 0), true);
  }
}

export function signPage(page: Uint8Array, pageId: number, id: Uint8Array): void {
  const name = new Uint8Array(8);
  view(name).setBigUint64(0, BigInt(pageId), true);
  const seed = checksum(name, checksum(id, 0));
  view(page).setUint32(4_080, checksum(page.subarray(0, 4_080), seed), true);
}

/** Signs the frames of a segment from `from` on, each over the one before it. */
export function signFrames(segment: Uint8Array, from: number): void {
  const at = view(segment);
  const seed = at.getUint32(4, true);
  let previous: number | undefined;
  for (let offset = from; offset + 80 <= segment.length; ) {
    if (at.getUint32(offset, true) !== 0x4d524643) return;
    const bytes = 80 + Math.ceil(at.getUint32(offset + 16, true) / 8) * 8;
    if (offset + bytes > segment.length) return;
    if (previous !== undefined) at.setUint32(offset + 28, previous, true);
    const header = checksum(segment.subarray(offset + 12, offset + 80), (seed ^ offset) >>> 0);
    at.setUint32(offset + 4, header, true);
    previous = checksum(segment.subarray(offset + 80, offset + bytes), header);
    at.setUint32(offset + 8, previous, true);
    offset += bytes;
  }
}
