/**
 * Records of a bucket in the order of the tree: by hash, and by key where hashes are equal.
 *
 * Slots of a bucket stand in no order, because order would cost every insertion; whoever wants it
 * collects the records here and sorts them. A chain may hold more records than fit: then only the
 * smallest ORDERED_MAX are kept, and `isPartial` tells that there are others.
 *
 * An entry is 16 bytes: u64 hash, u32 address of the cell, u32 key length.
 */
import { compareBytes } from "../page/bytes";

export const ORDERED_MAX: u32 = 512;
const ROOM: u32 = ORDERED_MAX * 2;

const entries: usize = memory.data(1024 * 16, 16);
export let collected: u32 = 0;
export let isPartial: bool = false;

export function collectedHash(index: u32): u64 {
  return load<u64>(entries + ((<usize>index) << 4));
}
export function collectedCell(index: u32): usize {
  return load<u32>(entries + ((<usize>index) << 4), 8);
}
export function collectedKeyLength(index: u32): u32 {
  return load<u32>(entries + ((<usize>index) << 4), 12);
}

/** Order of two keys with their hashes. */
export function compareHashed(
  hash: u64,
  key: usize,
  keyLength: u32,
  otherHash: u64,
  other: usize,
  otherLength: u32,
): i32 {
  if (hash != otherHash) return hash < otherHash ? -1 : 1;
  return compareBytes(key, keyLength, other, otherLength);
}

function compareToEntry(hash: u64, cell: usize, keyLength: u32, index: u32): i32 {
  const entry = entries + ((<usize>index) << 4);
  const other = load<u64>(entry);
  if (hash != other) return hash < other ? -1 : 1;
  return compareBytes(cell, keyLength, load<u32>(entry, 8), load<u32>(entry, 12));
}

export function beginCollect(): void {
  collected = 0;
  isPartial = false;
}

export function collect(hash: u64, cell: usize, keyLength: u32): void {
  if (isPartial && compareToEntry(hash, cell, keyLength, ORDERED_MAX - 1) > 0) return;
  if (collected == ROOM) {
    sort();
    collected = ORDERED_MAX;
    isPartial = true;
    if (compareToEntry(hash, cell, keyLength, ORDERED_MAX - 1) > 0) return;
  }
  setEntry(collected++, hash, cell, keyLength);
}

/** Sorts what was collected, and cuts it to ORDERED_MAX. */
export function endCollect(): void {
  sort();
  if (collected > ORDERED_MAX) {
    collected = ORDERED_MAX;
    isPartial = true;
  }
}

function setEntry(index: u32, hash: u64, cell: usize, keyLength: u32): void {
  const entry = entries + ((<usize>index) << 4);
  store<u64>(entry, hash);
  store<u32>(entry, cell, 8);
  store<u32>(entry, keyLength, 12);
}

/** Shell sort: buckets are small, and pages that were read from a blob are in order already. */
function sort(): void {
  let gap: u32 = collected > 400 ? 301 : collected > 180 ? 132 : collected > 80 ? 57 : 23;
  while (true) {
    for (let index = gap; index < collected; index++) {
      const entry = entries + ((<usize>index) << 4);
      const hash = load<u64>(entry);
      const cell: usize = load<u32>(entry, 8);
      const keyLength = load<u32>(entry, 12);
      let at = index;
      while (at >= gap && compareToEntry(hash, cell, keyLength, at - gap) < 0) {
        v128.store(entries + ((<usize>at) << 4), v128.load(entries + ((<usize>(at - gap)) << 4)));
        at -= gap;
      }
      if (at != index) setEntry(at, hash, cell, keyLength);
    }
    if (gap == 1) return;
    // Ciura's gaps.
    gap = gap == 301 ? 132 : gap == 132 ? 57 : gap == 57 ? 23 : gap == 23 ? 10 : gap == 10 ? 4 : 1;
  }
}
