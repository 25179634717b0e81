/**
 * Ordered trees: moving pages to new places, for compaction.
 *
 * `relocate` moves one page if the newest version of its tree still holds it. `repack` rewrites all
 * leaves under one lowest branch nine tenths full. Both are ordinary path copies of their epoch, so
 * readers, snapshots and a running checkpoint do not notice.
 */
import { NEED_FRAMES } from "../errors";
import { OUTPUT, PAGE_BODY_BYTES, STATUS, STATUS_KEY_BYTES, STATUS_MORE } from "../memory";
import { commonBytes, copyBytes } from "../page/bytes";
import { createPage, dropPage, writable } from "../page/epoch";
import { RESERVE, freeCount, idOf } from "../page/frame";
import { HEADER_BYTES, KIND_LEAF, countOf, storeId } from "../page/header";
import {
  BRANCH_TAIL_BYTES,
  SLOT_BYTES,
  append,
  appendRange,
  begin,
  compareAt,
  copyKey,
  tailBytesAt,
} from "../page/slotted";
import { REASON_BOUNDS, corrupt } from "../page/image";
import { findPage } from "../page/table";
import { rootOf, treeId } from "../tree/tree";
import {
  childAt,
  collapseRoot,
  depth,
  descend,
  failure,
  indexOnPath,
  makePathWritable,
  pageOnPath,
  setChildAt,
  treePage,
} from "./path";

/** A repacked leaf is filled up to nine tenths. */
const PACKED_BYTES_MAX: u32 = 3672;

const lowKey: usize = memory.data(2048, 16);
const firstKey: usize = memory.data(2048, 16);
const lastKey: usize = memory.data(2048, 16);
const beforeKey: usize = memory.data(2048, 16);
const separator: usize = memory.data(2048, 16);
const tailScratch: usize = memory.data(16, 16);
/** The old leaves, in order; a branch has at most 202 children. */
const sources: usize = memory.data(256 * 4, 16);

/**
 * Moves page `id`, which holds or routes `key` at `level`: 1 moved, 0 it is no longer in the tree.
 */
export function relocate(tree: usize, key: usize, keyLength: u32, level: u32, id: u64): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  const root = rootOf(tree);
  if (root == 0) return 0;
  const found = descend(tree, root, key, keyLength);
  if (found < 0) return found;
  if (level > depth || idOf(pageOnPath(depth - level)) != id) return 0;
  makePathWritable(tree, 0);
  return 1;
}

/**
 * Rewrites the leaves under the lowest branch that covers `key`. Returns the leaves written; the
 * first key behind them goes to OUTPUT (its length to STATUS_KEY_BYTES), unless STATUS_MORE is 0.
 */
export function repack(tree: usize, key: usize, keyLength: u32): i32 {
  store<u32>(STATUS, 0, STATUS_MORE);
  const root = rootOf(tree);
  if (root == 0) return 0;
  const found = descend(tree, root, key, keyLength);
  if (found < 0) return found;
  if (freeCount < RESERVE) return NEED_FRAMES;
  if (depth == 0) {
    makePathWritable(tree, 0);
    return 1;
  }
  const count = countOf(pageOnPath(depth - 1));
  if (freeCount < RESERVE + count) return NEED_FRAMES;
  const lookedAt = inspectLeaves(tree, pageOnPath(depth - 1));
  if (lookedAt < 0) return lookedAt;
  rememberNext();
  makePathWritable(tree, 0);
  const branch = pageOnPath(depth - 1);
  for (let index: u32 = 0; index < count; index++) {
    store<u32>(sources + ((<usize>index) << 2), findPage(childAt(branch, index)));
  }
  const lowLength = copyKey(branch, 0, lowKey);
  if (!pack(0, 0, count, lowLength)) return copyLeaves(branch, count);
  for (let index: u32 = 0; index < count; index++) dropPage(childAt(branch, index));
  begin(branch, branch, branchPrefix, lowKey);
  pack(tree, branch, count, lowLength);
  collapseRoot(tree);
  return <i32>packedCount;
}

/** 0 if every leaf under the branch is resident and ends before the next one begins. */
function inspectLeaves(tree: usize, branch: usize): i32 {
  const count = countOf(branch);
  let before: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const leaf = treePage(childAt(branch, index), treeId(tree), 0);
    if (leaf == 0) return failure;
    if (index > 0 && compareAt(leaf, 0, beforeKey, before) <= 0) {
      return corrupt(childAt(branch, index), REASON_BOUNDS);
    }
    before = copyKey(leaf, countOf(leaf) - 1, beforeKey);
  }
  return 0;
}

