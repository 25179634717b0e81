/**
 * Buckets: the pages that hold the records of hashed trees.
 *
 *     | header 32 | groups of tags and slots -> |   gap   | <- cells | check |
 *
 * Header fields besides the common ones (page/header.ts): `hash` and `depth` are the bits that all
 * hashes of the bucket begin with; `prefixLength` and `prefixOffset` are 0; and
 *
 *     25  id 6   next page of a chain; only a bucket with all bits used (DEPTH_MAX) has one
 *     31  u8     zero
 *
 * Group g, at 32 + 64 g, is for 16 records: 16 tags, then 16 slots of 3 bytes. Of the last group,
 * the tags are all there, unused ones zero, and the slots only as far as they are used. A tag is
 * the lowest byte of the key's hash, so that it stays the same when a bucket splits. A slot is a
 * number of 24 bits: offset of the cell 12, key length 11, zero 1. A cell is the key and a leaf
 * tail, as in page/slotted.ts.
 *
 * In memory slots stand in any order; on the medium they are in the order of hash, then key.
 */
import { KEY_BYTES_MAX, PAGE_BODY_BYTES, PAGE_BYTES } from "../memory";
import { compareBytes, copyBytes, isZero } from "../page/bytes";
import { createPage } from "../page/epoch";
import {
  HEADER_BYTES,
  KIND_BUCKET,
  countOf,
  depthOf,
  garbageOf,
  hashOf,
  heapStartOf,
  isPageId,
  kindOf,
  levelOf,
  loadId,
  prefixLengthOf,
  setCount,
  setDepth,
  setGarbage,
  setHash,
  setHeapStart,
  storeId,
} from "../page/header";
import { isRecord, leafTailBytes } from "../page/slotted";
import { reclaimRecord } from "../tree/reclaim";
import { hashBytes } from "./hash";
import {
  beginCollect,
  collect,
  collected,
  endCollect,
  collectedCell,
  collectedHash,
  collectedKeyLength,
} from "./order";

/** Bits of the hash that buckets can be told apart by: seven directories of nine. */
export const DEPTH_MAX: u32 = 63;

const NEXT: usize = 25;
const TAGS_BYTES: u32 = 16;
const SLOT_BYTES: u32 = 3;
const OFFSET_MASK: u32 = 0xfff;
const KEY_LENGTH_MASK: u32 = 0x7ff;

const rebuilt: usize = memory.data(4096, 16);

/** The first `depth` bits of a hash, the others zero. */
export function prefixBits(hash: u64, depth: u32): u64 {
  return hash & ~(~(<u64>0) >> <u64>depth);
}

export function tagOf(hash: u64): u32 {
  return <u32>hash & 255;
}

export function bucketNext(page: usize): u64 {
  return loadId(page + NEXT);
}
export function setBucketNext(page: usize, id: u64): void {
  storeId(page + NEXT, id);
}

/** A new, empty bucket for hashes that begin with the first `depth` bits of `hash`. */
export function createBucket(tree: u32, hash: u64, depth: u32): usize {
  const page = createPage(KIND_BUCKET, 0, tree);
  setHash(page, prefixBits(hash, depth));
  setDepth(page, depth);
  return page;
}

function groupAt(page: usize, index: u32): usize {
  return page + HEADER_BYTES + <usize>((index >>> 4) << 6);
}
function slotAt(page: usize, index: u32): u32 {
  return load<u32>(groupAt(page, index) + TAGS_BYTES + (index & 15) * SLOT_BYTES);
}
function setSlot(page: usize, index: u32, tag: u32, offset: u32, keyLength: u32): void {
  const group = groupAt(page, index);
  const slot = group + TAGS_BYTES + (index & 15) * SLOT_BYTES;
  store<u8>(group + (index & 15), tag);
  store<u16>(slot, offset | (keyLength << 12));
  store<u8>(slot, keyLength >>> 4, 2);
}

