/**
 * Ordered trees: rows of a range, in columns.
 *
 * A scan keeps no cursor: every batch descends from the root of its epoch to where the last one
 * ended. Pages may be evicted between batches, and a batch costs one descent more than it must.
 */
import { PAGE_MISS } from "../errors";
import { OUTPUT } from "../memory";
import { copyBytes } from "../page/bytes";
import { idOf } from "../page/frame";
import { countOf, levelOf } from "../page/header";
import { REASON_BOUNDS, corrupt } from "../page/image";
import {
  KEYS,
  ROWS_MAX,
  ROW_SKIPPED,
  SCAN_AFTER_LOW,
  SCAN_KEYS,
  SCAN_PROGRAM,
  SCAN_REVERSE,
  SCAN_THROUGH_HIGH,
  VALUES,
  beginRows,
  endRows,
  isExpired,
  keyRoom,
  pushMarker,
  pushRow,
  rows,
} from "../page/rows";
import {
  compareAt,
  copyKey,
  keyLengthAt,
  search,
  tailAt,
  touchCells,
  touchSlots,
} from "../page/slotted";
import {
  PASS,
  RESULT_BYTES,
  beginFolds,
  fold as foldRow,
  folds,
  isFull,
  judge,
  results,
  rowAt,
} from "../tables/program";
import { rootAt, treeId } from "../tree/tree";
import { childAt, childIndex, failure, rootPage, treePage } from "./path";

const branches: usize = memory.data(16 * 4, 16);
const indexes: usize = memory.data(16 * 4, 16);
const lastKey: usize = memory.data(2048, 16);
let height: u32 = 0;
let leaf: usize = 0;
let owner: u32 = 0;
/** Rows that a program has judged since the batch began. */
let judged: u32 = 0;
/** After so many of them a batch ends, so that others get a turn. */
const JUDGED_MAX: u32 = 65_536;

function stackPage(level: u32): usize {
  return load<u32>(branches + ((<usize>level) << 2));
}
function stackIndex(level: u32): u32 {
  return load<u32>(indexes + ((<usize>level) << 2));
}
function push(page: usize, index: u32): void {
  store<u32>(branches + ((<usize>height) << 2), page);
  store<u32>(indexes + ((<usize>height) << 2), index);
  height++;
}

/** Which child to enter on the way down. */
const TO_KEY: u32 = 0;
const TO_FIRST: u32 = 1;
const TO_LAST: u32 = 2;

/** Descends from `page` to a leaf, pushing branches. 0, PAGE_MISS or CORRUPT. */
function enter(page: usize, where: u32, key: usize, keyLength: u32): i32 {
  if (page == 0) return failure;
  for (let level = levelOf(page); level > 0; level--) {
    const index =
      where == TO_KEY
        ? childIndex(page, key, keyLength)
        : where == TO_FIRST
          ? 0
          : countOf(page) - 1;
    push(page, index);
    page = treePage(childAt(page, index), owner, level - 1);
    if (page == 0) return failure;
  }
  leaf = page;
  touchSlots(page);
  return 0;
}

/** Moves to the neighbouring leaf: 1 moved, 0 there is none, or a negative code. */
function step(reverse: bool): i32 {
  while (height > 0) {
    const page = stackPage(height - 1);
    const index = stackIndex(height - 1);
    const canMove = reverse ? index > 0 : index + 1 < countOf(page);
    if (canMove) {
      const next = reverse ? index - 1 : index + 1;
      store<u32>(indexes + ((<usize>(height - 1)) << 2), next);
      const child = treePage(childAt(page, next), owner, levelOf(page) - 1);
      const entered = enter(child, reverse ? TO_LAST : TO_FIRST, 0, 0);
      return entered < 0 ? entered : 1;
    }
    height--;
  }
  return 0;
}

/**
 * True if the leaf lies wholly beyond the one before it, whose last key is in `lastKey`. Batches go
 * on behind the last key that they came to, so a scan that met damage could otherwise run in a
 * circle.
 */
function isBeyond(reverse: bool, lastLength: u32): bool {
  const order = compareAt(leaf, reverse ? countOf(leaf) - 1 : 0, lastKey, lastLength);
  return reverse ? order < 0 : order > 0;
}

/** First index of the leaf with key >= `key`, or > `key`. */
function lowerBound(key: usize, keyLength: u32, after: bool): u32 {
  const found = search(leaf, key, keyLength);
  return <u32>(found < 0 ? ~found : after ? found + 1 : found);
}

/**
 * Rows between low and high, from the low end or (SCAN_REVERSE) from the high end. Lengths of -1
 * mean no bound. Returns the rows in OUTPUT; STATUS_MORE tells whether the range may hold more.
 */