/** The separator to the right of the lowest branch on the path, if there is one. */
function rememberNext(): void {
  for (let level: i32 = <i32>depth - 2; level >= 0; level--) {
    const page = pageOnPath(level);
    const next = indexOnPath(level) + 1;
    if (next < countOf(page)) {
      store<u32>(STATUS, copyKey(page, next, OUTPUT), STATUS_KEY_BYTES);
      store<u32>(STATUS, 1, STATUS_MORE);
      return;
    }
  }
}

/** Moves the leaves as they are. */
function copyLeaves(branch: usize, count: u32): i32 {
  for (let index: u32 = 0; index < count; index++) {
    setChildAt(branch, index, idOf(writable(findPage(childAt(branch, index)))));
  }
  return <i32>count;
}

function sourceAt(index: u32): usize {
  return load<u32>(sources + ((<usize>index) << 2));
}

/** Where the leaf in the making begins, and what it holds so far. */
let startLeaf: u32 = 0;
let startIndex: u32 = 0;
let firstLength: u32 = 0;
let beforeLength: u32 = 0;
let entries: u32 = 0;
let bytes: u32 = 0;
let shared: u32 = 0;
let packedCount: u32 = 0;
let branchBytes: u32 = 0;
let branchPrefix: u32 = 0;
let separatorLength: u32 = 0;

/**
 * Deals all entries of the sources out to leaves, as full as allowed. With `branch` 0 it only
 * measures: false when the branch could not hold the new separators.
 */
function pack(tree: usize, branch: usize, count: u32, lowLength: u32): bool {
  packedCount = 0;
  branchBytes = 0;
  entries = 0;
  for (let leaf: u32 = 0; leaf < count; leaf++) {
    const source = sourceAt(leaf);
    const total = countOf(source);
    for (let index: u32 = 0; index < total; index++) {
      const length = copyKey(source, index, lastKey);
      const size = SLOT_BYTES + length + tailBytesAt(source, index);
      if (entries > 0) {
        const prefix = commonBytes(firstKey, firstLength, lastKey, length);
        const whole = HEADER_BYTES + prefix + bytes + size - (entries + 1) * prefix;
        if (whole <= PACKED_BYTES_MAX) {
          shared = prefix;
          bytes += size;
          entries++;
          continue;
        }
        finishLeaf(tree, branch, leaf, index, lowLength);
      }
      startLeaf = leaf;
      startIndex = index;
      copyBytes(firstKey, lastKey, length);
      firstLength = length;
      shared = length;
      bytes = size;
      entries = 1;
    }
  }
  finishLeaf(tree, branch, count, 0, lowLength);
  branchPrefix = commonBytes(lowKey, lowLength, separator, separatorLength);
  return HEADER_BYTES + branchPrefix + branchBytes - packedCount * branchPrefix <= PAGE_BODY_BYTES;
}

/** Closes the leaf whose entries end before entry `toIndex` of source `toLeaf`. */
function finishLeaf(tree: usize, branch: usize, toLeaf: u32, toIndex: u32, lowLength: u32): void {
  if (packedCount == 0) {
    separatorLength = lowLength;
    copyBytes(separator, lowKey, lowLength);
  } else {
    separatorLength = commonBytes(beforeKey, beforeLength, firstKey, firstLength) + 1;
    copyBytes(separator, firstKey, separatorLength);
  }
  const lastLeaf = toIndex > 0 ? toLeaf : toLeaf - 1;
  const lastIndex = toIndex > 0 ? toIndex - 1 : countOf(sourceAt(lastLeaf)) - 1;
  beforeLength = copyKey(sourceAt(lastLeaf), lastIndex, beforeKey);
  branchBytes += SLOT_BYTES + separatorLength + BRANCH_TAIL_BYTES;
  packedCount++;
  if (branch == 0) return;
  const page = createPage(KIND_LEAF, 0, treeId(tree));
  begin(page, page, shared, firstKey);
  for (let leaf = startLeaf; leaf <= lastLeaf; leaf++) {
    const from = leaf == startLeaf ? startIndex : 0;
    const to = leaf == lastLeaf ? lastIndex + 1 : countOf(sourceAt(leaf));
    appendRange(page, sourceAt(leaf), from, to);
  }
  storeId(tailScratch, idOf(page));
  storeId(tailScratch + 6, countOf(page));
  append(branch, separator, separatorLength, tailScratch, BRANCH_TAIL_BYTES);
}
