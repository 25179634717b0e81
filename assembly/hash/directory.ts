/**
 * Directories: the pages that lead from nine bits of a hash to a bucket or to the next directory.
 *
 *      0  header       count = entries in use; hash, depth = the bits that lead here
 *     32  512 x id 6   children; 0 where no record has such a hash
 *   3104  512 bits     1 where the child is a directory, lowest bit first
 *   3168  ..           zero
 *
 * An entry tells nine bits, those behind the first `depth`. A child with k bits fewer stands in 2^k
 * entries in a row, which begin at a multiple of 2^k; at most in half of all entries. That goes for
 * buckets and for directories alike: where a bucket must split and its directory cannot tell one
 * bit more, the directory itself splits in two that can. So directories are filled like the
 * branches of a B-tree, whatever the number of records. A new directory below every full bucket
 * would be simpler, but as good as empty until the tree has grown a hundredfold.
 *
 * Because the page tells directories from buckets, a tree can be given back without reading its
 * buckets.
 */
import { PAGE_BODY_BYTES } from "../memory";
import { isZero } from "../page/bytes";
import { createPage } from "../page/epoch";
import {
  KIND_DIRECTORY,
  countOf,
  depthOf,
  heapStartOf,
  isPageId,
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
/** A directory with so many bits tells all that buckets can be told apart by. */
export const DIRECTORY_DEPTH_MAX: u32 = 54;

export const HALF: u32 = 256;

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

/** Begins to fetch an entry. */
export function touchEntryAt(page: usize, index: u32): void {
  touched = load<u8>(page + ENTRIES + index * ENTRY_BYTES);
}
/** Where touched bytes go, so that the load is not left out. */
let touched: u32 = 0;

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

/** True if all children have a bit to spare, so that half as many entries could tell them apart. */
export function isCoarse(page: usize): bool {
  for (let index: u32 = 0; index < DIRECTORY_ENTRIES; index += 2) {
    if (entryAt(page, index) != entryAt(page, index + 1)) return false;
  }
  return true;
}

/** How many children a directory has. */
export function childrenOf(page: usize): u32 {
  let children: u32 = 0;
  let previous: u64 = 0;
  for (let index: u32 = 0; index < DIRECTORY_ENTRIES; index++) {
    const id = entryAt(page, index);
    if (id != 0 && id != previous) children++;
    previous = id;
  }
  return children;
}

/** Spreads half of the entries of a directory over all entries of another, or of itself. */
export function spreadHalf(source: usize, upper: bool, target: usize): void {
  for (let step: u32 = 0; step < HALF; step++) {
    // The order in which no entry is written before it is read.
    const from = upper ? step + HALF : HALF - 1 - step;
    const to = (from & (HALF - 1)) << 1;
    setEntries(target, to, 2, entryAt(source, from), isDirectoryAt(source, from));
  }
}

/** Squeezes the entries of a coarse directory into one half of another, or of itself. */
export function squeezeHalf(source: usize, target: usize, upper: bool): void {
  for (let step: u32 = 0; step < HALF; step++) {
    const from = (upper ? HALF - 1 - step : step) << 1;
    const to = (from >>> 1) + (upper ? HALF : 0);
    setEntries(target, to, 1, entryAt(source, from), isDirectoryAt(source, from));
  }
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
  if (depthOf(page) > DIRECTORY_DEPTH_MAX) return false;
  if (heapStartOf(page) != PAGE_BODY_BYTES || loadId(page + 25) != 0) return false;
  let used: u32 = 0;
  let index: u32 = 0;
  while (index < DIRECTORY_ENTRIES) {
    const entries = runAt(page, index);
    const isDirectory = isDirectoryAt(page, index);
    if (entryAt(page, index) != 0) {
      if (popcnt(entries) != 1 || (index & (entries - 1)) != 0) return false;
      if (entries == DIRECTORY_ENTRIES || !isPageId(entryAt(page, index))) return false;
      used += entries;
    }
    for (let other = index; other < index + entries; other++) {
      if (isDirectoryAt(page, other) != (isDirectory && entryAt(page, index) != 0)) return false;
    }
    index += entries;
  }
  return used == countOf(page) && isZero(page + KINDS_END, PAGE_BODY_BYTES - KINDS_END);
}
