/**
 * The way from a root to a leaf. Everything a change will touch is found first, without changing
 * anything; then the path is made writable, top down, which can neither miss nor fail.
 */
import { PAGE_MISS } from "../errors";
import { STATUS, STATUS_PAGE } from "../memory";
import { dropPage, writable } from "../page/epoch";
import { idOf } from "../page/frame";
import {
  countOf,
  levelOf,
  loadId,
  storeId,
  orderedSignature,
  signatureOf,
  treeOf,
} from "../page/header";
import { REASON_LEVEL, corrupt, REASON_TREE } from "../page/image";
import { removeAt, search, tailAt, touchSlots } from "../page/slotted";
import { findPage } from "../page/table";
import { rootOf, setRoot, treeId } from "../tree/tree";

/** More levels than 2^48 pages could need. */
export const DEPTH_MAX: u32 = 16;

/** What the last `treePage` that answered 0 has met: PAGE_MISS or CORRUPT. */
export let failure: i32 = 0;

/** Pages from the root (0) to the leaf (depth), and the child index taken in each branch. */
const pages: usize = memory.data(16 * 4, 16);
const indexes: usize = memory.data(16 * 4, 16);
export let depth: u32 = 0;

export function pageOnPath(level: u32): usize {
  return load<u32>(pages + ((<usize>level) << 2));
}
export function setPageOnPath(level: u32, page: usize): void {
  store<u32>(pages + ((<usize>level) << 2), page);
}
export function indexOnPath(level: u32): u32 {
  return load<u32>(indexes + ((<usize>level) << 2));
}
export function setIndexOnPath(level: u32, index: u32): void {
  store<u32>(indexes + ((<usize>level) << 2), index);
}

export function miss(id: u64): i32 {
  store<f64>(STATUS, <f64>id, STATUS_PAGE);
  return PAGE_MISS;
}

/**
 * The last descent met a branch whose first key is above the key. That happens where the first
 * child of a branch was removed: nobody covers its range then, and the next child is only borrowed.
 */
export let belowFirst: bool = false;

/** The child that covers `key`: the last whose key is not above it, else the first. */
export function childIndex(page: usize, key: usize, keyLength: u32): u32 {
  const found = search(page, key, keyLength);
  if (found >= 0) return <u32>found;
  const after = <u32>~found;
  if (after > 0) return after - 1;
  belowFirst = true;
  return 0;
}
export function childAt(page: usize, index: u32): u64 {
  return loadId(tailAt(page, index));
}
export function setChildAt(page: usize, index: u32, id: u64): void {
  storeId(tailAt(page, index), id);
}
/** Records below a child. */
export function childCountAt(page: usize, index: u32): u64 {
  return loadId(tailAt(page, index) + 6);
}
export function setChildCountAt(page: usize, index: u32, count: u64): void {
  storeId(tailAt(page, index) + 6, count);
}

/**
 * The page, if it is resident and one of tree `owner` at `level`; otherwise 0, and `failure` tells
 * why. A page of the right level and kind is safe to use, whatever else may be wrong with it.
 */
export function treePage(id: u64, owner: u32, level: u32): usize {
  const page = findPage(id);
  if (page == 0) failure = miss(id);
  else if (signatureOf(page) == orderedSignature(owner, level)) return page;
  else failure = corrupt(id, treeOf(page) == owner ? REASON_LEVEL : REASON_TREE);
  return 0;
}

/** The same for a root, which may be at any level. */
export function rootPage(id: u64, owner: u32): usize {
  const page = findPage(id);
  return treePage(id, owner, page == 0 ? 0 : levelOf(page));
}

/** Finds the leaf for `key` below page `root` of a tree. 0, PAGE_MISS or CORRUPT. */
export function descend(tree: usize, root: u64, key: usize, keyLength: u32): i32 {
  const owner = treeId(tree);
  depth = 0;
  belowFirst = false;
  let page = rootPage(root, owner);
  if (page == 0) return failure;
  for (let level = levelOf(page); level > 0; level--) {
    const index = childIndex(page, key, keyLength);
    setPageOnPath(depth, page);
    setIndexOnPath(depth++, index);
    page = treePage(childAt(page, index), owner, level - 1);
    if (page == 0) return failure;
  }
  setPageOnPath(depth, page);
  touchSlots(page);
  return 0;
}

/** Copies what other epochs may see, and adds `difference` to the record counts on the way. */
export function makePathWritable(tree: usize, difference: i64): void {
  for (let level: u32 = 0; level <= depth; level++) {
    const page = pageOnPath(level);
    const copy = writable(page);
    if (copy != page) {
      setPageOnPath(level, copy);
      if (level == 0) setRoot(tree, idOf(copy));
      else setChildAt(pageOnPath(level - 1), indexOnPath(level - 1), idOf(copy));
    }
    if (level < depth && difference != 0) {
      const index = indexOnPath(level);
      setChildCountAt(copy, index, childCountAt(copy, index) + difference);
    }
  }
}

/**
 * Removes the child that the path takes at `level - 1`, and every branch that becomes empty by it.
 * The page itself has been dropped by the caller; the path above is writable.
 */
export function removeChild(tree: usize, level: u32): void {
  let at = level;
  while (at > 0) {
    const parent = pageOnPath(at - 1);
    removeAt(parent, indexOnPath(at - 1));
    if (countOf(parent) > 0) break;
    dropPage(idOf(parent));
    at--;
  }
  if (at == 0) setRoot(tree, 0);
  else collapseRoot(tree);
}

/** While the root is a branch with one child, that child becomes the root. */
export function collapseRoot(tree: usize): void {
  while (true) {
    const id = rootOf(tree);
    if (id == 0) return;
    const page = findPage(id);
    if (page == 0 || levelOf(page) == 0 || countOf(page) > 1) return;
    setRoot(tree, childAt(page, 0));
    dropPage(id);
  }
}
