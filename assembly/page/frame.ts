/**
 * Frames: 4 KiB places for pages, and a record of 8 bytes for each.
 *
 *      0  u32  next     free list
 *      4  u16  dirty    1 while its blob does not hold these bytes
 *      6  u16  pins     eviction passes it by while > 0
 *
 * A page is handled by its address. While it is in memory, the room of its check field (16 bytes at
 * 4080) holds what is asked for along with its content, so that no other cache line is needed:
 *
 *   4080  u64  id             which page this is
 *   4088  u64  birth          epoch that created it; 0 when it was read from a blob
 *
 * Frames that hold no page serve as blocks of internal lists, so that one pool is all the memory
 * that ever grows.
 */
import { OUT_OF_MEMORY, TABLE_FULL } from "../errors";
import { PAGE_BYTES, ensureMemory, reserveTable } from "../memory";

/** Frames that operations keep free, so that what has begun can end: two paths of copies and their
 *  splits, and the lists of what they cut off. */
export const RESERVE: u32 = 192;
/** Frames to begin with, and to ask for when the system refuses more. */
export const STEP: u32 = 1024;

let frames: usize = 0;
let records: usize = 0;
let frameCountMax: u32 = 0;
export let frameCount: u32 = 0;
export let freeCount: u32 = 0;
let freeHead: usize = 0;
export let dirtyCount: u32 = 0;

/** Reserves the records; `reserveFrames` must follow when all tables stand. */
export function initializeRecords(count: u32): i32 {
  frameCountMax = count;
  records = reserveTable((<usize>count) << 3);
  return records == 0 ? OUT_OF_MEMORY : 0;
}

/** Fixes where frames begin. Nothing else may grow the memory from here on. */
export function beginFrames(): i32 {
  frames = reserveTable(PAGE_BYTES);
  return frames == 0 ? OUT_OF_MEMORY : 0;
}

/** Adds up to `count` frames; how many, or a negative code when not one could be had. */
export function addFrames(count: u32): i32 {
  const room = frameCountMax - frameCount;
  if (room == 0) return TABLE_FULL;
  let added = min(count, room);
  if (extendFrames(added) < 0) {
    added = min(added, STEP);
    if (extendFrames(added) < 0) return OUT_OF_MEMORY;
  }
  for (let index = frameCount + added; index > frameCount; index--) {
    pushFree(frames + ((<usize>(index - 1)) << 12));
  }
  frameCount += added;
  return <i32>added;
}

function extendFrames(count: u32): i32 {
  return ensureMemory(frames + ((<usize>(frameCount + count)) << 12) + 65536);
}

function recordOf(page: usize): usize {
  return records + ((page - frames) >>> 9);
}

function pushFree(page: usize): void {
  store<u32>(recordOf(page), freeHead);
  freeHead = page;
  freeCount++;
}

/** A frame without a page. Callers have checked that RESERVE frames are free. */
export function takeFrame(): usize {
  if (freeCount == 0) unreachable(); // better a trap than a write to address 0
  const page = freeHead;
  freeHead = load<u32>(recordOf(page));
  freeCount--;
  return page;
}

export function giveFrame(page: usize): void {
  markClean(page);
  pushFree(page);
}

export function idOf(page: usize): u64 {
  return load<u64>(page, 4080);
}
export function birthOf(page: usize): u64 {
  return load<u64>(page, 4088);
}
export function isDirty(page: usize): bool {
  return load<u16>(recordOf(page), 4) != 0;
}
export function pinsOf(page: usize): u32 {
  return load<u16>(recordOf(page), 6);
}
export function setPins(page: usize, pins: u32): void {
  store<u16>(recordOf(page), pins, 6);
}

/** Names the page that a frame holds from now on. */
export function occupyFrame(page: usize, id: u64, birth: u64, dirty: bool): void {
  store<u64>(page, id, 4080);
  store<u64>(page, birth, 4088);
  setPins(page, 0);
  if (dirty) markDirty(page);
}

export function markDirty(page: usize): void {
  const record = recordOf(page);
  if (load<u16>(record, 4) == 0) {
    store<u16>(record, 1, 4);
    dirtyCount++;
  }
}

export function markClean(page: usize): void {
  const record = recordOf(page);
  if (load<u16>(record, 4) != 0) {
    store<u16>(record, 0, 4);
    dirtyCount--;
  }
}
