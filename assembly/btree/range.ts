/**
 * Ordered trees: cutting a range out in O(height), and counting one in O(height).
 *
 * Children that lie wholly inside the range are detached without being read; their pages are
 * reclaimed later (tree/reclaim.ts). Only the two edges are descended into. Recursion is bounded by
 * the height of the tree.
 */
import { NEED_FRAMES } from "../errors";
import { STATUS, STATUS_COUNT } from "../memory";
import { dropPage, writable } from "../page/epoch";
import { RESERVE, freeCount, idOf } from "../page/frame";
import { countOf, levelOf } from "../page/header";
import { compareAt, removeAt, search, tailAt } from "../page/slotted";
import { findPage } from "../page/table";
import { detach } from "../tree/reclaim";
import { addRecords, rootAt, rootOf, setRoot, treeId } from "../tree/tree";
import {
  childAt,
  childCountAt,
  collapseRoot,
  setChildAt,
  setChildCountAt,
  failure,
  rootPage,
  treePage,
} from "./path";
import { recordsBelow, releaseTail } from "./put";

let low: usize = 0;
let lowLength: u32 = 0;
let high: usize = 0;
let highLength: u32 = 0;
let owner: u32 = 0;
/** 0 while every page that the operation needs was found. */
let result: i32 = 0;

function begin(tree: usize, from: usize, fromLength: u32, to: usize, toLength: u32): void {
  owner = treeId(tree);
  low = from;
  lowLength = fromLength;
  high = to;
  highLength = toLength;
  result = 0;
}

/** Index of the first entry of a leaf that is not below `low`. */
function firstInside(leaf: usize): u32 {
  const found = search(leaf, low, lowLength);
  return <u32>(found < 0 ? ~found : found);
}
/** Index of the first entry of a leaf that is not below `high`; an empty `high` is infinity. */
function firstBeyond(leaf: usize): u32 {
  if (highLength == 0) return countOf(leaf);
  const found = search(leaf, high, highLength);
  return <u32>(found < 0 ? ~found : found);
}

/** How a child lies to the range: 0 outside, 1 partly inside, 2 wholly inside. */
function coverage(page: usize, index: u32, lowerInside: bool, upperInside: bool): u32 {
  const isFirst = index == 0;
  const isLast = index + 1 == countOf(page);
  if (!isLast && compareAt(page, index + 1, low, lowLength) <= 0) return 0;
  if (!isFirst && highLength > 0 && compareAt(page, index, high, highLength) >= 0) return 0;
  const whole = isLowerInside(page, index, lowerInside) && isUpperInside(page, index, upperInside);
  return whole ? 2 : 1;
}

/** Looks whether both edges are resident, and counts the records inside; 0 for no page. */
function measureTree(root: u64): u64 {
  if (root == 0) return 0;
  return measure(rootPage(root, owner), lowLength == 0, highLength == 0);
}

function measure(page: usize, lowerInside: bool, upperInside: bool): u64 {
  if (page == 0) {
    result = failure;
    return 0;
  }
  if (lowerInside && upperInside) return recordsBelow(page);
  if (levelOf(page) == 0) {
    const from = firstInside(page);
    const to = firstBeyond(page);
    return to > from ? to - from : 0;
  }
  let sum: u64 = 0;
  const count = countOf(page);
  for (let index: u32 = 0; index < count && result == 0; index++) {
    const cover = coverage(page, index, lowerInside, upperInside);
    if (cover == 2) sum += childCountAt(page, index);
    else if (cover == 1) {
      sum += measure(
        treePage(childAt(page, index), owner, levelOf(page) - 1),
        isLowerInside(page, index, lowerInside),
        isUpperInside(page, index, upperInside),
      );
    }
  }
  return sum;
}

/** Counts the records with low <= key < high into STATUS. 0 or a negative code. */
export function countRange(
  tree: usize,
  at: u64,
  from: usize,
  fromLength: u32,
  to: usize,
  toLength: u32,
): i32 {
  begin(tree, from, fromLength, to, toLength);
  const sum = measureTree(rootAt(tree, at));
  store<f64>(STATUS, <f64>sum, STATUS_COUNT);
  return result;
}

/** Deletes the records with low <= key < high; their number goes to STATUS. */
export function removeRange(
  tree: usize,
  from: usize,
  fromLength: u32,
  to: usize,
  toLength: u32,
): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  begin(tree, from, fromLength, to, toLength);
  const root = rootOf(tree);
  const sum = measureTree(root);
  store<f64>(STATUS, <f64>sum, STATUS_COUNT);
  if (result < 0 || sum == 0) return result;
  const left = cut(tree, root, fromLength == 0, toLength == 0);
  if (left != root) setRoot(tree, left);
  addRecords(tree, -(<i64>sum));
  collapseRoot(tree);
  return 0;
}

/**
 * Cuts the range out of a subtree; the id of what is left of it, 0 for nothing. The children that
 * overlap the range stand in a row, and only the first and the last of them can do so in part.
 */
function cut(tree: usize, id: u64, lowerInside: bool, upperInside: bool): u64 {
  const found = findPage(id);
  if (lowerInside && upperInside) {
    detach(tree, id, levelOf(found));
    return 0;
  }
  const page = writable(found);
  if (levelOf(page) == 0) return cutLeaf(tree, page);
  const count = countOf(page);
  let first: u32 = 0;
  while (first < count && coverage(page, first, lowerInside, upperInside) == 0) first++;
  let last = count - 1;
  while (last > first && coverage(page, last, lowerInside, upperInside) == 0) last--;
  if (first < count) {
    // Decided before the page changes: the row's neighbours tell where the children end.
    const firstLower = isLowerInside(page, first, lowerInside);
    const firstUpper = first < last || isUpperInside(page, first, upperInside);
    const lastUpper = isUpperInside(page, last, upperInside);
    if (last > first) cutChild(tree, page, last, true, lastUpper);
    for (let index = last; index > first + 1; index--) cutChild(tree, page, index - 1, true, true);
    cutChild(tree, page, first, firstLower, firstUpper);
  }
  if (countOf(page) > 0) return idOf(page);
  dropPage(idOf(page));
  return 0;
}

function cutChild(tree: usize, page: usize, index: u32, lower: bool, upper: bool): void {
  const child = childAt(page, index);
  let left: u64 = 0;
  if (lower && upper) detach(tree, child, levelOf(page) - 1);
  else left = cut(tree, child, lower, upper);
  if (left == 0) {
    removeAt(page, index);
    return;
  }
  setChildAt(page, index, left);
  setChildCountAt(page, index, recordsBelow(findPage(left)));
}

/** True if no key below `low` can stand in the child. */
function isLowerInside(page: usize, index: u32, lowerInside: bool): bool {
  return index == 0 ? lowerInside : compareAt(page, index, low, lowLength) >= 0;
}
/** True if every key of the child is below `high`. */
function isUpperInside(page: usize, index: u32, upperInside: bool): bool {
  if (index + 1 == countOf(page)) return upperInside;
  return highLength == 0 || compareAt(page, index + 1, high, highLength) <= 0;
}

function cutLeaf(tree: usize, leaf: usize): u64 {
  const from = <i32>firstInside(leaf);
  for (let index = <i32>firstBeyond(leaf) - 1; index >= from; index--) {
    releaseTail(tree, tailAt(leaf, index));
    removeAt(leaf, index);
  }
  if (countOf(leaf) > 0) return idOf(leaf);
  dropPage(idOf(leaf));
  return 0;
}
