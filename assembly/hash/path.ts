/**
 * The way from a root to the pages that a hash belongs to: directories, then a bucket, which may be
 * the first of a chain. Everything a change will touch is found first, without changing anything;
 * then the path is made writable, top down, which can neither miss nor fail.
 */
import { CORRUPT } from "../errors";
import { miss } from "../btree/path";
import { dropPage, writable } from "../page/epoch";
import { idOf } from "../page/frame";
import {
  KIND_BUCKET,
  KIND_DIRECTORY,
  countOf,
  depthOf,
  hashOf,
  kindOf,
  treeOf,
} from "../page/header";
import { REASON_BOUNDS, REASON_HASH, REASON_KIND, REASON_TREE, corrupt } from "../page/image";
import { findPage } from "../page/table";
import { setRoot, treeId } from "../tree/tree";
import { DEPTH_MAX, bucketFind, bucketNext, prefixBits, setBucketNext, tagOf } from "./bucket";
import {
  DIRECTORY_BITS,
  DIRECTORY_DEPTH_MAX,
  entryAt,
  entryCount,
  entryIndex,
  setEntries,
} from "./directory";

/**
 * Pages of a chain, at most: hundreds of keys with equal hashes, which do not come about by chance.
 * The bound keeps a change within the frames that are reserved for it.
 */
export const CHAIN_PAGES_MAX: u32 = 64;

/** What `above` is for the root: as if a directory led there that ends where the hash begins. */
export const ABOVE_ROOT: i32 = -9;

const directories: usize = memory.data(64 * 4, 16);
const chain: usize = memory.data(64 * 4, 16);
/** Directories on the path. */
export let height: u32 = 0;
/** Pages of the chain that were looked at; 0 when the tree has no bucket for the hash. */
export let chainLength: u32 = 0;
/** Which page of the chain holds the key, and where. Valid after `findKey` has returned 1. */
export let foundPage: u32 = 0;
export let foundIndex: u32 = 0;

export function directoryOnPath(level: u32): usize {
  return load<u32>(directories + ((<usize>level) << 2));
}
export function lastDirectory(): usize {
  return directoryOnPath(height - 1);
}
export function pushDirectory(page: usize): void {
  setDirectoryOnPath(height, page);
  height++;
}
export function popDirectory(): void {
  height--;
}
export function chainPage(index: u32): usize {
  return load<u32>(chain + ((<usize>index) << 2));
}
function pushChain(page: usize): void {
  store<u32>(chain + ((<usize>chainLength) << 2), page);
  chainLength++;
}
/** Makes a page the first, and so far the only one, of the chain. */
export function startChain(page: usize): void {
  chainLength = 0;
  pushChain(page);
}
export function clearPath(): void {
  height = 0;
  chainLength = 0;
}

/** Makes a page the directory at `level` of the path. */
export function setDirectoryOnPath(level: u32, page: usize): void {
  store<u32>(directories + ((<usize>level) << 2), page);
}
/** Puts a directory above all others of the path. */
export function pushRoot(page: usize): void {
  for (let level = height; level > 0; level--) {
    setDirectoryOnPath(level, directoryOnPath(level - 1));
  }
  setDirectoryOnPath(0, page);
  height++;
}

/** Takes a directory out of the path; those below move up. */
export function removeFromPath(level: u32): void {
  height--;
  for (let at = level; at < height; at++) setDirectoryOnPath(at, directoryOnPath(at + 1));
}

/**
 * What page `id` is for a hash, below a directory with the depth `above`, in tree `owner`:
 * KIND_DIRECTORY, KIND_BUCKET, or CORRUPT. A page that passes is safe to use, whatever else may be
 * wrong with it, and every level uses up bits, so that no damage can lead round in a circle.
 */
export function kindFor(page: usize, id: u64, owner: u32, hash: u64, above: i32): i32 {
  const kind = kindOf(page);
  const depth = depthOf(page);
  if (treeOf(page) != owner) return corrupt(id, REASON_TREE);
  if (kind != KIND_BUCKET && kind != KIND_DIRECTORY) return corrupt(id, REASON_KIND);
  // The root has no bits; below it, a child has one to nine more than its directory.
  const inReach = <u32>(<i32>depth - above - 1) < DIRECTORY_BITS;
  const leadsHere = hashOf(page) == prefixBits(hash, depth);
  return inReach && leadsHere ? <i32>kind : corrupt(id, REASON_HASH);
}

