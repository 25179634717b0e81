/**
 * Ordered trees: many look-ups at once. A single one is a chain of cache misses, one per level and
 * a few more in the leaf. Here a group of keys goes down level by level, and each step first
 * touches what the next one reads for all of them, so that the misses of a group overlap.
 */
import { levelOf } from "../page/header";
import {
  GROUP,
  KEYS_OF_MANY,
  ROWS_MAX,
  ROW_ABSENT,
  beginRows,
  endRows,
  isExpired,
  pushMarker,
  pushRow,
} from "../page/rows";
import { search, tailAt, touchSlots } from "../page/slotted";
import { touchEntry } from "../page/table";
import { rootAt, treeId } from "../tree/tree";
import { childAt, childIndex, failure, rootPage, treePage } from "./path";

/** Per key of the group: where it stands, its length, the page it has come to, at last its tail. */
const keys: usize = memory.data(32 * 4, 16);
const lengths: usize = memory.data(32 * 4, 16);
const places: usize = memory.data(32 * 4, 16);
const children: usize = memory.data(32 * 8, 16);
/** Where touched bytes go, so that the loads are not left out. */
let touched: u32 = 0;

/** Looks up `count` keys; see getMany in assembly/index.ts. */
export function getMany(
  tree: usize,
  at: u64,
  input: usize,
  count: u32,
  now: f64,
  columns: u32,
): i32 {
  const root = rootAt(tree, at);
  const most = min(count, ROWS_MAX);
  let key = input + KEYS_OF_MANY;
  beginRows();
  for (let from: u32 = 0; from < most; from += GROUP) {
    const wanted = min(GROUP, most - from);
    for (let index: u32 = 0; index < wanted; index++) {
      const keyLength: u32 = load<u16>(input + ((<usize>(from + index)) << 1));
      setKey(index, key, keyLength);
      key += keyLength;
    }
    const found = root == 0 ? absent(wanted) : locate(root, treeId(tree), wanted);
    if (found == 0) return from > 0 ? endRows(true) : failure;
    for (let index: u32 = 0; index < found; index++) {
      const tail = load<u32>(places + ((<usize>index) << 2));
      if (tail == 0 || isExpired(tail, now)) pushMarker(ROW_ABSENT, 0);
      else if (!pushRow(0, tail, columns)) return endRows(true);
    }
    if (found < wanted) return endRows(true);
  }
  return endRows(most < count);
}

/** Makes a key the one at `index` of the group. */
export function setKey(index: u32, key: usize, keyLength: u32): void {
  store<u32>(keys + ((<usize>index) << 2), key);
  store<u32>(lengths + ((<usize>index) << 2), keyLength);
}

function absent(count: u32): u32 {
  memory.fill(places, 0, (<usize>count) << 2);
  return count;
}

/**
 * Finds the tails of the first keys of the group, 0 where there is none: for how many. Fewer than
 * `count` when a page is missing or damaged, and `failure` tells which of the two.
 */
function locate(root: u64, owner: u32, count: u32): u32 {
  const left = toLeaves(root, owner, count);
  for (let index: u32 = 0; index < left; index++) {
    const place = places + ((<usize>index) << 2);
    const leaf = load<u32>(place);
    const at = search(leaf, load<u32>(keys + ((<usize>index) << 2)), lengthAt(index));
    const tail: usize = at < 0 ? 0 : tailAt(leaf, at);
    if (tail != 0) touched = load<u8>(tail) | load<u8>(tail, 64);
    store<u32>(place, tail);
  }
  return left;
}

function lengthAt(index: u32): u32 {
  return load<u32>(lengths + ((<usize>index) << 2));
}

/** Takes the keys of the group from the root to their leaves; how many could go there. */
export function toLeaves(root: u64, owner: u32, count: u32): u32 {
  const page = rootPage(root, owner);
  if (page == 0) return 0;
  for (let index: u32 = 0; index < count; index++) store<u32>(places + ((<usize>index) << 2), page);
  let left = count;
  for (let level = levelOf(page); level > 0 && left > 0; level--) left = step(owner, level, left);
  return left;
}

/** Takes `count` keys from `level` to the one below; how many could go there. */
function step(owner: u32, level: u32, count: u32): u32 {
  for (let index: u32 = 0; index < count; index++) {
    const page = load<u32>(places + ((<usize>index) << 2));
    const key = load<u32>(keys + ((<usize>index) << 2));
    const child = childAt(page, childIndex(page, key, lengthAt(index)));
    store<u64>(children + ((<usize>index) << 3), child);
    touched = touchEntry(child);
  }
  for (let index: u32 = 0; index < count; index++) {
    const page = treePage(load<u64>(children + ((<usize>index) << 3)), owner, level - 1);
    if (page == 0) return index;
    store<u32>(places + ((<usize>index) << 2), page);
    if (level == 1) touchSlots(page);
  }
  return count;
}
