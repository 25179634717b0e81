/**
 * Ordered trees: look-up, insertion and splits.
 *
 * Leaves and branches split by the same code: the entries of the full page and the new one are
 * dealt out to two pages, each of which gets the longest prefix its keys share. Because an entry is
 * at most 1,111 bytes and a page body 4,048, filling the left page as far as it goes always leaves
 * a rest that fits into the right one.
 */
import { NEED_FRAMES, NOT_FOUND } from "../errors";
import {
  KEY_BYTES_MAX,
  PAGE_BODY_BYTES,
  STATUS,
  STATUS_EXPIRES,
  STATUS_SEQ,
  STATUS_VALUE,
  STATUS_VALUE_BYTES,
} from "../memory";
import { commonBytes, copyBytes } from "../page/bytes";
import { createPage } from "../page/epoch";
import { dropExtents, extentPages } from "../page/extent";
import { RESERVE, freeCount, idOf } from "../page/frame";
import {
  HEADER_BYTES,
  KIND_BRANCH,
  KIND_LEAF,
  countOf,
  levelOf,
  loadId,
  prefixLengthOf,
  prefixOf,
  storeId,
  treeOf,
} from "../page/header";
import {
  BRANCH_TAIL_BYTES,
  RECORD_EXPIRES,
  RECORD_OVERFLOW,
  SLOT_BYTES,
  append,
  appendRange,
  begin,
  compareAt,
  copyKey,
  insertAt,
  keyLengthAt,
  leafTailBytes,
  removeAt,
  search,
  tailAt,
  tailBytesAt,
} from "../page/slotted";
import { addOverflow, addRecords, rootAt, rootOf, setRoot, treeId } from "../tree/tree";
import {
  belowFirst,
  childCountAt,
  depth,
  descend,
  indexOnPath,
  makePathWritable,
  pageOnPath,
  setChildCountAt,
} from "./path";

const leftScratch: usize = memory.data(4096, 16);
const rightScratch: usize = memory.data(4096, 16);
const tailScratch: usize = memory.data(2048, 16);
const separators: usize = memory.data(4096, 16);
const branchTail: usize = memory.data(16, 16);
const firstKey: usize = memory.data(2048, 16);
const lastKey: usize = memory.data(2048, 16);
let separatorLength: u32 = 0;

/** Writes a leaf tail to `at`; its bytes. The layout is in page/slotted.ts. */
export function writeTail(
  at: usize,
  flags: u32,
  seq: u64,
  expiresAt: f64,
  value: usize,
  valueBytes: u32,
): u32 {
  const expires = expiresAt > 0;
  store<u8>(at, flags | (expires ? RECORD_EXPIRES : 0));
  storeId(at + 1, seq);
  let offset: u32 = 7;
  if (expires) {
    storeId(at + offset, <u64>expiresAt);
    offset += 6;
  }
  store<u16>(at + offset, valueBytes);
  copyBytes(at + offset + 2, value, valueBytes);
  return offset + 2 + valueBytes;
}

/** Tells the host about a record through STATUS. Its flags, or NOT_FOUND when it has expired. */
export function readTail(tail: usize, now: f64): i32 {
  const flags: u32 = load<u8>(tail);
  let offset: u32 = 7;
  let expiresAt: f64 = 0;
  if (flags & RECORD_EXPIRES) {
    expiresAt = <f64>loadId(tail + offset);
    if (expiresAt <= now) return NOT_FOUND;
    offset += 6;
  }
  store<u32>(STATUS, tail + offset + 2, STATUS_VALUE);
  store<u32>(STATUS, load<u16>(tail + offset), STATUS_VALUE_BYTES);
  store<f64>(STATUS, <f64>loadId(tail + 1), STATUS_SEQ);
  store<f64>(STATUS, expiresAt, STATUS_EXPIRES);
  return <i32>flags;
}

/** Looks a key up as `at` saw it: flags of the record, NOT_FOUND, PAGE_MISS or CORRUPT. */
export function get(tree: usize, at: u64, key: usize, keyLength: u32, now: f64): i32 {
  const root = rootAt(tree, at);
  if (root == 0) return NOT_FOUND;
  const found = descend(tree, root, key, keyLength);
  if (found < 0) return found;
  const leaf = pageOnPath(depth);
  const index = search(leaf, key, keyLength);
  return index < 0 ? NOT_FOUND : readTail(tailAt(leaf, index), now);
}

/** The overflow descriptor of a tail, if it has one; its bytes go to `descriptorBytes`. */
let descriptorBytes: u32 = 0;
function descriptorOf(tail: usize): usize {
  const flags: u32 = load<u8>(tail);
  if (!(flags & RECORD_OVERFLOW)) return 0;
  const at = tail + 7 + (flags & RECORD_EXPIRES ? 6 : 0);
  descriptorBytes = load<u16>(at);
  return at + 2;
}

/** Drops the overflow pages of a record that is being replaced or deleted. */
export function releaseTail(tree: usize, tail: usize): void {
  const descriptor = descriptorOf(tail);
  if (descriptor != 0) addOverflow(tree, -(<i64>dropExtents(descriptor, descriptorBytes)));
}