/** Finds the bucket of a hash below page `root`: 1, 0 when there is none, PAGE_MISS or CORRUPT. */
export function descend(tree: usize, root: u64, hash: u64): i32 {
  const owner = treeId(tree);
  let id = root;
  let above = ABOVE_ROOT;
  clearPath();
  while (id != 0) {
    const page = findPage(id);
    if (page == 0) return miss(id);
    const kind = kindFor(page, id, owner, hash, above);
    if (kind != KIND_DIRECTORY) {
      if (kind == CORRUPT) return CORRUPT;
      pushChain(page);
      return 1;
    }
    pushDirectory(page);
    const depth = depthOf(page);
    id = entryAt(page, entryIndex(hash, depth));
    above = <i32>depth;
  }
  return 0;
}

/** The next page of a chain: 1, 0 at its end, PAGE_MISS or CORRUPT. */
export function descendChain(): i32 {
  const page = chainPage(chainLength - 1);
  const id = bucketNext(page);
  if (id == 0) return 0;
  if (chainLength == CHAIN_PAGES_MAX) return corrupt(id, REASON_BOUNDS);
  const next = findPage(id);
  if (next == 0) return miss(id);
  const kind = kindFor(next, id, treeOf(page), hashOf(page), <i32>DIRECTORY_DEPTH_MAX);
  if (kind != KIND_BUCKET) return kind == CORRUPT ? CORRUPT : corrupt(id, REASON_KIND);
  if (depthOf(next) != DEPTH_MAX) return corrupt(id, REASON_HASH);
  pushChain(next);
  return 1;
}

/** Looks for the key in the bucket and its chain: 1, 0 without it, PAGE_MISS or CORRUPT. */
export function findKey(key: usize, keyLength: u32, hash: u64): i32 {
  const tag = tagOf(hash);
  while (true) {
    const found = bucketFind(chainPage(chainLength - 1), key, keyLength, tag);
    if (found >= 0) {
      foundPage = chainLength - 1;
      foundIndex = <u32>found;
      return 1;
    }
    const more = descendChain();
    if (more <= 0) return more;
  }
}

/** Copies the directories of the path that other epochs may see. */
export function makePathWritable(tree: usize): void {
  for (let level: u32 = 0; level < height; level++) {
    const page = directoryOnPath(level);
    const copy = writable(page);
    if (copy == page) continue;
    setDirectoryOnPath(level, copy);
    linkDirectory(tree, level, idOf(copy));
  }
}

/** Copies pages 0 to `last` of the chain. The path above is writable. */
export function makeChainWritable(tree: usize, last: u32): void {
  for (let index: u32 = 0; index <= last; index++) {
    const page = chainPage(index);
    const copy = writable(page);
    if (copy == page) continue;
    store<u32>(chain + ((<usize>index) << 2), copy);
    if (index == 0) linkBucket(tree, copy, idOf(copy));
    else setBucketNext(chainPage(index - 1), idOf(copy));
  }
}

/** Lets the place of the directory at `level` of the path lead to `id`. */
export function linkDirectory(tree: usize, level: u32, id: u64): void {
  if (level == 0) {
    setRoot(tree, id);
    return;
  }
  const page = directoryOnPath(level);
  const parent = directoryOnPath(level - 1);
  const above = depthOf(parent);
  const first = entryIndex(hashOf(page), above);
  setEntries(parent, first, entryCount(depthOf(page), above), id, id != 0);
}

/** Lets the place of a bucket below the last directory of the path lead to `id`. */
export function linkBucket(tree: usize, bucket: usize, id: u64): void {
  if (height == 0) {
    setRoot(tree, id);
    return;
  }
  const parent = lastDirectory();
  const above = depthOf(parent);
  const first = entryIndex(hashOf(bucket), above);
  setEntries(parent, first, entryCount(depthOf(bucket), above), id, false);
}

/** Drops the directories at the end of the path that lead nowhere any more. */
export function dropEmptyDirectories(tree: usize): void {
  while (height > 0 && countOf(lastDirectory()) == 0) {
    dropPage(idOf(lastDirectory()));
    linkDirectory(tree, height - 1, 0);
    popDirectory();
  }
}
