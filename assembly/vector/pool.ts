/**
 * The candidates of a walk: an array of u64, nearest first.
 *
 *     bits 63..32 distance, 31..2 slot, 1 the node may be a result, 0 it was expanded
 *
 * A sorted array beats heaps here: most nodes are too far to enter, and those that do enter shift
 * a few hundred bytes.
 */
import { allocate, release } from "./memory";

export const EXPANDED: u64 = 1;
export const PASSES: u64 = 2;

export let pool: usize = 0;
let capacity: u32 = 0;
export let poolSize: u32 = 0;
/** Entries in the pool that may be results; counted by filtered walks only. */
export let passing: u32 = 0;

/** Room for `entries`; false when there is no memory. */
export function reservePool(entries: u32): bool {
  if (entries + 2 <= capacity) return true;
  const next = allocate((<usize>entries + 2) << 3);
  if (next == 0) return false;
  release(pool, (<usize>capacity) << 3);
  pool = next;
  capacity = entries + 2;
  return true;
}

export function clearPool(): void {
  poolSize = 0;
  passing = 0;
}

export function entryAt(index: u32): u64 {
  return load<u64>(pool + ((<usize>index) << 3));
}
export function setEntry(index: u32, entry: u64): void {
  store<u64>(pool + ((<usize>index) << 3), entry);
}
export function setPoolSize(size: u32): void {
  poolSize = size;
}

export function entryOf(distance: u32, slot: u32): u64 {
  return ((<u64>distance) << 32) | ((<u64>slot) << 2);
}
export function slotOfEntry(entry: u64): u32 {
  return <u32>entry >>> 2;
}
export function distanceOfEntry(entry: u64): u32 {
  return <u32>(entry >>> 32);
}

/** Inserts into a pool of at most `limit`; its place, or `limit` when it is too far. */
export function insertEntry(entry: u64, limit: u32): u32 {
  let size = poolSize;
  if (size == limit) {
    if (entry >= entryAt(size - 1)) return limit;
    size--;
  }
  const at = lowerBound(entry, size);
  shiftUp(at, pool + ((<usize>size) << 3));
  store<u64>(at, entry);
  poolSize = size + 1;
  return <u32>((at - pool) >>> 3);
}

function lowerBound(entry: u64, size: u32): usize {
  let base = pool;
  let length = size;
  while (length > 1) {
    const half = length >>> 1;
    const middle = base + ((<usize>half) << 3);
    base = select<usize>(middle, base, load<u64>(middle - 8) < entry);
    length -= half;
  }
  if (length == 1 && load<u64>(base) < entry) base += 8;
  return base;
}

/** Moves what lies between `from` and `end` up by one entry. */
function shiftUp(from: usize, end: usize): void {
  let at = end;
  while (at - 16 >= from) {
    at -= 16;
    v128.store(at + 8, v128.load(at));
  }
  if (at > from) store<u64>(at, load<u64>(at - 8));
}

/**
 * Inserts into a pool that holds at most `limit` entries that pass, and `room` in all. What lies
 * behind the last of `limit` passing ones is of no use and goes.
 */
export function insertFiltered(entry: u64, limit: u32, room: u32): u32 {
  if (poolSize == room) {
    const last = entryAt(poolSize - 1);
    if (entry >= last) return room;
    if ((last & PASSES) != 0) passing--;
    poolSize--;
  }
  const place = insertEntry(entry, room);
  if ((entry & PASSES) == 0) return place;
  passing++;
  if (passing <= limit) return place;
  // One passes too many: the farthest of them goes, and all that is behind the next.
  while (true) {
    const last = entryAt(poolSize - 1);
    const isResult = (last & PASSES) != 0;
    if (isResult && passing == limit) break;
    if (isResult) passing--;
    poolSize--;
  }
  return place;
}

/** Sorts `count` u64 values from `at` on: few by insertion, many by a heap. */
export function sortEntries(at: usize, count: u32): void {
  if (count > 96) {
    heapSort(at, count);
    return;
  }
  for (let index: u32 = 1; index < count; index++) {
    const value = load<u64>(at + ((<usize>index) << 3));
    let to = at + ((<usize>index) << 3);
    while (to > at && load<u64>(to - 8) > value) {
      store<u64>(to, load<u64>(to - 8));
      to -= 8;
    }
    store<u64>(to, value);
  }
}

function heapSort(at: usize, count: u32): void {
  for (let index = count >>> 1; index > 0; index--) siftDown(at, index - 1, count);
  for (let last = count - 1; last > 0; last--) {
    const value = load<u64>(at + ((<usize>last) << 3));
    store<u64>(at + ((<usize>last) << 3), load<u64>(at));
    store<u64>(at, value);
    siftDown(at, 0, last);
  }
}

function siftDown(at: usize, from: u32, count: u32): void {
  const value = load<u64>(at + ((<usize>from) << 3));
  let index = from;
  while (true) {
    let child: u32 = 2 * index + 1;
    if (child >= count) break;
    const right: u32 = child + 1;
    if (
      right < count &&
      load<u64>(at + ((<usize>right) << 3)) > load<u64>(at + ((<usize>child) << 3))
    ) {
      child = right;
    }
    if (load<u64>(at + ((<usize>child) << 3)) <= value) break;
    store<u64>(at + ((<usize>index) << 3), load<u64>(at + ((<usize>child) << 3)));
    index = child;
  }
  store<u64>(at + ((<usize>index) << 3), value);
}

/** Whether an entry must be nearer than the last one to enter. */
export function isPoolFull(limit: u32, room: u32): bool {
  return poolSize == room || passing >= limit;
}