export function bucketTagAt(page: usize, index: u32): u32 {
  return load<u8>(groupAt(page, index) + (index & 15));
}
export function bucketCellAt(page: usize, index: u32): usize {
  return page + (slotAt(page, index) & OFFSET_MASK);
}
export function bucketKeyLengthAt(page: usize, index: u32): u32 {
  return (slotAt(page, index) >>> 12) & KEY_LENGTH_MASK;
}
export function bucketTailAt(page: usize, index: u32): usize {
  const slot = slotAt(page, index);
  return page + (slot & OFFSET_MASK) + ((slot >>> 12) & KEY_LENGTH_MASK);
}
/** Bytes of key and tail. */
export function bucketCellBytesAt(page: usize, index: u32): u32 {
  return bucketKeyLengthAt(page, index) + leafTailBytes(bucketTailAt(page, index));
}
export function bucketHashAt(page: usize, index: u32): u64 {
  return hashBytes(bucketCellAt(page, index), bucketKeyLengthAt(page, index));
}

/** Where the groups of `count` records end. */
function groupsEnd(count: u32): u32 {
  const rest = count & 15;
  return HEADER_BYTES + ((count >>> 4) << 6) + (rest > 0 ? TAGS_BYTES + rest * SLOT_BYTES : 0);
}

/** Bytes of header, groups and cells. */
export function bucketUsedBytes(page: usize): u32 {
  return groupsEnd(countOf(page)) + cellsBytes(page);
}
function cellsBytes(page: usize): u32 {
  return PAGE_BODY_BYTES - heapStartOf(page) - garbageOf(page);
}
/** Bytes of header, groups and cells of a page with the records of both. */
export function bucketMergedBytes(page: usize, other: usize): u32 {
  return groupsEnd(countOf(page) + countOf(other)) + cellsBytes(page) + cellsBytes(other);
}

/** True if a record with a cell of so many bytes would fit, holes included. */
export function bucketHasRoom(page: usize, cellBytes: u32): bool {
  return groupsEnd(countOf(page) + 1) + cellsBytes(page) + cellBytes <= PAGE_BODY_BYTES;
}
/** True if the cell of entry `index` could be replaced by one of so many bytes. */
export function bucketHasRoomInstead(page: usize, index: u32, cellBytes: u32): bool {
  return bucketUsedBytes(page) - bucketCellBytesAt(page, index) + cellBytes <= PAGE_BODY_BYTES;
}

function sameBytes(a: usize, b: usize, bytes: u32): bool {
  if (bytes != 16) return compareBytes(a, bytes, b, bytes) == 0;
  return ((load<u64>(a) ^ load<u64>(b)) | (load<u64>(a, 8) ^ load<u64>(b, 8))) == 0;
}

/** The index of the key, or -1. */
export function bucketFind(page: usize, key: usize, keyLength: u32, tag: u32): i32 {
  const count = countOf(page);
  const wanted = i8x16.splat(<i8>tag);
  let group = page + HEADER_BYTES;
  for (let base: u32 = 0; base < count; base += 16) {
    let hits = <u32>i8x16.bitmask(i8x16.eq(v128.load(group), wanted));
    if (count - base < 16) hits &= (1 << (count - base)) - 1;
    while (hits != 0) {
      const lane = <u32>ctz(hits);
      const slot = load<u32>(group + TAGS_BYTES + lane * SLOT_BYTES);
      if (((slot >>> 12) & KEY_LENGTH_MASK) == keyLength) {
        const cell = page + (slot & OFFSET_MASK);
        // The value will be wanted too: its lines come along with that of the key.
        touched = load<u8>(cell, 64) | load<u8>(cell, 120);
        if (sameBytes(cell, key, keyLength)) return <i32>(base + lane);
      }
      hits &= hits - 1;
    }
    group += 64;
  }
  return -1;
}

/** Begins to fetch the tags and slots of a bucket, all at once instead of one after the other. */
export function touchBucket(page: usize): void {
  touched = load<u8>(page) | load<u8>(page, 64) | load<u8>(page, 128);
}
/** Where touched bytes go, so that the loads are not left out. */
let touched: u32 = 0;

