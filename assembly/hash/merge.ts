/**
 * Hashed trees: giving back what is no longer needed. A sparse bucket takes the records of its
 * buddy, the bucket that differs from it in the last bit only, or the buddy's place if that is
 * empty. The same goes for directories and their entries. A directory that has come down to one
 * child is replaced by it.
 */
import { dropPage } from "../page/epoch";
import { idOf } from "../page/frame";
import { depthOf, hashOf, setDepth, setHash, signatureOf } from "../page/header";
import { findPage } from "../page/table";
import { bucketMerge, bucketMergedBytes, bucketNext, bucketUsedBytes, prefixBits } from "./bucket";
import {
  HALF,
  childrenOf,
  entryAt,
  entryCount,
  entryIndex,
  isCoarse,
  isDirectoryAt,
  isUniform,
  setEntries,
  squeezeHalf,
} from "./directory";
import {
  directoryOnPath,
  height,
  lastDirectory,
  linkBucket,
  linkDirectory,
  popDirectory,
  removeFromPath,
} from "./path";

/** Children of a merged directory, at most; one that splits for want of bits has more than 300. */
const CHILDREN_MAX: u32 = 160;
const NO_BUDDY: u64 = 0xffff_ffff_ffff_ffff;

/**
 * Widens a bucket that has no chain, as long as it uses at most `usedMax` bytes and the merged page
 * `mergedMax`. Buddies that are not resident stay as they are. The path and the bucket are
 * writable.
 */
export function mergeUpwards(tree: usize, bucket: usize, usedMax: u32, mergedMax: u32): void {
  let widened = false;
  while (height > 0) {
    const directory = lastDirectory();
    const depth = depthOf(bucket);
    if (depth > depthOf(directory)) {
      if (bucketUsedBytes(bucket) > usedMax) break;
      const id = buddyOf(directory, bucket);
      if (id == NO_BUDDY || isDirectoryAt(directory, buddyIndex(directory, bucket))) break;
      if (!takeBuddy(bucket, id, mergedMax)) break;
      setDepth(bucket, depth - 1);
      setHash(bucket, prefixBits(hashOf(bucket), depth - 1));
    } else {
      dropPage(idOf(directory));
      popDirectory();
    }
    linkBucket(tree, bucket, idOf(bucket));
    widened = true;
  }
  if (widened) mergeDirectories(tree);
}

/** The first entry of the other half of a child's wider range. */
function buddyIndex(directory: usize, child: usize): u32 {
  const above = depthOf(directory);
  return entryIndex(hashOf(child), above) ^ entryCount(depthOf(child), above);
}

/** What stands in all of the other half: an id, or 0 if it is empty; else NO_BUDDY. */
function buddyOf(directory: usize, child: usize): u64 {
  const first = buddyIndex(directory, child);
  const id = entryAt(directory, first);
  const entries = entryCount(depthOf(child), depthOf(directory));
  return isUniform(directory, first, entries, id) ? id : NO_BUDDY;
}

/** True if a page is like `child`, and their bits differ in the last one only. */
function isBuddy(page: usize, child: usize): bool {
  const depth = depthOf(child);
  const bit: u64 = (<u64>1) << (<u64>(64 - depth));
  const isLike = signatureOf(page) == signatureOf(child) && depthOf(page) == depth;
  return isLike && (hashOf(page) ^ hashOf(child)) == bit;
}

/** Moves the buddy's records over. False when it is not resident, not alike, or has too many. */
function takeBuddy(bucket: usize, id: u64, mergedMax: u32): bool {
  if (id == 0) return true;
  const buddy = findPage(id);
  if (buddy == 0 || !isBuddy(buddy, bucket) || bucketNext(buddy) != 0) return false;
  if (bucketMergedBytes(bucket, buddy) > mergedMax) return false;
  bucketMerge(bucket, buddy);
  dropPage(id);
  return true;
}

/** Widens the directories of the path as far as they can be, from the last one up. */
export function mergeDirectories(tree: usize): void {
  let level: i32 = <i32>height - 1;
  while (level > 0) {
    const directory = directoryOnPath(level);
    const parent = directoryOnPath(level - 1);
    const depth = depthOf(directory);
    if (depth > depthOf(parent)) {
      if (!takeHalf(parent, directory)) {
        level--;
        continue;
      }
      setDepth(directory, depth - 1);
      setHash(directory, prefixBits(hashOf(directory), depth - 1));
      linkDirectory(tree, level, idOf(directory));
    } else {
      dropPage(idOf(parent));
      removeFromPath(level - 1);
      linkDirectory(tree, --level, idOf(directory));
    }
  }
}

/**
 * Squeezes a directory into half of its entries, and takes its buddy's children into the others.
 */
function takeHalf(parent: usize, directory: usize): bool {
  const first = buddyIndex(parent, directory);
  const id = buddyOf(parent, directory);
  if (id == NO_BUDDY || !isCoarse(directory)) return false;
  const isDirectory = isDirectoryAt(parent, first);
  const buddy = isDirectory ? findPage(id) : 0;
  if (isDirectory) {
    if (buddy == 0 || !isBuddy(buddy, directory) || !isCoarse(buddy)) return false;
    if (childrenOf(directory) + childrenOf(buddy) > CHILDREN_MAX) return false;
  }
  const upper = entryIndex(hashOf(directory), depthOf(directory) - 1) >= HALF;
  squeezeHalf(directory, directory, upper);
  if (buddy != 0) squeezeHalf(buddy, directory, !upper);
  else setEntries(directory, upper ? 0 : HALF, HALF, id, false);
  if (isDirectory) dropPage(id);
  return true;
}
