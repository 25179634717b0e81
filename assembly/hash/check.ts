/**
 * Walks a hashed tree and checks everything that its readers rely on: owner, that every page stands
 * where its bits say, that every record's hash belongs there and its tag is right, that no key
 * stands twice, record counts, overflow runs, and which blob every page lies in.
 *
 * The walk keeps its place between calls, so that the host can load what is missing and go on. The
 * directories above the current page, and the pages before it in its chain, must be resident with
 * it.
 */
import { checkExtents, setCheckOwner } from "../btree/check";
import { miss } from "../btree/path";
import { PAGE_BODY_BYTES, STATUS, STATUS_COUNT } from "../memory";
import {
  KIND_DIRECTORY,
  countOf,
  depthOf,
  garbageOf,
  hashOf,
  heapStartOf,
  kindOf,
} from "../page/header";
import {
  REASON_BOUNDS,
  REASON_COUNT,
  REASON_HASH,
  REASON_KIND,
  REASON_LAYOUT,
  REASON_ORDER,
  corrupt,
} from "../page/image";
import { seePage } from "../page/slot";
import { RECORD_EXPIRES, RECORD_OVERFLOW } from "../page/slotted";
import { findPage } from "../page/table";
import { recordsAt, rootAt, treeId } from "../tree/tree";
import {
  DEPTH_MAX,
  bucketCellAt,
  bucketCellBytesAt,
  bucketFind,
  bucketHashAt,
  bucketKeyLengthAt,
  bucketNext,
  bucketTagAt,
  bucketTailAt,
  bucketUsedBytes,
  prefixBits,
  tagOf,
} from "./bucket";
import {
  DIRECTORY_ENTRIES,
  entryAt,
  entryCount,
  entryIndex,
  hashOfEntry,
  isDirectoryAt,
  isUniform,
  validateDirectory,
} from "./directory";
import { ABOVE_ROOT, CHAIN_PAGES_MAX, kindFor } from "./path";

/** Per level 32 bytes: u64 id, u64 hash that led there, i32 depth of the directory above, u32
 *  next entry. */
const stack: usize = memory.data(64 * 32, 16);
const NOT_ENTERED: u32 = 0xffff_ffff;
let height: u32 = 0;
/** First page of the chain that the walk is in, and how many pages of it were entered. */
let chainHead: u64 = 0;
let chained: u32 = 0;
let owner: u32 = 0;
let records: u64 = 0;
let expected: u64 = 0;

function topItem(): usize {
  return stack + ((<usize>(height - 1)) << 5);
}
function setTop(id: u64, hash: u64, above: i32): void {
  const item = topItem();
  store<u64>(item, id);
  store<u64>(item, hash, 8);
  store<i32>(item, above, 16);
  store<u32>(item, NOT_ENTERED, 20);
}

/** Begins a walk over the tree as `at` saw it. */
export function hashCheckBegin(tree: usize, at: u64): void {
  const root = rootAt(tree, at);
  owner = treeId(tree);
  setCheckOwner(owner);
  records = 0;
  expected = recordsAt(tree, at);
  chained = 0;
  height = 0;
  if (root == 0) return;
  height = 1;
  setTop(root, 0, ABOVE_ROOT);
}

/** Goes on for up to `pages` pages: 1 when there is more, 0 at the end, or a negative code. */
export function hashCheckNext(pages: u32): i32 {
  let left = pages;
  while (height > 0) {
    if (left == 0) return 1;
    const item = topItem();
    const id = load<u64>(item);
    const page = findPage(id);
    if (page == 0) return miss(id);
    const isDirectory = kindOf(page) == KIND_DIRECTORY;
    if (load<u32>(item, 20) == NOT_ENTERED) {
      const found = isDirectory ? enterDirectory(page, id) : enterBucket(page, id);
      if (found < 0) return found;
      seePage(id);
      store<u32>(item, 0, 20);
      left--;
    }
    const result = isDirectory ? walkDirectory(page) : walkBucket(page, id);
    if (result < 0) return result;
  }
  store<f64>(STATUS, <f64>records, STATUS_COUNT);
  return records == expected ? 0 : corrupt(0, REASON_COUNT);
}

/** True if the directory above says that its child is a directory, or a bucket, as it is. */
function isKindExpected(isDirectory: bool): i32 {
  if (height < 2) return 1;
  const parent = findPage(load<u64>(topItem() - 32));
  if (parent == 0) return miss(load<u64>(topItem() - 32));
  const index = entryIndex(load<u64>(topItem(), 8), depthOf(parent));
  return i32(isDirectoryAt(parent, index) == isDirectory);
}

function checkPlace(page: usize, id: u64): i32 {
  return kindFor(page, id, owner, load<u64>(topItem(), 8), load<i32>(topItem(), 16));
}

function enterDirectory(page: usize, id: u64): i32 {
  if (!validateDirectory(page)) return corrupt(id, REASON_LAYOUT);
  const kind = isKindExpected(true);
  if (kind <= 0) return kind < 0 ? kind : corrupt(id, REASON_KIND);
  const place = checkPlace(page, id);
  return place < 0 ? place : checkRange(page, id);
}