/** Begins to fetch the first record with that tag, which most likely is the one wanted. */
export function touchRecord(page: usize, tag: u32): void {
  const count = countOf(page);
  const wanted = i8x16.splat(<i8>tag);
  for (let base: u32 = 0; base < count; base += 16) {
    const hits = <u32>i8x16.bitmask(i8x16.eq(v128.load(groupAt(page, base)), wanted));
    if (hits == 0) continue;
    const cell = bucketCellAt(page, base + <u32>ctz(hits));
    touched = load<u8>(cell) | load<u8>(cell, 63);
    return;
  }
}

/** Adds a record whose key is not there yet. False, and nothing done, when it does not fit. */
export function bucketInsert(
  page: usize,
  tag: u32,
  key: usize,
  keyLength: u32,
  tail: usize,
  tailBytes: u32,
): bool {
  const count = countOf(page);
  const bytes = keyLength + tailBytes;
  if (groupsEnd(count + 1) + bytes > heapStartOf(page)) {
    if (!bucketHasRoom(page, bytes)) return false;
    compactBucket(page, rebuilt);
    memory.copy(page, rebuilt, PAGE_BODY_BYTES);
  }
  const offset = heapStartOf(page) - bytes;
  setSlot(page, count, tag, offset, keyLength);
  copyBytes(page + offset, key, keyLength);
  copyBytes(page + offset + keyLength, tail, tailBytes);
  setHeapStart(page, offset);
  setCount(page, count + 1);
  return true;
}

/** Adds a record that another page holds, and that certainly fits. */
function appendCell(page: usize, tag: u32, cell: usize, keyLength: u32): void {
  const count = countOf(page);
  const bytes = keyLength + leafTailBytes(cell + keyLength);
  assert(groupsEnd(count + 1) + bytes <= heapStartOf(page), "the record fits");
  const offset = heapStartOf(page) - bytes;
  setSlot(page, count, tag, offset, keyLength);
  copyBytes(page + offset, cell, bytes);
  setHeapStart(page, offset);
  setCount(page, count + 1);
}

/** Takes a record out; the last one moves to its index, and its cell becomes garbage. */
export function bucketRemove(page: usize, index: u32): void {
  const last = countOf(page) - 1;
  const bytes = bucketCellBytesAt(page, index);
  if (index != last) {
    const slot = slotAt(page, last);
    const keyLength = (slot >>> 12) & KEY_LENGTH_MASK;
    setSlot(page, index, bucketTagAt(page, last), slot & OFFSET_MASK, keyLength);
  }
  setCount(page, last);
  setGarbage(page, garbageOf(page) + bytes);
  if (last == 0) clearBucket(page);
}

function clearBucket(page: usize): void {
  setCount(page, 0);
  setGarbage(page, 0);
  setHeapStart(page, PAGE_BODY_BYTES);
}

/** How many hashes of the bucket have the bit with the given place value. */
export function bucketOnes(page: usize, bit: u64): u32 {
  const count = countOf(page);
  let ones: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    ones += u32((bucketHashAt(page, index) & bit) != 0);
  }
  return ones;
}

/** Leaves in `page` the records without the bit, and moves the others to an empty bucket. */
export function bucketSplit(page: usize, ones: usize, bit: u64): void {
  memory.copy(rebuilt, page, PAGE_BODY_BYTES);
  clearBucket(page);
  const count = countOf(rebuilt);
  for (let index: u32 = 0; index < count; index++) {
    const cell = bucketCellAt(rebuilt, index);
    const keyLength = bucketKeyLengthAt(rebuilt, index);
    const hash = hashBytes(cell, keyLength);
    appendCell((hash & bit) != 0 ? ones : page, tagOf(hash), cell, keyLength);
  }
}

