/**
 * Frames: 4 KiB places for pages, and a record of 32 bytes for each.
 *
 *      0  u64  id       page in the frame; 0 when it holds none
 *      8  u64  birth    epoch that created the page; 0 when it was read from a blob
 *     16  u32  dirty    1 while its blob does not hold these bytes
 *     20  u32  pins     eviction passes it by while > 0
 *     24  u32  next     free list
 *
 * A page is handled by its address. Frames that hold no page serve as blocks of internal lists, so
 * that one pool is all the memory that ever grows.
 */
import { OUT_OF_MEMORY, TABLE_FULL } from "../errors";
import { PAGE_BYTES, ensureMemory, reserveTable } from "../memory";

/** Frames that operations keep free, so that what has begun can end: a path of copies and its splits,
 *  and the lists for the 16,448 pages of one value of 64 MiB. */
export const RESERVE: u32 = 192;
/** Frames taken from the system in one step. */
const STEP: u32 = 4096;

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
  records = reserveTable((<usize>count) << 5);
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
  const added = min(min(count, STEP), room);
  const end = frames + ((<usize>(frameCount + added)) << 12);
  if (ensureMemory(end + 65536) < 0) return OUT_OF_MEMORY;
  for (let index = frameCount + added; index > frameCount; index--) {
    pushFree(frames + ((<usize>(index - 1)) << 12));
  }
  frameCount += added;
  return <i32>added;
}

function recordOf(page: usize): usize {
  return records + ((page - frames) >>> 7);
}

export function frameAt(index: u32): usize {
  return frames + ((<usize>index) << 12);
}

function pushFree(page: usize): void {
  store<u32>(recordOf(page), freeHead, 24);
  freeHead = page;
  freeCount++;
}

/** A frame without a page. Callers have checked that RESERVE frames are free. */
export function takeFrame(): usize {
  if (freeCount == 0) unreachable(); // better a trap than a write to address 0
  const page = freeHead;
  freeHead = load<u32>(recordOf(page), 24);
  freeCount--;
  return page;
}

export function giveFrame(page: usize): void {
  const record = recordOf(page);
  if (load<u32>(record, 16) != 0) dirtyCount--;
  store<u64>(record, 0);
  store<u64>(record, 0, 8);
  store<u64>(record, 0, 16);
  pushFree(page);
}

export function idOf(page: usize): u64 {
  return load<u64>(recordOf(page));
}
export function birthOf(page: usize): u64 {
  return load<u64>(recordOf(page), 8);
}
export function isDirty(page: usize): bool {
  return load<u32>(recordOf(page), 16) != 0;
}
export function pinsOf(page: usize): u32 {
  return load<u32>(recordOf(page), 20);
}
export function setPins(page: usize, pins: u32): void {
  store<u32>(recordOf(page), pins, 20);
}

/** Names the page that a frame holds from now on. */
export function occupyFrame(page: usize, id: u64, birth: u64, dirty: bool): void {
  const record = recordOf(page);
  store<u64>(record, id);
  store<u64>(record, birth, 8);
  store<u32>(record, u32(dirty), 16);
  store<u32>(record, 0, 20);
  if (dirty) dirtyCount++;
}

export function markDirty(page: usize): void {
  const record = recordOf(page);
  if (load<u32>(record, 16) == 0) {
    store<u32>(record, 1, 16);
    dirtyCount++;
  }
}

export function markClean(page: usize): void {
  const record = recordOf(page);
  if (load<u32>(record, 16) != 0) {
    store<u32>(record, 0, 16);
    dirtyCount--;
  }
}
