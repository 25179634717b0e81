/** Hashed trees: look-up and insertion. Contracts are those of btree/put.ts. */
import { readTail, releaseTail, writeTail } from "../btree/put";
import { NEED_FRAMES, NOT_FOUND, TABLE_FULL } from "../errors";
import { copyBytes } from "../page/bytes";
import { extentPages } from "../page/extent";
import { RESERVE, freeCount, idOf } from "../page/frame";
import { depthOf } from "../page/header";
import { RECORD_OVERFLOW, leafTailBytes } from "../page/slotted";
import { addOverflow, addRecords, rootAt, rootOf, treeId } from "../tree/tree";
import {
  DEPTH_MAX,
  bucketHasRoom,
  bucketHasRoomInstead,
  bucketInsert,
  bucketNext,
  bucketRemove,
  bucketTailAt,
  createBucket,
  setBucketNext,
  tagOf,
  touchBucket,
} from "./bucket";
import { hashBytes } from "./hash";
import {
  CHAIN_PAGES_MAX,
  chainLength,
  chainPage,
  clearPath,
  descend,
  descendChain,
  findKey,
  foundIndex,
  foundPage,
  height,
  lastDirectory,
  makeChainWritable,
  makePathWritable,
} from "./path";
import { DIRECTORY_BITS } from "./directory";
import { addRoot, refineDirectory, splitBucket, startBucket } from "./split";

const tailScratch: usize = memory.data(2048, 16);

/** Looks a key up as `at` saw it: flags of the record, NOT_FOUND, PAGE_MISS or CORRUPT. */
export function hashGet(tree: usize, at: u64, key: usize, keyLength: u32, now: f64): i32 {
  const root = rootAt(tree, at);
  if (root == 0) return NOT_FOUND;
  const found = lookUp(tree, root, key, keyLength, hashBytes(key, keyLength));
  if (found <= 0) return found == 0 ? NOT_FOUND : found;
  return readTail(bucketTailAt(chainPage(foundPage), foundIndex), now);
}

/** Finds a key below `root`: 1, 0 when it is not there, PAGE_MISS or CORRUPT. */
export function lookUp(tree: usize, root: u64, key: usize, keyLength: u32, hash: u64): i32 {
  const found = descend(tree, root, hash);
  if (found <= 0) return found;
  touchBucket(chainPage(0));
  return findKey(key, keyLength, hash);
}

/** Inserts or replaces a record: 0 inserted, 1 replaced, or a negative code with nothing done. */
export function hashPut(
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
  const hash = hashBytes(key, keyLength);
  clearPath();
  const found = root == 0 ? 0 : lookUp(tree, root, key, keyLength, hash);
  if (found < 0) return found;
  const tailBytes = writeTail(tailScratch, flags, seq, expiresAt, value, valueBytes);
  const place = found > 0 ? placeInstead(keyLength + tailBytes) : placeFor(keyLength + tailBytes);
  if (place < NOWHERE) return place;
  if (place < 0 && chainLength == CHAIN_PAGES_MAX) return TABLE_FULL;

  if (flags & RECORD_OVERFLOW) addOverflow(tree, <i64>extentPages(value, valueBytes));
  makePathWritable(tree);
  if (chainLength > 0) makeChainWritable(tree, max(max(place, found > 0 ? <i32>foundPage : 0), 0));
  if (found > 0) {
    const page = chainPage(foundPage);
    const tail = bucketTailAt(page, foundIndex);
    releaseTail(tree, tail);
    if (leafTailBytes(tail) == tailBytes) {
      copyBytes(tail, tailScratch, tailBytes);
      return 1;
    }
    bucketRemove(page, foundIndex);
  } else addRecords(tree, 1);
  if (place < 0) grow(tree, hash, key, keyLength, tailBytes);
  else bucketInsert(chainPage(place), tagOf(hash), key, keyLength, tailScratch, tailBytes);
  return found;
}

/** No page has room for the record. */
const NOWHERE: i32 = -1;

/** The first page of the chain that a new record fits into, or NOWHERE. */
function placeFor(cellBytes: u32): i32 {
  for (let index: u32 = 0; index < chainLength; index++) {
    if (bucketHasRoom(chainPage(index), cellBytes)) return <i32>index;
  }
  return NOWHERE;
}

/** The same for a record that is there in another size; or PAGE_MISS or CORRUPT. */
function placeInstead(cellBytes: u32): i32 {
  if (bucketHasRoomInstead(chainPage(foundPage), foundIndex, cellBytes)) return <i32>foundPage;
  let more: i32 = 1;
  while (more > 0) more = descendChain();
  return more < 0 ? more : placeFor(cellBytes);
}

/** Makes room for the record in `tailScratch` below the path, and puts it there. */
function grow(tree: usize, hash: u64, key: usize, keyLength: u32, tailBytes: u32): void {
  const tag = tagOf(hash);
  let page = chainLength > 0 ? chainPage(0) : 0;
  while (page != 0) {
    const depth = depthOf(page);
    if (depth == DEPTH_MAX) {
      const fresh = createBucket(treeId(tree), hash, depth);
      setBucketNext(fresh, bucketNext(page));
      setBucketNext(page, idOf(fresh));
      bucketInsert(fresh, tag, key, keyLength, tailScratch, tailBytes);
      return;
    }
    if (height == 0) addRoot(tree, page, false);
    else if (depth == depthOf(lastDirectory()) + DIRECTORY_BITS) refineDirectory(tree, hash);
    page = splitBucket(page, hash);
    if (page != 0 && bucketInsert(page, tag, key, keyLength, tailScratch, tailBytes)) return;
  }
  bucketInsert(startBucket(tree, hash), tag, key, keyLength, tailScratch, tailBytes);
}
