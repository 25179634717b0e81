/**
 * Hashed trees: making room. A full bucket splits by its next bit, or stays whole and tells one bit
 * more when all its records agree in it. Where its directory cannot tell that bit, the directory
 * splits first, and before it the one above, up to one that has room: at most a page of each level.
 */
import { idOf } from "../page/frame";
import { countOf, depthOf, hashOf, setDepth, setHash, treeOf } from "../page/header";
import { setRoot, treeId } from "../tree/tree";
import { bucketOnes, bucketSplit, createBucket } from "./bucket";
import {
  DIRECTORY_BITS,
  DIRECTORY_ENTRIES,
  HALF,
  createDirectory,
  entryAt,
  entryCount,
  entryIndex,
  isDirectoryAt,
  isUniform,
  setEntries,
  spreadHalf,
} from "./directory";
import { directoryOnPath, height, lastDirectory, linkBucket, pushRoot } from "./path";

/** The place value of bit `depth`, counted from the top. */
function bitAt(depth: u32): u64 {
  return (<u64>1) << (<u64>(63 - depth));
}

/** Puts a directory above the page that is the root so far. */
export function addRoot(tree: usize, page: usize, isDirectory: bool): void {
  const root = createDirectory(treeId(tree), 0, 0);
  setEntries(root, 0, DIRECTORY_ENTRIES, idOf(page), isDirectory);
  setRoot(tree, idOf(root));
  pushRoot(root);
}

/** Makes the last directory on the path tell one bit more. */
export function refineDirectory(tree: usize, hash: u64): void {
  let level = height - 1;
  while (level > 0 && isNarrow(level)) level--;
  if (level == 0) {
    addRoot(tree, directoryOnPath(0), true);
    level = 1;
  }
  while (level < height) splitDirectory(tree, level++, hash);
}

/** True if a directory takes a single entry of the one above. */
function isNarrow(level: u32): bool {
  return depthOf(directoryOnPath(level)) == depthOf(directoryOnPath(level - 1)) + DIRECTORY_BITS;
}

/**
 * Parts a directory by the first bit that it tells. The half of `hash`, which has a child in a
 * single entry, stays in the page; the other half gets a new one, unless it is all the same child.
 */
function splitDirectory(tree: usize, level: u32, hash: u64): void {
  const page = directoryOnPath(level);
  const parent = directoryOnPath(level - 1);
  const depth = depthOf(page);
  const bit = bitAt(depth);
  const inUpper = (hash & bit) != 0;
  const first = entryIndex(hashOf(page), depthOf(parent));
  const half = entryCount(depth + 1, depthOf(parent));
  const otherHalf: u32 = inUpper ? 0 : HALF;
  let otherId = entryAt(page, otherHalf);
  let isDirectory = isDirectoryAt(page, otherHalf);
  if (!isUniform(page, otherHalf, HALF, otherId)) {
    const otherHash = inUpper ? hashOf(page) : hashOf(page) | bit;
    const other = createDirectory(treeId(tree), otherHash, depth + 1);
    spreadHalf(page, !inUpper, other);
    otherId = idOf(other);
    isDirectory = true;
  }
  spreadHalf(page, inUpper, page);
  setDepth(page, depth + 1);
  if (inUpper) setHash(page, hashOf(page) | bit);
  setEntries(parent, inUpper ? first : first + half, half, otherId, isDirectory);
  setEntries(parent, inUpper ? first + half : first, half, idOf(page), true);
}

/**
 * Parts a bucket by its next bit. Returns the bucket on the side of `hash`, 0 when that side has no
 * records. The path is writable, and its last directory can tell the bit.
 */
export function splitBucket(bucket: usize, hash: u64): usize {
  const depth = depthOf(bucket);
  const bit = bitAt(depth);
  const directory = lastDirectory();
  const first = entryIndex(hashOf(bucket), depthOf(directory));
  const half = entryCount(depth + 1, depthOf(directory));
  const ones = bucketOnes(bucket, bit);
  setDepth(bucket, depth + 1);
  if (ones == countOf(bucket)) {
    setHash(bucket, hashOf(bucket) | bit);
    setEntries(directory, first, half, 0, false);
    return (hash & bit) != 0 ? bucket : 0;
  }
  let sibling: usize = 0;
  if (ones > 0) {
    sibling = createBucket(treeOf(bucket), hashOf(bucket) | bit, depth + 1);
    bucketSplit(bucket, sibling, bit);
  }
  setEntries(directory, first + half, half, sibling == 0 ? 0 : idOf(sibling), false);
  return (hash & bit) != 0 ? sibling : bucket;
}

/** A new bucket for a hash that the path leads nowhere with, as wide as the empty entries allow. */
export function startBucket(tree: usize, hash: u64): usize {
  let bucket: usize;
  if (height == 0) {
    bucket = createBucket(treeId(tree), hash, 0);
  } else {
    const directory = lastDirectory();
    const index = entryIndex(hash, depthOf(directory));
    let depth = depthOf(directory) + DIRECTORY_BITS;
    let entries: u32 = 1;
    // Never all of them: an empty directory has left the tree.
    while (entries < DIRECTORY_ENTRIES) {
      const other = (index & ~(entries - 1)) ^ entries;
      if (!isUniform(directory, other, entries, 0)) break;
      entries <<= 1;
      depth--;
    }
    bucket = createBucket(treeId(tree), hash, depth);
  }
  linkBucket(tree, bucket, idOf(bucket));
  return bucket;
}
