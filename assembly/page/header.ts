/**
 * Page header, 32 bytes, and the accessors of its fields. All integers little-endian.
 *
 *      0  u8   kind           1 leaf, 2 branch, 3 directory, 4 bucket, 5 overflow
 *      1  u8   level          0 at leaves, parents one more
 *      2  u16  count          entries
 *      4  u32  tree           id of the tree that the page belongs to
 *      8  u16  heapStart      lowest byte in use by cells, which grow downwards from 4080
 *     10  u16  garbage        bytes of removed cells; always 0 on disk
 *     12  u16  prefixLength   bytes that all keys of the page share
 *     14  u16  prefixOffset   where they stand
 *     16  u64  hash           hash pages: the bits that lead here; overflow: id of the head page
 *     24  u8   depth          hash pages: how many bits those are
 *     25  ..   zero
 *     32  entries, gap of zeros, cells
 *   4080  u32  crc            CRC-32C over database id, page id and bytes 0..4080
 *   4084  ..   zero (room for an AEAD tag)
 */

import { SLOTS_PER_BLOB } from "../memory";

export const KIND_LEAF: u32 = 1;
export const KIND_BRANCH: u32 = 2;
export const KIND_DIRECTORY: u32 = 3;
export const KIND_BUCKET: u32 = 4;
export const KIND_OVERFLOW: u32 = 5;

export const HEADER_BYTES: u32 = 32;

export function kindOf(page: usize): u32 {
  return load<u8>(page);
}
export function levelOf(page: usize): u32 {
  return load<u8>(page, 1);
}
export function countOf(page: usize): u32 {
  return load<u16>(page, 2);
}
export function setCount(page: usize, count: u32): void {
  store<u16>(page, count, 2);
}
export function treeOf(page: usize): u32 {
  return load<u32>(page, 4);
}
export function heapStartOf(page: usize): u32 {
  return load<u16>(page, 8);
}
export function setHeapStart(page: usize, offset: u32): void {
  store<u16>(page, offset, 8);
}
export function garbageOf(page: usize): u32 {
  return load<u16>(page, 10);
}
export function setGarbage(page: usize, bytes: u32): void {
  store<u16>(page, bytes, 10);
}
export function prefixLengthOf(page: usize): u32 {
  return load<u16>(page, 12);
}
export function prefixOf(page: usize): usize {
  return page + load<u16>(page, 14);
}
export function setPrefix(page: usize, offset: u32, length: u32): void {
  store<u16>(page, length, 12);
  store<u16>(page, offset, 14);
}
export function hashOf(page: usize): u64 {
  return load<u64>(page, 16);
}
export function setHash(page: usize, hash: u64): void {
  store<u64>(page, hash, 16);
}
export function depthOf(page: usize): u32 {
  return load<u8>(page, 24);
}
export function setDepth(page: usize, depth: u32): void {
  store<u8>(page, depth, 24);
}

/**
 * Where the entries of a page end, or a little further; from there to `heapStart` is nothing. Of a
 * page that has no cells all is content, and both are the same.
 */
export function entriesEndOf(page: usize): u32 {
  const kind = kindOf(page);
  const count = countOf(page);
  if (kind == KIND_LEAF || kind == KIND_BRANCH) return HEADER_BYTES + (count << 3);
  if (kind == KIND_BUCKET) return HEADER_BYTES + (((count + 15) >>> 4) << 6);
  return heapStartOf(page);
}

/** Kind, level and tree of a page as one number, to compare all three at once. */
export function signatureOf(page: usize): u64 {
  return load<u64>(page) & 0xffff_ffff_0000_ffff;
}
/** The signature of a leaf (level 0) or branch of an ordered tree. */
export function orderedSignature(tree: u32, level: u32): u64 {
  return ((<u64>tree) << 32) | (level << 8) | (level == 0 ? KIND_LEAF : KIND_BRANCH);
}

/** True if a page can have that id: slot 0 of a blob is its header. */
export function isPageId(id: u64): bool {
  const slot = <u32>id & 0xffff;
  return slot > 0 && slot < SLOTS_PER_BLOB && id >>> 16 > 0;
}

/** A page id is its address: blob number << 16 | slot; it takes 48 bits, 6 bytes on disk. */
export function loadId(at: usize): u64 {
  return load<u64>(at) & 0xffff_ffff_ffff;
}
export function storeId(at: usize, id: u64): void {
  store<u32>(at, <u32>id);
  store<u16>(at, <u16>(id >>> 32), 4);
}

/** Clears a fresh page and writes the fields that never change afterwards. */
export function formatPage(page: usize, kind: u32, level: u32, tree: u32): void {
  memory.fill(page, 0, HEADER_BYTES);
  store<u8>(page, kind);
  store<u8>(page, level, 1);
  store<u32>(page, tree, 4);
  setHeapStart(page, 4080);
}
