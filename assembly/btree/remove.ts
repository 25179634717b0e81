/**
 * Ordered trees: deletion. An empty leaf leaves its tree at once; a nearly empty one is merged with
 * a neighbour under the same parent, if that one happens to be resident and both fit into one page.
 */
import { NEED_FRAMES, NOT_FOUND } from "../errors";
import { PAGE_BODY_BYTES } from "../memory";
import { commonBytes } from "../page/bytes";
import { dropPage, writable } from "../page/epoch";
import { RESERVE, freeCount, idOf } from "../page/frame";
import { HEADER_BYTES, countOf, prefixLengthOf } from "../page/header";
import {
  SLOT_BYTES,
  appendRange,
  begin,
  compareAt,
  copyKey,
  freeBytesOf,
  removeAt,
  search,
  suffixLengthAt,
  tailAt,
  tailBytesAt,
} from "../page/slotted";
import { addRecords, rootOf, treeId } from "../tree/tree";
import {
  childAt,
  childCountAt,
  collapseRoot,
  depth,
  descend,
  indexOnPath,
  makePathWritable,
  pageOnPath,
  removeChild,
  setChildAt,
  setChildCountAt,
  treePage,
} from "./path";
import { releaseTail } from "./put";

/** A leaf with less than a quarter of its room in use looks for a neighbour. */
const SPARSE_FREE_BYTES: u32 = 3036;
/** A merged leaf keeps a tenth of its room, so that the next insertion does not split it again. */
const MERGED_BYTES_MAX: u32 = 3672;

const scratch: usize = memory.data(4096, 16);
const firstKey: usize = memory.data(2048, 16);
const lastKey: usize = memory.data(2048, 16);

/** Deletes a record: 1, NOT_FOUND, or another negative code; nothing is done unless 1. */
export function remove(tree: usize, key: usize, keyLength: u32): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  const root = rootOf(tree);
  if (root == 0) return NOT_FOUND;
  const found = descend(tree, root, key, keyLength);
  if (found < 0) return found;
  const index = search(pageOnPath(depth), key, keyLength);
  if (index < 0) return NOT_FOUND;
  makePathWritable(tree, -1);
  const leaf = pageOnPath(depth);
  releaseTail(tree, tailAt(leaf, index));
  removeAt(leaf, index);
  addRecords(tree, -1);
  if (countOf(leaf) == 0) {
    dropPage(idOf(leaf));
    removeChild(tree, depth);
  } else if (depth > 0 && freeBytesOf(leaf) > SPARSE_FREE_BYTES) {
    const parent = pageOnPath(depth - 1);
    const at = indexOnPath(depth - 1);
    if (!tryMerge(tree, parent, at) && at > 0) tryMerge(tree, parent, at - 1);
  }
  return 1;
}

/** Merges leaf `at` and its right neighbour, if that is resident and they fit into one page. */
function tryMerge(tree: usize, parent: usize, at: u32): bool {
  if (at + 1 >= countOf(parent)) return false;
  const left = treePage(childAt(parent, at), treeId(tree), 0);
  const right = treePage(childAt(parent, at + 1), treeId(tree), 0);
  if (left == 0 || right == 0) return false;
  // Keys out of order come from a damaged branch, and must not get into one page.
  const last = copyKey(left, countOf(left) - 1, lastKey);
  if (compareAt(right, 0, lastKey, last) <= 0) return false;
  const prefix = sharedPrefix(left, right);
  const bytes = entryBytes(left, prefix) + entryBytes(right, prefix) + HEADER_BYTES + prefix;
  if (bytes > MERGED_BYTES_MAX) return false;
  begin(scratch, left, prefix, firstKey);
  appendRange(scratch, left, 0, countOf(left));
  appendRange(scratch, right, 0, countOf(right));
  const target = writable(left);
  memory.copy(target, scratch, PAGE_BODY_BYTES);
  setChildAt(parent, at, idOf(target));
  setChildCountAt(parent, at, childCountAt(parent, at) + childCountAt(parent, at + 1));
  dropPage(childAt(parent, at + 1));
  removeAt(parent, at + 1);
  collapseRoot(tree);
  return true;
}

/** The prefix of a page with the entries of both; the key goes to `firstKey`. */
function sharedPrefix(left: usize, right: usize): u32 {
  const first = copyKey(left, 0, firstKey);
  const last = copyKey(right, countOf(right) - 1, lastKey);
  return commonBytes(firstKey, first, lastKey, last);
}

/** Bytes of all entries of a page under another prefix. */
function entryBytes(page: usize, prefix: u32): u32 {
  const count = countOf(page);
  let bytes: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    bytes += suffixLengthAt(page, index) + tailBytesAt(page, index);
  }
  return bytes + count * (SLOT_BYTES + prefixLengthOf(page) - prefix);
}
