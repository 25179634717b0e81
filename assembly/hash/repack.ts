/**
 * Hashed trees: moving pages to new places, for compaction.
 *
 * `hashRelocate` moves one page if the newest version of its tree still holds it. `hashRepack`
 * rewrites the buckets of a stretch of hashes and merges what fits together. Both are ordinary path
 * copies of their epoch, so readers, snapshots and a running checkpoint do not notice.
 */
import { miss } from "../btree/path";
import { CORRUPT, NEED_FRAMES } from "../errors";
import { OUTPUT, STATUS, STATUS_KEY_BYTES, STATUS_MORE } from "../memory";
import { RESERVE, freeCount, idOf } from "../page/frame";
import { KIND_BUCKET, depthOf, hashOf } from "../page/header";
import { REASON_KIND, corrupt } from "../page/image";
import { findPage } from "../page/table";
import { rootOf, treeId } from "../tree/tree";
import {
  DIRECTORY_DEPTH_MAX,
  DIRECTORY_ENTRIES,
  entryAt,
  entryCount,
  entryIndex,
  hashBehind,
  hashOfEntry,
  isDirectoryAt,
} from "./directory";
import { mergeDirectories, mergeUpwards } from "./merge";
import {
  ABOVE_ROOT,
  chainLength,
  chainPage,
  clearPath,
  descendChain,
  height,
  kindFor,
  lastDirectory,
  makeChainWritable,
  makePathWritable,
  pushDirectory,
  startChain,
} from "./path";

/** A repacked bucket is filled up to nine tenths. */
const PACKED_BYTES_MAX: u32 = 3672;

/**
 * Moves page `id`, which stands at the first `depth` bits of `hash`: 1 moved, 0 it is no longer in
 * the tree. Pages that cannot be the one asked for are not read.
 */
export function hashRelocate(tree: usize, hash: u64, depth: u32, id: u64): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  let next = rootOf(tree);
  let above = ABOVE_ROOT;
  clearPath();
  while (next != 0) {
    const page = findPage(next);
    if (page == 0) return miss(next);
    const kind = kindFor(page, next, treeId(tree), hash, above);
    if (kind == CORRUPT) return CORRUPT;
    if (kind == KIND_BUCKET) {
      startChain(page);
      return relocateChain(tree, id);
    }
    pushDirectory(page);
    if (next == id) {
      makePathWritable(tree);
      return 1;
    }
    const bits = depthOf(page);
    const index = entryIndex(hash, bits);
    next = entryAt(page, index);
    above = <i32>bits;
    if (next == id) continue;
    const hasChain = bits == DIRECTORY_DEPTH_MAX;
    if (bits >= depth || (!isDirectoryAt(page, index) && !hasChain)) return 0;
  }
  return 0;
}

/** Moves the page of the chain with that id, if it is there. */
function relocateChain(tree: usize, id: u64): i32 {
  while (idOf(chainPage(chainLength - 1)) != id) {
    const more = descendChain();
    if (more <= 0) return more;
  }
  makePathWritable(tree);
  makeChainWritable(tree, chainLength - 1);
  return 1;
}

/**
 * Rewrites buckets from the one that covers `hash` on, in one directory at most, and gives each the
 * records of resident buddies as long as that fits. Returns how many it wrote; the hash to go on
 * with is stored at OUTPUT, 8 bytes, unless STATUS_MORE is 0. A missing page or a lack of frames is
 * only told when nothing was written yet; so every call that does not fail gets further.
 */
export function hashRepack(tree: usize, hash: u64): i32 {
  const root = rootOf(tree);
  if (root == 0) return endRepack(0, 0);
  const found = descendDirectories(tree, root, hash);
  if (found < 0) return found;
  if (height == 0) {
    const result = repackBucket(tree, root, hash, ABOVE_ROOT);
    return result < 0 ? result : endRepack(1, 0);
  }
  const level = height;
  const depth = depthOf(lastDirectory());
  let index = entryIndex(hash, depth);
  let written: i32 = 0;
  while (index < DIRECTORY_ENTRIES && !isDirectoryAt(lastDirectory(), index)) {
    const id = entryAt(lastDirectory(), index);
    if (id == 0) {
      index++;
      continue;
    }
    const result = repackBucket(tree, id, hashOfEntry(hash, depth, index), <i32>depth);
    if (result == CORRUPT || (result < 0 && written == 0)) return result;
    if (result < 0) break;
    written++;
    const bucket = chainPage(0);
    if (height < level || depthOf(lastDirectory()) != depth) {
      // The directory has been merged with others, or has come down to this bucket.
      return endRepack(written, hashBehind(hashOf(bucket), depthOf(bucket)));
    }
    index = entryIndex(hashOf(bucket), depth) + entryCount(depthOf(bucket), depth);
  }
  if (written > 0) mergeDirectories(tree);
  return endRepack(written, hashOfEntry(hash, depth, index));
}

/** Makes the path to the last directory that `hash` leads through. 0, PAGE_MISS or CORRUPT. */
function descendDirectories(tree: usize, root: u64, hash: u64): i32 {
  let id = root;
  let above = ABOVE_ROOT;
  clearPath();
  while (true) {
    const page = findPage(id);
    if (page == 0) return miss(id);
    const kind = kindFor(page, id, treeId(tree), hash, above);
    if (kind == CORRUPT) return CORRUPT;
    if (kind == KIND_BUCKET) return height == 0 ? 0 : corrupt(id, REASON_KIND);
    pushDirectory(page);
    const depth = depthOf(page);
    const index = entryIndex(hash, depth);
    if (!isDirectoryAt(page, index)) return 0;
    id = entryAt(page, index);
    above = <i32>depth;
  }
}

/** Copies a bucket with its chain, and merges it. 0, or a negative code with nothing done. */
function repackBucket(tree: usize, id: u64, hash: u64, above: i32): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  const page = findPage(id);
  if (page == 0) return miss(id);
  const kind = kindFor(page, id, treeId(tree), hash, above);
  if (kind != KIND_BUCKET) return kind == CORRUPT ? CORRUPT : corrupt(id, REASON_KIND);
  startChain(page);
  let more: i32 = 1;
  while (more > 0) more = descendChain();
  if (more < 0) return more;
  makePathWritable(tree);
  makeChainWritable(tree, chainLength - 1);
  if (chainLength == 1) mergeUpwards(tree, chainPage(0), PACKED_BYTES_MAX, PACKED_BYTES_MAX);
  return 0;
}

function endRepack(written: i32, next: u64): i32 {
  store<u32>(STATUS, u32(next != 0), STATUS_MORE);
  store<u32>(STATUS, 8, STATUS_KEY_BYTES);
  store<u64>(OUTPUT, next);
  return written;
}
