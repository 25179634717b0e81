/**
 * Hashed trees: many look-ups at once. A single one is a chain of cache misses: where the bucket
 * is, its tags, its record. Here a group of keys goes down together, and each step first touches
 * what the next one reads for all of them, so that the misses of a group overlap.
 */
import { miss } from "../btree/path";
import { KIND_DIRECTORY, depthOf } from "../page/header";
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
import { findPage, touchEntry } from "../page/table";
import { rootAt, rootOf, treeId } from "../tree/tree";
import { bucketTailAt, tagOf, touchBucket, touchRecord } from "./bucket";
import { entryAt, entryIndex, touchEntryAt } from "./directory";
import { hashBytes } from "./hash";
import { ABOVE_ROOT, chainPage, findKey, foundIndex, foundPage, kindFor, startChain } from "./path";

/**
 * Per key of the group 32 bytes: u64 hash, u64 id of the page it goes to next (0 at the end of its
 * way), u32 address of the page it has come to (0 when there is none for it) and at last of its
 * tail, i32 depth of the directory above that, u32 address of the key, u32 length of the key.
 */
const items: usize = memory.data(32 * 32, 16);
const NEXT: usize = 8;
const PAGE: usize = 16;
const ABOVE: usize = 20;
const KEY: usize = 24;
const LENGTH: usize = 28;

/** Why fewer keys than wanted were located. */
let failure: i32 = 0;
/** Where touched bytes go, so that the loads are not left out. */
let touched: u32 = 0;

function itemAt(index: u32): usize {
  return items + ((<usize>index) << 5);
}

/** Looks up `count` keys; see getMany in assembly/index.ts. */
export function hashGetMany(
  tree: usize,
  at: u64,
  input: usize,
  count: u32,
  now: f64,
  columns: u32,
): i32 {
  const root = rootAt(tree, at);
  const owner = treeId(tree);
  const most = min(count, ROWS_MAX);
  let key = input + KEYS_OF_MANY;
  beginRows();
  for (let from: u32 = 0; from < most; from += GROUP) {
    const wanted = min(GROUP, most - from);
    for (let index: u32 = 0; index < wanted; index++) {
      const keyLength: u32 = load<u16>(input + ((<usize>(from + index)) << 1));
      setKey(itemAt(index), root, key, keyLength);
      key += keyLength;
    }
    const found = locate(owner, wanted);
    if (found == 0) return from > 0 ? endRows(true) : failure;
    for (let index: u32 = 0; index < found; index++) {
      const tail = load<u32>(itemAt(index), PAGE);
      if (tail == 0 || isExpired(tail, now)) pushMarker(ROW_ABSENT, 0);
      else if (!pushRow(0, tail, columns)) return endRows(true);
    }
    if (found < wanted) return endRows(true);
  }
  return endRows(most < count);
}

function setKey(item: usize, root: u64, key: usize, keyLength: u32): void {
  store<u64>(item, hashBytes(key, keyLength));
  store<u64>(item, root, NEXT);
  store<u32>(item, 0, PAGE);
  store<i32>(item, ABOVE_ROOT, ABOVE);
  store<u32>(item, key, KEY);
  store<u32>(item, keyLength, LENGTH);
}

/**
 * Finds the tails of the first keys of the group, 0 where there is none: for how many. Fewer than
 * `count` when a page is missing or damaged, and `failure` tells which of the two.
 */
function locate(owner: u32, count: u32): u32 {
  const left = toBuckets(owner, count);
  for (let index: u32 = 0; index < left; index++) {
    if (!findTail(itemAt(index))) return index;
  }
  return left;
}

/** Takes the keys of the group to their buckets; how many could go there. */
function toBuckets(owner: u32, count: u32): u32 {
  let left = count;
  let onTheirWay = true;
  while (onTheirWay && left > 0) {
    for (let index: u32 = 0; index < left; index++) {
      touched = touchEntry(load<u64>(itemAt(index), NEXT));
    }
    left = enterPages(owner, left);
    onTheirWay = false;
    for (let index: u32 = 0; index < left; index++) {
      if (leavePage(itemAt(index))) onTheirWay = true;
    }
  }
  for (let index: u32 = 0; index < left; index++) {
    const page = load<u32>(itemAt(index), PAGE);
    if (page != 0) touchRecord(page, tagOf(load<u64>(itemAt(index))));
  }
  return left;
}

/** Begins to fetch the buckets that the first `count` keys set by `setBucketKey` belong to. */
export function touchBuckets(tree: usize, count: u32): void {
  toBuckets(treeId(tree), count);
}
/** Makes a key the one at `index` of the group that `touchBuckets` is about. */
export function setBucketKey(tree: usize, index: u32, key: usize, keyLength: u32): void {
  setKey(itemAt(index), rootOf(tree), key, keyLength);
}

/** Takes keys to the pages they go to next; how many could go there. */
function enterPages(owner: u32, count: u32): u32 {
  for (let index: u32 = 0; index < count; index++) {
    const item = itemAt(index);
    const id = load<u64>(item, NEXT);
    if (id == 0) continue;
    const page = findPage(id);
    const hash = load<u64>(item);
    if (page == 0) failure = miss(id);
    else failure = kindFor(page, id, owner, hash, load<i32>(item, ABOVE));
    if (failure < 0) return index;
    store<u32>(item, page, PAGE);
    if (failure == KIND_DIRECTORY) {
      const depth = depthOf(page);
      store<i32>(item, <i32>depth, ABOVE);
      touchEntryAt(page, entryIndex(hash, depth));
    } else {
      store<u64>(item, 0, NEXT);
      touchBucket(page);
    }
  }
  return count;
}

/** Reads where a key goes next. False when it is at its bucket, or there is none. */
function leavePage(item: usize): bool {
  if (load<u64>(item, NEXT) == 0) return false;
  const next = entryAt(load<u32>(item, PAGE), entryIndex(load<u64>(item), load<i32>(item, ABOVE)));
  store<u64>(item, next, NEXT);
  if (next == 0) store<u32>(item, 0, PAGE);
  return next != 0;
}

/** Finds the record in its bucket, or the chain behind that. False when a page is missing. */
function findTail(item: usize): bool {
  const page = load<u32>(item, PAGE);
  let tail: usize = 0;
  if (page != 0) {
    startChain(page);
    const found = findKey(load<u32>(item, KEY), load<u32>(item, LENGTH), load<u64>(item));
    if (found < 0) {
      failure = found;
      return false;
    }
    if (found > 0) {
      tail = bucketTailAt(chainPage(foundPage), foundIndex);
      touched = load<u8>(tail, 64);
    }
  }
  store<u32>(item, tail, PAGE);
  return true;
}
