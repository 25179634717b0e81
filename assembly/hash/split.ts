/**
 * Hashed trees: making room. A full bucket splits by its next bit, or stays whole and tells one bit
 * more when all its records agree in it. Where nine bits below its directory are used up, a new
 * directory takes its place first.
 */
import { idOf } from "../page/frame";
import { countOf, depthOf, hashOf, setDepth, setHash, treeOf } from "../page/header";
import { treeId } from "../tree/tree";
import { bucketOnes, bucketSplit, createBucket } from "./bucket";
import {
  DIRECTORY_BITS,
  DIRECTORY_ENTRIES,
  createDirectory,
  entryCount,
  entryIndex,
  isUniform,
  setEntries,
} from "./directory";
import { height, lastDirectory, linkBucket, linkDirectory, pushDirectory } from "./path";

/** Puts a directory in the place of a bucket that is all there is below it. */
export function addDirectory(tree: usize, bucket: usize): void {
  const directory = createDirectory(treeId(tree), hashOf(bucket), depthOf(bucket));
  setEntries(directory, 0, DIRECTORY_ENTRIES, idOf(bucket), false);
  pushDirectory(directory);
  linkDirectory(tree, height - 1, idOf(directory));
}

/**
 * Parts a bucket by its next bit. Returns the bucket on the side of `hash`, 0 when that side has no
 * records. The path is writable, and its last directory can tell the bit.
 */
export function splitBucket(bucket: usize, hash: u64): usize {
  const depth = depthOf(bucket);
  const bit: u64 = (<u64>1) << (<u64>(63 - depth));
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
    while (entries < DIRECTORY_ENTRIES && isUniform(directory, (index & ~(entries - 1)) ^ entries, entries, 0)) {
      entries <<= 1;
      depth--;
    }
    bucket = createBucket(treeId(tree), hash, depth);
  }
  linkBucket(tree, bucket, idOf(bucket));
  return bucket;
}
