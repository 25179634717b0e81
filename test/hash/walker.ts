import type { Store } from "./harness.ts";
import { text } from "./harness.ts";

/** What a walk over the pages of a tree found. */
export interface Walk {
  readonly records: Map<string, { value: Uint8Array; flags: number }>;
  readonly directories: number;
  readonly buckets: number;
  readonly chainPages: number;
  readonly bucketBytes: number;
  readonly ids: number[];
}

interface Place {
  readonly id: number;
  /** The lowest hash that leads here. */
  readonly hash: bigint;
  /** Depth of the directory above; -9 for the root. */
  readonly above: number;
}

const ALL = 2n ** 64n;

function idAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;
}

function fail(place: Place, what: string): never {
  throw new Error(`Page ${place.id} below depth ${place.above}: ${what}`);
}

/**
 * Reads a tree page by page, by the byte maps of assembly/hash, and throws at the first thing that
 * is not as they say. Written without the core's own code.
 */
export function walk(store: Store, at = 0): Walk {
  const found = {
    records: new Map<string, { value: Uint8Array; flags: number }>(),
    directories: 0,
    buckets: 0,
    chainPages: 0,
    bucketBytes: 0,
    ids: [] as number[],
  };
  const rootId = store.core.treeRoot(store.tree, at);
  if (rootId !== 0) visit({ id: rootId, hash: 0n, above: -9 });
  return found;

  function visit(place: Place): { isDirectory: boolean; depth: number } {
    const bytes = store.page(place.id);
    const view = new DataView(bytes.buffer);
    if (view.getUint32(4, true) !== store.tree) fail(place, "belongs to another tree");
    const depth = view.getUint8(24);
    if (depth <= place.above || depth > place.above + 9) fail(place, `has ${depth} bits`);
    if (view.getBigUint64(16, true) !== place.hash) fail(place, "says another hash");
    if (bytes[0] !== 3 && bytes[0] !== 4) fail(place, `is of kind ${bytes[0]}`);
    if (bytes[0] === 3) visitDirectory(place, view, depth);
    else visitBucket(place, view, depth);
    return { isDirectory: bytes[0] === 3, depth };
  }

  function visitDirectory(place: Place, view: DataView, depth: number): void {
    found.directories++;
    found.ids.push(place.id);
    if (depth > 54) fail(place, "tells bits that there are not");
    let used = 0;
    let index = 0;
    while (index < 512) {
      const id = idAt(view, 32 + index * 6);
      const isDirectory = (view.getUint8(3104 + (index >> 3)) & (1 << (index & 7))) !== 0;
      if (id === 0) {
        if (isDirectory) fail(place, `entry ${index} is an empty directory`);
        index++;
        continue;
      }
      const hash = place.hash + (BigInt(index) << BigInt(55 - depth));
      const child = visit({ id, hash, above: depth });
      if (isDirectory !== child.isDirectory) fail(place, `entry ${index} is of the wrong kind`);
      const entries = 2 ** (depth + 9 - child.depth);
      if (entries > 256 || index % entries !== 0) fail(place, `entry ${index} begins crooked`);
      for (let other = index; other < index + entries; other++) {
        if (idAt(view, 32 + other * 6) !== id) fail(place, `entry ${other} should go on`);
        const bit = (view.getUint8(3104 + (other >> 3)) & (1 << (other & 7))) !== 0;
        if (bit !== isDirectory) fail(place, `entry ${other} is of the wrong kind`);
      }
      used += entries;
      index += entries;
      if (index < 512 && idAt(view, 32 + index * 6) === id) fail(place, `${index} goes too far`);
    }
    if (view.getUint16(2, true) !== used || used === 0) fail(place, "counts its entries wrongly");
  }

  function visitBucket(place: Place, first: DataView, depth: number): void {
    found.buckets++;
    const prefix = first.getBigUint64(16, true);
    let view = first;
    let id = place.id;
    let pages = 0;
    while (true) {
      found.ids.push(id);
      if (view.getUint8(24) !== depth || view.getBigUint64(16, true) !== prefix) {
        fail(place, "is chained to a page of other bits");
      }
      readRecords({ ...place, id }, view, depth, prefix);
      pages++;
      const next = idAt(view, 25);
      if (next === 0) break;
      if (depth !== 63) fail(place, "has a chain though it could split");
      id = next;
      view = new DataView(store.page(next).buffer);
    }
    found.chainPages += pages - 1;
  }

  function readRecords(place: Place, view: DataView, depth: number, prefix: bigint): void {
    const bytes = new Uint8Array(view.buffer);
    const count = view.getUint16(2, true);
    if (count === 0) fail(place, "is empty");
    let heap = view.getUint16(10, true);
    for (let index = 0; index < count; index++) {
      const group = 32 + 64 * Math.floor(index / 16);
      const slot = group + 16 + 3 * (index % 16);
      const number = view.getUint16(slot, true) + view.getUint8(slot + 2) * 65536;
      const cell = number % 4096;
      const keyLength = Math.floor(number / 4096);
      const key = bytes.slice(cell, cell + keyLength);
      const hash = store.hash(key);
      if (BigInt(view.getUint8(group + (index % 16))) !== hash % 256n) fail(place, "a wrong tag");
      if (((hash - prefix + ALL) % ALL) >> BigInt(64 - depth) !== 0n) fail(place, "a stray record");
      const flags = view.getUint8(cell + keyLength);
      const valueAt = cell + keyLength + (flags & 1 ? 15 : 9);
      const valueBytes = view.getUint16(valueAt - 2, true);
      if (found.records.has(text(key))) fail(place, "a key that stands twice");
      found.records.set(text(key), { value: bytes.slice(valueAt, valueAt + valueBytes), flags });
      heap += valueAt + valueBytes - cell;
    }
    const heapStart = view.getUint16(8, true);
    if (heapStart !== 4080 - heap) fail(place, "cells do not add up");
    const rest = count % 16;
    const slotsEnd = 32 + 64 * Math.floor(count / 16) + (rest > 0 ? 16 + rest * 3 : 0);
    if (slotsEnd > heapStart) fail(place, "cells and slots overlap");
    found.bucketBytes += slotsEnd + heap - view.getUint16(10, true);
  }
}