export function scan(
  tree: usize,
  at: u64,
  flags: u32,
  low: usize,
  lowLength: i32,
  high: usize,
  highLength: i32,
  now: f64,
  limit: u32,
): i32 {
  beginRows();
  const root = rootAt(tree, at);
  if (root == 0) return endRows(false);
  const reverse = (flags & SCAN_REVERSE) != 0;
  const start = reverse ? high : low;
  const startLength = reverse ? highLength : lowLength;
  height = 0;
  owner = treeId(tree);
  const where = startLength >= 0 ? TO_KEY : reverse ? TO_LAST : TO_FIRST;
  let moved = enter(rootPage(root, owner), where, start, <u32>startLength);
  if (moved < 0) return moved;
  const most = min(limit, ROWS_MAX);
  const afterLow = (flags & SCAN_AFTER_LOW) != 0;
  const throughHigh = (flags & SCAN_THROUGH_HIGH) != 0;
  let hops: u32 = 0;
  let started = false;
  judged = 0;
  while (true) {
    const count = countOf(leaf);
    const from: u32 =
      lowLength >= 0 && !(started && !reverse) ? lowerBound(low, lowLength, afterLow) : 0;
    const to: u32 =
      highLength >= 0 && !(started && reverse) ? lowerBound(high, highLength, throughHigh) : count;
    // Leaves follow each other in order, so none behind this one can hold the bound it began at.
    if (reverse ? to > 0 : from < count) started = true;
    if (from < to) {
      touchCells(leaf, from, to, reverse, most - rows);
      if (!emit(from, to, reverse, flags, now, most)) return endRows(true);
    }
    // The leaf holds a key beyond the range: nothing further can be inside.
    if (reverse ? from > 0 : to < count) return endRows(false);
    const lastLength = copyKey(leaf, reverse ? 0 : count - 1, lastKey);
    moved = step(reverse);
    if (moved > 0 && !isBeyond(reverse, lastLength)) {
      moved = corrupt(idOf(leaf), REASON_BOUNDS);
    }
    const isLong = moved > 0 && judged >= JUDGED_MAX;
    if (rows == 0 && started && ((moved == PAGE_MISS && hops > 0) || isLong)) {
      // Nothing but unwanted records so far: say how far, or the next try would begin again.
      copyBytes(OUTPUT + KEYS, lastKey, lastLength);
      pushMarker(ROW_SKIPPED, lastLength);
    }
    if (moved < 0) return rows > 0 && moved == PAGE_MISS ? endRows(true) : moved;
    hops++;
    if (moved == 0) return endRows(false);
    if (rows == most || isLong) return endRows(true);
  }
}

/** Writes rows [from, to) of the leaf. False when the limit or the columns are full. */
function emit(from: u32, to: u32, reverse: bool, flags: u32, now: f64, most: u32): bool {
  let left = to - from;
  let index = reverse ? to - 1 : from;
  while (left-- > 0) {
    if (rows == most) return false;
    const tail = tailAt(leaf, index);
    if (!isExpired(tail, now) && (!(flags & SCAN_PROGRAM) || mayPass(tail))) {
      let length: u32 = 0;
      if (flags & SCAN_KEYS) {
        length = keyLengthAt(leaf, index);
        const room = keyRoom(length);
        if (room == 0) return false;
        copyKey(leaf, index, room);
      }
      if (!pushRow(length, tail, flags)) return false;
    }
    index = reverse ? index - 1 : index + 1;
  }
  return true;
}

function mayPass(tail: usize): bool {
  judged++;
  const row = rowAt(tail);
  return row == 0 || judge(row) == PASS;
}

/** What `fold` answers when a row is not of the program's layout: the host must read the rows. */
const FOLD_UNDECIDED: i32 = 2;
/** There is more behind the key in the key column. */
const FOLD_MORE: i32 = 1;

/**
 * Gathers what the program's folds want of the rows between low and high that pass, into OUTPUT
 * behind the columns of keys, or their columns (tables/gather.ts). 0 at the end, FOLD_MORE,
 * FOLD_UNDECIDED, or a negative code.
 */
export function fold(
  tree: usize,
  at: u64,
  flags: u32,
  low: usize,
  lowLength: i32,
  high: usize,
  highLength: i32,
): i32 {
  beginRows();
  beginFolds();
  const root = rootAt(tree, at);
  if (root == 0) return endFold(0);
  height = 0;
  owner = treeId(tree);
  const where = lowLength >= 0 ? TO_KEY : TO_FIRST;
  let moved = enter(rootPage(root, owner), where, low, <u32>lowLength);
  if (moved < 0) return moved;
  const afterLow = (flags & SCAN_AFTER_LOW) != 0;
  const throughHigh = (flags & SCAN_THROUGH_HIGH) != 0;
  let started = false;
  judged = 0;
  while (true) {
    const count = countOf(leaf);
    const from: u32 = lowLength >= 0 && !started ? lowerBound(low, lowLength, afterLow) : 0;
    const to: u32 = highLength >= 0 ? lowerBound(high, highLength, throughHigh) : count;
    if (from < count) started = true;
    if (from < to && !foldLeaf(from, to)) return FOLD_UNDECIDED;
    if (to < count) return endFold(0);
    const lastLength = copyKey(leaf, count - 1, lastKey);
    moved = step(false);
    if (moved > 0 && !isBeyond(false, lastLength)) moved = corrupt(idOf(leaf), REASON_BOUNDS);
    if (moved == 0) return endFold(0);
    if (moved < 0 && (moved != PAGE_MISS || judged == 0)) return moved;
    if (moved > 0 && judged < JUDGED_MAX && !isFull()) continue;
    copyBytes(OUTPUT + KEYS, lastKey, lastLength);
    pushMarker(ROW_SKIPPED, lastLength);
    return endFold(FOLD_MORE);
  }
}

/** False when a row cannot be judged. */
function foldLeaf(from: u32, to: u32): bool {
  touchCells(leaf, from, to, false, to - from);
  for (let index = from; index < to; index++) {
    const row = rowAt(tailAt(leaf, index));
    if (row == 0) return false;
    if (judge(row) == PASS) foldRow(row);
  }
  judged += to - from;
  return true;
}

function endFold(result: i32): i32 {
  endRows(result == FOLD_MORE);
  copyBytes(OUTPUT + VALUES, results, 8 + folds * RESULT_BYTES);
  return result;
}
