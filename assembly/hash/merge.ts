/**
 * Hashed trees: giving back what is no longer needed. A sparse bucket takes the records of its
 * buddy, the bucket that differs from it in the last bit only, or the buddy's place if that is
 * empty; a directory that has come down to one bucket is replaced by it.
 */
import { dropPage } from "../page/epoch";
import { idOf } from "../page/frame";
import { KIND_BUCKET, depthOf, hashOf, kindOf, setDepth, setHash } from "../page/header";
import { findPage } from "../page/table";
import { bucketMerge, bucketMergedBytes, bucketNext, bucketUsedBytes, prefixBits } from "./bucket";
import { entryAt, entryCount, entryIndex, isDirectoryAt, isUniform } from "./directory";
import { height, lastDirectory, linkBucket, popDirectory } from "./path";

/**
 * Widens a bucket that has no chain, as long as it uses at most `usedMax` bytes and the merged page
 * `mergedMax`. Buddies that are not resident stay as they are. The path and the bucket are writable.
 */
export function mergeUpwards(
  tree: usize,
  bucket: usize,
  usedMax: u32,
  mergedMax: u32,
): void {
  while (height > 0 && bucketUsedBytes(bucket) <= usedMax) {
    const directory = lastDirectory();
    const depth = depthOf(bucket);
    if (depth > depthOf(directory)) {
      const buddy = buddyOf(directory, bucket);
      if (buddy == NO_BUDDY || !takeBuddy(bucket, buddy, mergedMax)) return;
      setDepth(bucket, depth - 1);
      setHash(bucket, prefixBits(hashOf(bucket), depth - 1));
    } else {
      dropPage(idOf(directory));
      popDirectory();
    }
    linkBucket(tree, bucket, idOf(bucket));
  }
}

const NO_BUDDY: u64 = 0xffff_ffff_ffff_ffff;

/** Id of the bucket in the other half of a bucket's wider range; 0 when that half is empty. */
function buddyOf(directory: usize, bucket: usize): u64 {
  const entries = entryCount(depthOf(bucket), depthOf(directory));
  const first = entryIndex(hashOf(bucket), depthOf(directory)) ^ entries;
  const id = entryAt(directory, first);
  return isDirectoryAt(directory, first) || !isUniform(directory, first, entries, id) ? NO_BUDDY : id;
}

/** Moves the buddy's records over. False when it is not resident, not alike, or has too many. */
function takeBuddy(bucket: usize, id: u64, mergedMax: u32): bool {
  if (id == 0) return true;
  const buddy = findPage(id);
  if (buddy == 0 || kindOf(buddy) != KIND_BUCKET || bucketNext(buddy) != 0) return false;
  if (depthOf(buddy) != depthOf(bucket)) return false;
  if (bucketMergedBytes(bucket, buddy) > mergedMax) return false;
  bucketMerge(bucket, buddy);
  dropPage(id);
  return true;
}
