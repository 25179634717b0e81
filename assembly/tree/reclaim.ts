/**
 * Subtrees that a commit has cut off. The cut is O(height); giving their pages back is work for
 * later, done in slices between commits. The queue is part of the checkpoint (the host stores it in
 * the catalogue), because until a page is reclaimed it counts as live in its blob.
 *
 * An item is a pair: page id | level << 48 | flags << 56, and the epoch of its death.
 */
import { NEED_FRAMES, PAGE_MISS } from "../errors";
import { STATUS, STATUS_PAGE } from "../memory";
import { epoch, reclaimRun } from "../page/epoch";
import { RESERVE, freeCount } from "../page/frame";
import {
  KIND_BRANCH,
  KIND_BUCKET,
  KIND_DIRECTORY,
  KIND_LEAF,
  countOf,
  depthOf,
  kindOf,
  levelOf,
  loadId,
} from "../page/header";
import { REASON_LEVEL, corrupt } from "../page/image";
import { lastFirst, lastSecond, popPair, pushPair } from "../page/list";
import { RECORD_EXPIRES, RECORD_OVERFLOW, tailAt } from "../page/slotted";
import { findPage } from "../page/table";
import { bucketNext, reclaimBucket } from "../hash/bucket";
import { DIRECTORY_DEPTH_MAX, DIRECTORY_ENTRIES, entryAt, isDirectoryAt } from "../hash/directory";
import { overflowOf } from "./tree";

/** The subtree may hold overflow values, so its leaves must be read. */
const HAS_OVERFLOW: u64 = 1 << 56;
/** The level is not known: the page must be read to learn whether it has children. */
const HASHED: u64 = 1 << 57;
const LEVEL_SHIFT: u64 = 48;
const ID_MASK: u64 = 0xffff_ffff_ffff;

let queue: usize = 0;
export let queueCount: u32 = 0;
/** Items of the open epoch: dropped again when it is rolled back. */
let pending: usize = 0;

/** Queues the subtree below page `id` of a tree; it is dead once this epoch is committed. */
export function detach(tree: usize, id: u64, level: u32): void {
  const overflow = overflowOf(tree) > 0 ? HAS_OVERFLOW : 0;
  pending = pushPair(pending, id | ((<u64>level) << LEVEL_SHIFT) | overflow, epoch);
}
export function detachHashed(tree: usize, id: u64): void {
  const overflow = overflowOf(tree) > 0 ? HAS_OVERFLOW : 0;
  pending = pushPair(pending, id | HASHED | overflow, epoch);
}

export function commitReclaim(): void {
  while (pending != 0) {
    push(lastFirst(pending), lastSecond(pending));
    pending = popPair(pending);
  }
}
export function rollbackReclaim(): void {
  while (pending != 0) pending = popPair(pending);
}

function push(item: u64, death: u64): void {
  queue = pushPair(queue, item, death);
  queueCount++;
}

/** Reclaims up to `pages` pages: how many are queued still, or PAGE_MISS, NEED_FRAMES, CORRUPT. */
export function reclaim(pages: u32): i32 {
  let left = pages;
  while (queue != 0 && left > 0) {
    if (freeCount < RESERVE) return NEED_FRAMES;
    const item = lastFirst(queue);
    const death = lastSecond(queue);
    const id = item & ID_MASK;
    const level = <u32>((item >> LEVEL_SHIFT) & 15);
    if (level > 0 || (item & (HAS_OVERFLOW | HASHED)) != 0) {
      const page = findPage(id);
      if (page == 0) {
        store<f64>(STATUS, <f64>id, STATUS_PAGE);
        return PAGE_MISS;
      }
      // A branch must be of the level that its parent was, less one; nothing else has levels.
      if (kindOf(page) == KIND_BRANCH ? levelOf(page) != level || level == 0 : level > 0) {
        return corrupt(id, REASON_LEVEL);
      }
      pop();
      pushChildren(page, item, death);
    } else pop();
    reclaimRun(id, 1, death);
    left--;
  }
  return <i32>queueCount;
}

function pop(): void {
  queue = popPair(queue);
  queueCount--;
}

function pushChildren(page: usize, item: u64, death: u64): void {
  const kind = kindOf(page);
  const overflow = item & HAS_OVERFLOW;
  if (kind == KIND_BRANCH) {
    const level = (((item >> LEVEL_SHIFT) & 15) - 1) << LEVEL_SHIFT;
    const count = countOf(page);
    for (let index: u32 = 0; index < count; index++) {
      push(loadId(tailAt(page, index)) | level | overflow, death);
    }
  } else if (kind == KIND_DIRECTORY) {
    let previous: u64 = 0;
    for (let index: u32 = 0; index < DIRECTORY_ENTRIES; index++) {
      const child = entryAt(page, index);
      if (child != 0 && child != previous) {
        // A bucket needs to be read only if it can have a chain.
        const read = isDirectoryAt(page, index) || depthOf(page) == DIRECTORY_DEPTH_MAX;
        push(child | (read ? HASHED : 0) | overflow, death);
      }
      previous = child;
    }
  } else if (kind == KIND_BUCKET) {
    if (bucketNext(page) != 0) push(bucketNext(page) | HASHED | overflow, death);
    if (overflow != 0) reclaimBucket(page, death);
  } else if (kind == KIND_LEAF && overflow != 0) {
    const count = countOf(page);
    for (let index: u32 = 0; index < count; index++) reclaimRecord(tailAt(page, index), death);
  }
}

/** Reclaims the overflow pages of a record, if it has any. */
export function reclaimRecord(tail: usize, death: u64): void {
  const flags: u32 = load<u8>(tail);
  if (!(flags & RECORD_OVERFLOW)) return;
  const at = tail + 7 + (flags & RECORD_EXPIRES ? 6 : 0);
  const bytes: u32 = load<u16>(at);
  for (let offset: u32 = 4; offset + 8 <= bytes; offset += 8) {
    const first = loadId(at + 2 + offset);
    const count: u32 = load<u16>(at + 2 + offset, 6);
    reclaimRun(first, count, death);
  }
}

/** Writes the queue to `target`, 16 bytes an item, at most `most`; how many. For the catalogue. */
export function copyQueue(target: usize, most: u32): u32 {
  let block = queue;
  let copied: u32 = 0;
  while (block != 0 && copied < most) {
    const count = min(load<u32>(block, 4), most - copied);
    memory.copy(target + ((<usize>copied) << 4), block + 16, (<usize>count) << 4);
    copied += count;
    block = load<u32>(block);
  }
  return copied;
}
/** For opening: an item of the catalogue's queue, with a death before every epoch to come. */
export function restoreItem(item: u64): void {
  push(item, epoch);
}