/** Inserts or replaces a record: 0 inserted, 1 replaced, or a negative code with nothing done. */
export function put(
  tree: usize,
  key: usize,
  keyLength: u32,
  flags: u32,
  seq: u64,
  expiresAt: f64,
  value: usize,
  valueBytes: u32,
): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  const root = rootOf(tree);
  let index: i32 = ~0;
  if (root != 0) {
    const found = descend(tree, root, key, keyLength);
    if (found < 0) return found;
    while (belowFirst) {
      lowerFirstKeys(tree, key, keyLength);
      descend(tree, rootOf(tree), key, keyLength);
    }
    index = search(pageOnPath(depth), key, keyLength);
  }
  const tailBytes = writeTail(tailScratch, flags, seq, expiresAt, value, valueBytes);
  if (flags & RECORD_OVERFLOW) addOverflow(tree, <i64>extentPages(value, valueBytes));
  if (root == 0) {
    const leaf = createPage(KIND_LEAF, 0, treeId(tree));
    insertAt(leaf, 0, key, keyLength, tailScratch, tailBytes);
    setRoot(tree, idOf(leaf));
    addRecords(tree, 1);
    return 0;
  }
  makePathWritable(tree, index < 0 ? 1 : 0);
  const leaf = pageOnPath(depth);
  if (index >= 0) {
    const tail = tailAt(leaf, index);
    releaseTail(tree, tail);
    if (leafTailBytes(tail) == tailBytes) {
      copyBytes(tail, tailScratch, tailBytes);
      return 1;
    }
    removeAt(leaf, index);
  } else addRecords(tree, 1);
  const at = <u32>(index >= 0 ? index : ~index);
  if (!insertAt(leaf, at, key, keyLength, tailScratch, tailBytes)) {
    splitUpwards(tree, depth, at, key, keyLength, tailBytes);
  }
  return index < 0 ? 0 : 1;
}

/**
 * Lowers the first keys of the branches on the path to `key`, which is below them, so that the
 * first key of a branch is never above a key that lies under it.
 */
function lowerFirstKeys(tree: usize, key: usize, keyLength: u32): void {
  makePathWritable(tree, 0);
  for (let level: u32 = 0; level < depth; level++) {
    const page = pageOnPath(level);
    if (indexOnPath(level) != 0 || compareAt(page, 0, key, keyLength) <= 0) continue;
    memory.copy(tailScratch, tailAt(page, 0), BRANCH_TAIL_BYTES);
    removeAt(page, 0);
    if (!insertAt(page, 0, key, keyLength, tailScratch, BRANCH_TAIL_BYTES)) {
      splitUpwards(tree, level, 0, key, keyLength, BRANCH_TAIL_BYTES);
      return; // the path is no longer what it was
    }
  }
}

/**
 * Splits the page at `level` of the path to make room for the entry in `tailScratch`, then whatever
 * overflows above.
 */
function splitUpwards(
  tree: usize,
  from: u32,
  at: u32,
  key: usize,
  keyLength: u32,
  tailBytes: u32,
): void {
  let level = from;
  let right = split(pageOnPath(level), at, key, keyLength, tailScratch, tailBytes, separators);
  // Two places for separators: the one going in, and the one that a split of the parent yields.
  let separator = separators;
  let next = separators + 2048;
  while (level > 0) {
    level--;
    const parent = pageOnPath(level);
    const index = indexOnPath(level);
    const moved = recordsBelow(right);
    setChildCountAt(parent, index, childCountAt(parent, index) - moved);
    storeId(branchTail, idOf(right));
    storeId(branchTail + 6, moved);
    if (insertAt(parent, index + 1, separator, separatorLength, branchTail, BRANCH_TAIL_BYTES)) {
      return;
    }
    const length = separatorLength;
    right = split(parent, index + 1, separator, length, branchTail, BRANCH_TAIL_BYTES, next);
    const swap = separator;
    separator = next;
    next = swap;
  }
  growRoot(tree, right, separator);
}

/** Puts a branch above the old root and its new right sibling. */
function growRoot(tree: usize, right: usize, separator: usize): void {
  const left = pageOnPath(0);
  const root = createPage(KIND_BRANCH, levelOf(left) + 1, treeId(tree));
  storeId(branchTail, idOf(left));
  storeId(branchTail + 6, recordsBelow(left));
  insertAt(root, 0, separator, 0, branchTail, BRANCH_TAIL_BYTES);
  storeId(branchTail, idOf(right));
  storeId(branchTail + 6, recordsBelow(right));
  insertAt(root, 1, separator, separatorLength, branchTail, BRANCH_TAIL_BYTES);
  setRoot(tree, idOf(root));
}

/** Records in the subtree of a page. */
export function recordsBelow(page: usize): u64 {
  if (levelOf(page) == 0) return countOf(page);
  let sum: u64 = 0;
  const count = countOf(page);
  for (let index: u32 = 0; index < count; index++) sum += childCountAt(page, index);
  return sum;
}

