// The core with direct ways into its hashed trees, for tests. Keys stand at the start of INPUT.
import { compactBucket, validateBucket } from "../../assembly/hash/bucket";
import { validateDirectory } from "../../assembly/hash/directory";
import { hashBytes, setHashMask as setMask } from "../../assembly/hash/hash";
import { hashGetMany } from "../../assembly/hash/many";
import { hashGet, hashPut } from "../../assembly/hash/put";
import { hashRemove } from "../../assembly/hash/remove";
import { hashRelocate } from "../../assembly/hash/repack";
import { INPUT } from "../../assembly/memory";
import { epoch } from "../../assembly/page/epoch";
import { findPage } from "../../assembly/page/table";
import { findTree } from "../../assembly/tree/tree";

export * from "../../assembly/index";

const VALUE: usize = 4096;

export function putRecord(
  tree: u32,
  keyLength: u32,
  flags: u32,
  seq: f64,
  expiresAt: f64,
  valueBytes: u32,
): i32 {
  return hashPut(
    findTree(tree),
    INPUT,
    keyLength,
    flags,
    <u64>seq,
    expiresAt,
    INPUT + VALUE,
    valueBytes,
  );
}

export function getManyRecords(tree: u32, at: f64, count: u32, now: f64, columns: u32): i32 {
  return hashGetMany(findTree(tree), at === 0 ? epoch : <u64>at, INPUT, count, now, columns);
}

export function removeRecord(tree: u32, keyLength: u32): i32 {
  return hashRemove(findTree(tree), INPUT, keyLength);
}

/** Moves a page that need not be resident, unlike `relocatePage`. */
export function relocateHashed(tree: u32, low: u32, high: u32, depth: u32, page: f64): i32 {
  return hashRelocate(findTree(tree), <u64>low | ((<u64>high) << 32), depth, <u64>page);
}

export function hashKey(keyLength: u32): u64 {
  return hashBytes(INPUT, keyLength);
}

export function setWholeMask(mask: u64): void {
  setMask(mask);
}

export function pageAddress(id: f64): usize {
  return findPage(<u64>id);
}

export function canonicalBucket(page: usize, target: usize): void {
  compactBucket(page, target);
}
export function isBucket(page: usize): bool {
  return validateBucket(page);
}
export function isDirectory(page: usize): bool {
  return validateDirectory(page);
}
/**
 * For measuring: looks up `count` keys of 16 bytes, drawn from `keys` by a generator. How many
 * hits.
 */
export function getLoop(tree: u32, keys: usize, keyCount: u32, count: u32, start: u32): i32 {
  const record = findTree(tree);
  let state = start;
  let hits: i32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    state = state * 1664525 + 1013904223;
    const which = <u32>((<u64>state * keyCount) >> 32);
    const found = hashGet(record, epoch, keys + ((<usize>which) << 4), 16, 0);
    if (found >= 0) hits++;
    else if (found < -1) return found;
  }
  return hits;
}
/** The same without the look-up, to be taken off. */
export function hashLoop(keys: usize, keyCount: u32, count: u32, start: u32): u32 {
  let state = start;
  let sum: u64 = 0;
  for (let index: u32 = 0; index < count; index++) {
    state = state * 1664525 + 1013904223;
    const which = <u32>((<u64>state * keyCount) >> 32);
    sum += hashBytes(keys + ((<usize>which) << 4), 16);
  }
  return <u32>sum;
}