/** Copies all records of `other` to `page`, which has room for them. */
export function bucketMerge(page: usize, other: usize): void {
  if (garbageOf(page) > 0) {
    compactBucket(page, rebuilt);
    memory.copy(page, rebuilt, PAGE_BODY_BYTES);
  }
  const count = countOf(other);
  for (let index: u32 = 0; index < count; index++) {
    const cell = bucketCellAt(other, index);
    appendCell(page, bucketTagAt(other, index), cell, bucketKeyLengthAt(other, index));
  }
}

/** Collects the records of a page for hash/order.ts. */
export function collectBucket(page: usize): void {
  const count = countOf(page);
  for (let index: u32 = 0; index < count; index++) {
    const cell = bucketCellAt(page, index);
    const keyLength = bucketKeyLengthAt(page, index);
    collect(hashBytes(cell, keyLength), cell, keyLength);
  }
}

/** Writes the page to `target` in order, without holes, unused bytes zero. */
export function compactBucket(page: usize, target: usize): void {
  memory.copy(target, page, HEADER_BYTES);
  clearBucket(target);
  beginCollect();
  collectBucket(page);
  endCollect();
  assert(collected == countOf(page), "a page is never more than can be put in order");
  memory.fill(target + HEADER_BYTES, 0, groupsEnd(collected) - HEADER_BYTES);
  for (let index: u32 = 0; index < collected; index++) {
    appendCell(
      target,
      tagOf(collectedHash(index)),
      collectedCell(index),
      collectedKeyLength(index),
    );
  }
  const end = groupsEnd(collected);
  memory.fill(target + end, 0, heapStartOf(target) - end);
}

/** True if the common header fields hold what hash pages have there. */
export function validateHashHeader(page: usize): bool {
  if (levelOf(page) != 0 || garbageOf(page) != 0 || countOf(page) == 0) return false;
  if (prefixLengthOf(page) != 0 || load<u16>(page, 14) != 0 || load<u8>(page, 31) != 0)
    return false;
  const depth = depthOf(page);
  return depth <= DEPTH_MAX && prefixBits(hashOf(page), depth) == hashOf(page);
}

/**
 * True if every offset lies inside and the page is in canonical form. That hashes belong here, and
 * that tags are theirs, is for hash/check.ts: it does not matter to the safety of memory.
 */
export function validateBucket(page: usize): bool {
  if (kindOf(page) != KIND_BUCKET || !validateHashHeader(page)) return false;
  const next = bucketNext(page);
  if (next != 0 && (depthOf(page) != DEPTH_MAX || !isPageId(next))) return false;
  const count = countOf(page);
  const heapStart = heapStartOf(page);
  const slotsEnd = groupsEnd(count);
  if (slotsEnd > heapStart || heapStart > PAGE_BODY_BYTES) return false;
  let end: u32 = PAGE_BODY_BYTES;
  for (let index: u32 = 0; index < count; index++) {
    const slot = slotAt(page, index) & 0xff_ffff;
    const offset = slot & OFFSET_MASK;
    const keyLength = slot >>> 12;
    if (keyLength > KEY_BYTES_MAX) return false;
    if (offset < heapStart || offset + keyLength + 9 > end) return false;
    const tail = page + offset + keyLength;
    if (offset + keyLength + leafTailBytes(tail) != end || !isRecord(tail, keyLength)) return false;
    end = offset;
  }
  if (end != heapStart) return false;
  const rest = count & 15;
  const tags = groupAt(page, count);
  if (rest > 0 && !isZero(tags + rest, TAGS_BYTES - rest)) return false;
  return isZero(page + slotsEnd, heapStart - slotsEnd);
}

/** Reclaims the overflow pages of all records. */
export function reclaimBucket(page: usize, death: u64): void {
  const count = countOf(page);
  for (let index: u32 = 0; index < count; index++) {
    reclaimRecord(bucketTailAt(page, index), death);
  }
}

assert(PAGE_BYTES == 4096 && KEY_BYTES_MAX <= KEY_LENGTH_MASK);