/**
 * Deals the entries of `page`, and a new one at `at`, out to `page` and a new right sibling, which
 * is returned. The separator goes to `separator` and `separatorLength`.
 */
function split(
  page: usize,
  at: u32,
  key: usize,
  keyLength: u32,
  tail: usize,
  tailBytes: u32,
  separator: usize,
): usize {
  const count = countOf(page);
  const shared = commonBytes(prefixOf(page), prefixLengthOf(page), key, keyLength);
  const cut = splitPoint(page, at, keyLength, tailBytes, shared);
  const right = createPage(
    levelOf(page) == 0 ? KIND_LEAF : KIND_BRANCH,
    levelOf(page),
    treeOf(page),
  );
  deal(leftScratch, page, 0, cut, at, key, keyLength, tail, tailBytes);
  deal(rightScratch, page, cut, count + 1, at, key, keyLength, tail, tailBytes);
  const lastLength = copyKey(leftScratch, countOf(leftScratch) - 1, lastKey);
  const firstLength = copyKey(rightScratch, 0, firstKey);
  // Leaves are parted by the shortest key that does it; branches by a key that already does.
  separatorLength =
    levelOf(page) == 0 ? commonBytes(lastKey, lastLength, firstKey, firstLength) + 1 : firstLength;
  copyBytes(separator, firstKey, separatorLength);
  memory.copy(page, leftScratch, PAGE_BODY_BYTES);
  memory.copy(right, rightScratch, PAGE_BODY_BYTES);
  return right;
}

/** Bytes that merged entry `index` would take without any prefix. */
function mergedBytes(page: usize, index: u32, at: u32, keyLength: u32, tailBytes: u32): u32 {
  if (index == at) return SLOT_BYTES + keyLength + tailBytes;
  const old = index < at ? index : index - 1;
  return SLOT_BYTES + keyLengthAt(page, old) + tailBytesAt(page, old);
}

/**
 * How many of the merged entries go left. `shared` bytes of the page's prefix begin the new key
 * too; they differ from the whole prefix only when the new key comes first or last.
 */
function splitPoint(page: usize, at: u32, keyLength: u32, tailBytes: u32, shared: u32): u32 {
  const total = countOf(page) + 1;
  // Keys that arrive in order leave full pages behind.
  if (at == total - 1 && isRightEdge()) return total - 1;
  let sum: u32 = 0;
  for (let index: u32 = 0; index < total; index++) {
    sum += mergedBytes(page, index, at, keyLength, tailBytes) - shared;
  }
  const half = sum >>> 1;
  let left: u32 = 0;
  let cut: u32 = 0;
  while (cut < total - 1) {
    const bytes = mergedBytes(page, cut, at, keyLength, tailBytes) - shared;
    if (cut > 0 && left + (bytes >>> 1) > half) break;
    left += bytes;
    cut++;
  }
  while (cut > 1 && !dealFits(page, 0, cut, at, keyLength, tailBytes, shared)) cut--;
  while (cut < total - 1 && !dealFits(page, cut, total, at, keyLength, tailBytes, shared)) cut++;
  return cut;
}

/** True if the path runs along the right edge of the tree. */
function isRightEdge(): bool {
  for (let level: u32 = 0; level < depth; level++) {
    if (indexOnPath(level) + 1 != countOf(pageOnPath(level))) return false;
  }
  return true;
}

/** True if merged entries [from, to) fit into a page with the prefix they certainly share. */
function dealFits(
  page: usize,
  from: u32,
  to: u32,
  at: u32,
  keyLength: u32,
  tailBytes: u32,
  shared: u32,
): bool {
  const prefix = at >= from && at < to ? shared : prefixLengthOf(page);
  let sum: u32 = HEADER_BYTES + prefix;
  for (let index = from; index < to; index++) {
    sum += mergedBytes(page, index, at, keyLength, tailBytes) - prefix;
  }
  return sum <= PAGE_BODY_BYTES;
}

/** Builds a page from merged entries [from, to) in `target`. */
function deal(
  target: usize,
  page: usize,
  from: u32,
  to: u32,
  at: u32,
  key: usize,
  keyLength: u32,
  tail: usize,
  tailBytes: u32,
): void {
  const first = mergedKey(page, from, at, key, keyLength, firstKey);
  const last = mergedKey(page, to - 1, at, key, keyLength, lastKey);
  begin(target, page, commonBytes(firstKey, first, lastKey, last), firstKey);
  if (at < from || at >= to) {
    appendRange(target, page, at < from ? from - 1 : from, at < from ? to - 1 : to);
    return;
  }
  appendRange(target, page, from, at);
  append(target, key, keyLength, tail, tailBytes);
  appendRange(target, page, at, to - 1);
}

function mergedKey(
  page: usize,
  index: u32,
  at: u32,
  key: usize,
  keyLength: u32,
  target: usize,
): u32 {
  if (index != at) return copyKey(page, index < at ? index : index - 1, target);
  copyBytes(target, key, keyLength);
  return keyLength;
}

assert(KEY_BYTES_MAX <= 2048);
