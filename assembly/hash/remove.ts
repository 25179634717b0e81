/** Hashed trees: deletion. An empty bucket leaves its tree at once, and so do empty directories. */
import { releaseTail } from "../btree/put";
import { NEED_FRAMES, NOT_FOUND } from "../errors";
import { dropPage } from "../page/epoch";
import { RESERVE, freeCount, idOf } from "../page/frame";
import { countOf } from "../page/header";
import { addRecords, rootOf } from "../tree/tree";
import { bucketNext, bucketRemove, bucketTailAt, setBucketNext } from "./bucket";
import { hashBytes } from "./hash";
import { mergeUpwards } from "./merge";
import {
  chainPage,
  dropEmptyDirectories,
  foundIndex,
  foundPage,
  linkBucket,
  makeChainWritable,
  makePathWritable,
} from "./path";
import { lookUp } from "./put";

/** A bucket with less than a quarter of its page in use looks for its buddy. */
const SPARSE_BYTES: u32 = 1044;
/** A merged bucket keeps a third of its room, so that the next insertions do not split it again. */
const MERGED_BYTES_MAX: u32 = 2720;

/** Deletes a record: 1, NOT_FOUND, or another negative code; nothing is done unless 1. */
export function hashRemove(tree: usize, key: usize, keyLength: u32): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  const root = rootOf(tree);
  if (root == 0) return NOT_FOUND;
  const found = lookUp(tree, root, key, keyLength, hashBytes(key, keyLength));
  if (found <= 0) return found == 0 ? NOT_FOUND : found;
  makePathWritable(tree);
  makeChainWritable(tree, foundPage);
  const page = chainPage(foundPage);
  releaseTail(tree, bucketTailAt(page, foundIndex));
  bucketRemove(page, foundIndex);
  addRecords(tree, -1);
  if (countOf(page) == 0) unlink(tree, page);
  else if (foundPage == 0 && bucketNext(page) == 0) {
    mergeUpwards(tree, page, SPARSE_BYTES, MERGED_BYTES_MAX);
  }
  return 1;
}

/** Takes the page that was found, which is empty now, out of its chain and its tree. */
function unlink(tree: usize, page: usize): void {
  const next = bucketNext(page);
  if (foundPage > 0) setBucketNext(chainPage(foundPage - 1), next);
  else linkBucket(tree, page, next);
  dropPage(idOf(page));
  dropEmptyDirectories(tree);
}
