/**
 * Walks an ordered tree and checks everything that its readers rely on: level, owner, key order
 * within and between pages, record counts, overflow runs, and which blob every page lies in.
 *
 * The walk keeps its place between calls, so that the host can load what is missing and go on. The
 * path above the current page must be resident with it: at most 16 pages.
 */
import { STATUS, STATUS_COUNT } from "../memory";
import { compareBytes } from "../page/bytes";
import {
  KIND_BRANCH,
  KIND_LEAF,
  KIND_OVERFLOW,
  countOf,
  hashOf,
  kindOf,
  levelOf,
  loadId,
  treeOf,
} from "../page/header";
import {
  REASON_BOUNDS,
  REASON_COUNT,
  REASON_KIND,
  REASON_LEVEL,
  REASON_ORDER,
  REASON_OVERFLOW,
  REASON_TREE,
  corrupt,
} from "../page/image";
import { seePage } from "../page/slot";
import { RECORD_EXPIRES, RECORD_OVERFLOW, compareAt, copyKey, tailAt } from "../page/slotted";
import { findPage } from "../page/table";
import { recordsAt, rootAt, treeId } from "../tree/tree";
import { DEPTH_MAX, childAt, childCountAt, miss } from "./path";
import { recordsBelow } from "./put";

/**
 * Per level: u64 page id, then the entry that comes next; NOT_ENTERED before the page was checked.
 */
const stack: usize = memory.data(16 * 16, 16);
const NOT_ENTERED: u32 = 0xffff_ffff;
let height: u32 = 0;
let owner: u32 = 0;
let records: u64 = 0;
let expected: u64 = 0;

const keyScratch: usize = memory.data(2048, 16);
const otherScratch: usize = memory.data(2048, 16);

function idAt(level: u32): u64 {
  return load<u64>(stack + ((<usize>level) << 4));
}
function indexAt(level: u32): u32 {
  return load<u32>(stack + ((<usize>level) << 4), 8);
}
function setIndex(level: u32, index: u32): void {
  store<u32>(stack + ((<usize>level) << 4), index, 8);
}
function push(id: u64): void {
  store<u64>(stack + ((<usize>height) << 4), id);
  setIndex(height, NOT_ENTERED);
  height++;
}

/** Begins a walk over the tree as `at` saw it. */
export function checkBegin(tree: usize, at: u64): void {
  const root = rootAt(tree, at);
  owner = treeId(tree);
  records = 0;
  expected = recordsAt(tree, at);
  height = 0;
  extentProgress = 0;
  if (root != 0) push(root);
}

/** Goes on for up to `pages` pages: 1 when there is more, 0 at the end, or a negative code. */
export function checkNext(pages: u32): i32 {
  let left = pages;
  while (height > 0) {
    if (left == 0) return 1;
    const top = height - 1;
    const id = idAt(top);
    const page = findPage(id);
    if (page == 0) return miss(id);
    let index = indexAt(top);
    if (index == NOT_ENTERED) {
      const found = checkPage(page, id);
      if (found < 0) return found;
      seePage(id);
      index = 0;
      setIndex(top, 0);
      left--;
    }
    if (index == countOf(page)) {
      height--;
      continue;
    }
    if (levelOf(page) == 0) {
      const found = checkRecord(page, id, index);
      if (found < 0) return found;
      records++;
      setIndex(top, index + 1);
    } else {
      if (height == DEPTH_MAX) return corrupt(id, REASON_LEVEL);
      setIndex(top, index + 1);
      push(childAt(page, index));
    }
  }
  store<f64>(STATUS, <f64>records, STATUS_COUNT);
  return records == expected ? 0 : corrupt(0, REASON_COUNT);
}

/** Checks one page against itself and against the branches above it. */
function checkPage(page: usize, id: u64): i32 {
  const level = levelOf(page);
  if (kindOf(page) != (level == 0 ? KIND_LEAF : KIND_BRANCH)) return corrupt(id, REASON_KIND);
  if (treeOf(page) != owner) return corrupt(id, REASON_TREE);
  const count = countOf(page);
  let length = copyKey(page, 0, keyScratch);
  const bounds = checkBounds(id, keyScratch, length, true);
  if (bounds < 0) return bounds;
  for (let index: u32 = 1; index < count; index++) {
    const other = copyKey(page, index, otherScratch);
    if (compareBytes(keyScratch, length, otherScratch, other) >= 0)
      return corrupt(id, REASON_ORDER);
    memory.copy(keyScratch, otherScratch, other);
    length = other;
  }
  return checkBounds(id, keyScratch, length, false);
}

/** Compares the first (or last) key of the top page with the separators around it. */
function checkBounds(id: u64, key: usize, length: u32, first: bool): i32 {
  if (height < 2) return 0;
  const page = findPage(id);
  const parent = findPage(idAt(height - 2));
  if (parent == 0) return miss(idAt(height - 2));
  if (levelOf(parent) != levelOf(page) + 1) return corrupt(id, REASON_LEVEL);
  const own = indexAt(height - 2) - 1;
  if (childCountAt(parent, own) != recordsBelow(page)) return corrupt(id, REASON_COUNT);
  for (let level: i32 = <i32>height - 2; level >= 0; level--) {
    const above = findPage(idAt(level));
    if (above == 0) return miss(idAt(level));
    const index = indexAt(level) - 1;
    if (first ? index > 0 : index + 1 < countOf(above)) {
      const order = compareAt(above, first ? index : index + 1, key, length);
      const fits = first ? order <= 0 : order > 0;
      return fits ? 0 : corrupt(id, REASON_BOUNDS);
    }
  }
  return 0;
}

/** Checks the overflow pages of a record, if it has any. */
function checkRecord(page: usize, id: u64, index: u32): i32 {
  const tail = tailAt(page, index);
  const flags: u32 = load<u8>(tail);
  if (!(flags & RECORD_OVERFLOW)) return 0;
  const at = tail + 7 + (flags & RECORD_EXPIRES ? 6 : 0);
  const bytes: u32 = load<u16>(at);
  return checkExtents(at + 2, bytes, id);
}

/** Pages of the record's extents that have been seen already; a value may outgrow the budget. */
let extentProgress: u32 = 0;

export function checkExtents(descriptor: usize, bytes: u32, id: u64): i32 {
  if (bytes < 12 || (bytes - 4) % 8 != 0) return corrupt(id, REASON_OVERFLOW);
  const head = loadId(descriptor + 4);
  let position: u32 = 0;
  for (let offset: u32 = 4; offset < bytes; offset += 8) {
    const first = loadId(descriptor + offset);
    const count: u32 = load<u16>(descriptor + offset, 6);
    for (let index: u32 = 0; index < count; index++, position++) {
      if (position < extentProgress) continue;
      const page = findPage(first + index);
      if (page == 0) return miss(first + index);
      if (kindOf(page) != KIND_OVERFLOW || treeOf(page) != owner || hashOf(page) != head) {
        return corrupt(first + index, REASON_OVERFLOW);
      }
      seePage(first + index);
      extentProgress = position + 1;
    }
  }
  extentProgress = 0;
  return 0;
}

export function setCheckOwner(tree: u32): void {
  owner = tree;
}
