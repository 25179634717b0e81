/**
 * Directories: the pages that lead from nine bits of a hash to a bucket or to the next directory.
 *
 *      0  header       count = entries in use; hash, depth = the bits that lead here, a multiple of 9
 *     32  512 x id 6   children; 0 where no record has such a hash
 *   3104  512 bits     1 where the child is a directory, lowest bit first
 *   3168  ..           zero
 *
 * A bucket with k bits fewer than its directory can tell apart stands in 2^k entries in a row, which
 * begin at a multiple of 2^k. At most half of the entries name the same bucket. Because the page tells
 * directories from buckets, a tree can be given back without reading its buckets.
 */
import { PAGE_BODY_BYTES } from "../memory";
import { createPage } from "../page/epoch";
import {
  KIND_DIRECTORY,
  countOf,
  depthOf,
  heapStartOf,
  kindOf,
  loadId,
  setCount,
  setDepth,
  setHash,
  storeId,
} from "../page/header";
import { prefixBits, validateHashHeader } from "./bucket";

export const DIRECTORY_BITS: u32 = 9;
export const DIRECTORY_ENTRIES: u32 = 512;
/** Bits that lead to the last directory of a path. */
export const DIRECTORY_DEPTH_MAX: u32 = 54;

const ENTRIES: u32 = 32;
const ENTRY_BYTES: u32 = 6;
const KINDS: u32 = 3104;
const KINDS_END: u32 = 3168;

/** A new directory whose entries are all empty. */
export function createDirectory(tree: u32, hash: u64, depth: u32): usize {
  const page = createPage(KIND_DIRECTORY, 0, tree);
  memory.fill(page + ENTRIES, 0, PAGE_BODY_BYTES - ENTRIES);
  setHash(page, prefixBits(hash, depth));
  setDepth(page, depth);
  return page;
}

/** The entry that a hash takes in a directory of that depth. */
export function entryIndex(hash: u64, depth: u32): u32 {
  return <u32>((hash << (<u64>depth)) >> 55);
}

/** The lowest hash of an entry in the directory that `hash` leads to; 0 behind all hashes. */
export function hashOfEntry(hash: u64, depth: u32, index: u32): u64 {
  return prefixBits(hash, depth) + ((<u64>index) << (<u64>(64 - DIRECTORY_BITS - depth)));
}

/** The first hash behind those that begin with the first `depth` bits of `hash`; 0 behind all. */
export function hashBehind(hash: u64, depth: u32): u64 {
  return depth == 0 ? 0 : prefixBits(hash, depth) + ((<u64>1) << (<u64>(64 - depth)));
}

/** Entries of a bucket with `depth` bits in a directory with `directoryDepth`. */
export function entryCount(depth: u32, directoryDepth: u32): u32 {
  return 1 << (directoryDepth + DIRECTORY_BITS - depth);
}

export function entryAt(page: usize, index: u32): u64 {
  return loadId(page + ENTRIES + index * ENTRY_BYTES);
}

export function isDirectoryAt(page: usize, index: u32): bool {
  return ((load<u8>(page + KINDS + (index >>> 3)) >>> (index & 7)) & 1) != 0;
}

/** Lets `entries` entries lead to `id`; 0 for nothing. */
export function setEntries(
  page: usize,
  first: u32,
  entries: u32,
  id: u64,
  isDirectory: bool,
): void {
  let used = countOf(page);
  for (let index = first; index < first + entries; index++) {
    used = used + u32(id != 0) - u32(entryAt(page, index) != 0);
    storeId(page + ENTRIES + index * ENTRY_BYTES, id);
    const kinds = page + KINDS + (index >>> 3);
    const bit: u32 = 1 << (index & 7);
    const rest = <u32>load<u8>(kinds) & ~bit;
    store<u8>(kinds, isDirectory ? rest | bit : rest);
  }
  setCount(page, used);
}

/** True if `entries` entries from `first` all hold `id`. */
export function isUniform(page: usize, first: u32, entries: u32, id: u64): bool {
  for (let index = first; index < first + entries; index++) {
    if (entryAt(page, index) != id) return false;
  }
  return true;
}

/** How many entries from `first` on hold the same id. */
function runAt(page: usize, first: u32): u32 {
  const id = entryAt(page, first);
  let index = first + 1;
  while (index < DIRECTORY_ENTRIES && entryAt(page, index) == id) index++;
  return index - first;
}

/** True if the page is in canonical form, which its runs of equal entries are part of. */
export function validateDirectory(page: usize): bool {
  if (kindOf(page) != KIND_DIRECTORY || !validateHashHeader(page)) return false;
  const depth = depthOf(page);
  if (depth % DIRECTORY_BITS != 0 || depth > DIRECTORY_DEPTH_MAX) return false;
  if (heapStartOf(page) != PAGE_BODY_BYTES || loadId(page + 25) != 0) return false;
  let used: u32 = 0;
  let index: u32 = 0;
  while (index < DIRECTORY_ENTRIES) {
    const entries = runAt(page, index);
    const isDirectory = isDirectoryAt(page, index);
    if (entryAt(page, index) != 0) {
      if (isDirectory && (entries > 1 || depth == DIRECTORY_DEPTH_MAX)) return false;
      if (popcnt(entries) != 1 || (index & (entries - 1)) != 0) return false;
      if (entries == DIRECTORY_ENTRIES) return false;
      used += entries;
    }
    for (let other = index; other < index + entries; other++) {
      if (isDirectoryAt(page, other) != (isDirectory && entryAt(page, index) != 0)) return false;
    }
    index += entries;
  }
  for (let at = KINDS_END; at < PAGE_BODY_BYTES; at += 8) {
    if (load<u64>(page + at) != 0) return false;
  }
  return used == countOf(page);
}