/** Enters the next child of a directory, or leaves it. */
function walkDirectory(page: usize): i32 {
  const item = topItem();
  let index = load<u32>(item, 20);
  while (index < DIRECTORY_ENTRIES && entryAt(page, index) == 0) index++;
  if (index == DIRECTORY_ENTRIES) {
    height--;
    return 0;
  }
  const id = entryAt(page, index);
  let next = index + 1;
  while (next < DIRECTORY_ENTRIES && entryAt(page, next) == id) next++;
  store<u32>(item, next, 20);
  const depth = depthOf(page);
  chained = 0;
  height++;
  setTop(id, hashOfEntry(hashOf(page), depth, index), <i32>depth);
  return 0;
}

function enterBucket(page: usize, id: u64): i32 {
  const kind = isKindExpected(false);
  if (kind <= 0) return kind < 0 ? kind : corrupt(id, REASON_KIND);
  const place = checkPlace(page, id);
  if (place < 0) return place;
  if (chained == CHAIN_PAGES_MAX || (bucketNext(page) != 0 && depthOf(page) < DEPTH_MAX)) {
    return corrupt(id, REASON_BOUNDS);
  }
  if (chained == 0) {
    chainHead = id;
    const range = checkRange(page, id);
    if (range < 0) return range;
  }
  const found = checkRecords(page, id);
  if (found < 0) return found;
  chained++;
  return 0;
}

/** Checks that a page stands in all entries of its bits, and in no other. */
function checkRange(page: usize, id: u64): i32 {
  if (height < 2) return 0;
  const directory = findPage(load<u64>(topItem() - 32));
  const first = entryIndex(load<u64>(topItem(), 8), depthOf(directory));
  const entries = entryCount(depthOf(page), depthOf(directory));
  const end = first + entries;
  const stands =
    first == entryIndex(hashOf(page), depthOf(directory)) &&
    isUniform(directory, first, entries, id) &&
    load<u32>(topItem() - 32, 20) == end;
  return stands ? 0 : corrupt(id, REASON_BOUNDS);
}

/** Checks the records of a page, and that none stands in a page before it in its chain. */
function checkRecords(page: usize, id: u64): i32 {
  const count = countOf(page);
  const heapStart = heapStartOf(page);
  if (count == 0) return corrupt(id, REASON_COUNT);
  if (heapStart > PAGE_BODY_BYTES || bucketUsedBytes(page) > PAGE_BODY_BYTES - garbageOf(page)) {
    return corrupt(id, REASON_LAYOUT);
  }
  let bytes: u32 = garbageOf(page);
  for (let index: u32 = 0; index < count; index++) {
    const cell = bucketCellAt(page, index);
    const cellBytes = bucketCellBytesAt(page, index);
    if (<u32>(cell - page) < heapStart) return corrupt(id, REASON_LAYOUT);
    if (<u32>(cell - page) + cellBytes > PAGE_BODY_BYTES) return corrupt(id, REASON_LAYOUT);
    bytes += cellBytes;
    const hash = bucketHashAt(page, index);
    const tag = tagOf(hash);
    if (bucketTagAt(page, index) != tag) return corrupt(id, REASON_HASH);
    if (prefixBits(hash, depthOf(page)) != hashOf(page)) return corrupt(id, REASON_HASH);
    const keyLength = bucketKeyLengthAt(page, index);
    if (bucketFind(page, cell, keyLength, tag) != <i32>index) return corrupt(id, REASON_ORDER);
    const before = checkChainBefore(id, cell, keyLength, tag);
    if (before < 0) return before;
  }
  return bytes == PAGE_BODY_BYTES - heapStart ? 0 : corrupt(id, REASON_LAYOUT);
}

function checkChainBefore(id: u64, key: usize, keyLength: u32, tag: u32): i32 {
  let other = chainHead;
  for (let index: u32 = 0; index < chained; index++) {
    const page = findPage(other);
    if (page == 0) return miss(other);
    if (bucketFind(page, key, keyLength, tag) >= 0) return corrupt(id, REASON_ORDER);
    other = bucketNext(page);
  }
  return 0;
}

/** Checks the overflow pages of the records, then goes to the next page of the chain. */
function walkBucket(page: usize, id: u64): i32 {
  const item = topItem();
  const count = countOf(page);
  for (let index = load<u32>(item, 20); index < count; index++) {
    const tail = bucketTailAt(page, index);
    const flags: u32 = load<u8>(tail);
    if (flags & RECORD_OVERFLOW) {
      const at = tail + 7 + (flags & RECORD_EXPIRES ? 6 : 0);
      const found = checkExtents(at + 2, load<u16>(at), id);
      if (found < 0) return found;
    }
    store<u32>(item, index + 1, 20);
  }
  records += count;
  if (bucketNext(page) == 0) height--;
  else setTop(bucketNext(page), load<u64>(item, 8), load<i32>(item, 16));
  return 0;
}
