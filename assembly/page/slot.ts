/**
 * Where pages are born: slots of blobs that are not sealed yet, and the count of live pages in
 * every blob. Slot 0 of a blob is its header, so that no page has id 0.
 *
 * A blob record is 16 bytes: u32 number, u32 live, u32 slots handed out, u32 in use.
 */
import { OUT_OF_MEMORY, TABLE_FULL } from "../errors";
import { SLOTS_PER_BLOB, reserveTable } from "../memory";
import { freeList, lastFirst, popPair, pushPair, setLastFirst } from "./list";

const BLOB_BITS: u32 = 14;
const BLOB_MASK: u32 = (1 << BLOB_BITS) - 1;

let blobs: usize = 0;
let blobCount: u32 = 0;
/** Blob that pages are born in. */
export let currentBlob: u32 = 1;
let nextSlot: u32 = 1;
/** Blobs from here on are not frozen: their slots may be used again. */
export let openBlob: u32 = 1;
/** A list of runs. */
let freeSlots: usize = 0;

/** Pages in a row as one number: the first id, and above its 48 bits how many more there are. */
export function runOf(first: u64, pages: u32): u64 {
  return first | ((<u64>(pages - 1)) << 48);
}
export function firstOf(run: u64): u64 {
  return run & 0xffff_ffff_ffff;
}
export function pagesOf(run: u64): u32 {
  return <u32>(run >>> 48) + 1;
}

export function initializeSlots(firstBlob: u32): i32 {
  blobs = reserveTable((<usize>16) << BLOB_BITS);
  if (blobs == 0) return OUT_OF_MEMORY;
  currentBlob = firstBlob;
  openBlob = firstBlob;
  nextSlot = 1;
  return 0;
}

/**
 * The record of a blob; made when there is none. Numbers are dense, so the low bits spread well.
 */
export function blobRecord(number: u32): usize {
  let index = number & BLOB_MASK;
  while (true) {
    const record = blobs + ((<usize>index) << 4);
    if (load<u32>(record, 12) == 0) {
      store<u32>(record, number);
      store<u32>(record, 0, 4);
      store<u32>(record, 0, 8);
      store<u32>(record, 1, 12);
      blobCount++;
      return record;
    }
    if (load<u32>(record) == number) return record;
    index = (index + 1) & BLOB_MASK;
  }
}

/** Forgets a blob that no longer exists. */
export function forgetBlob(number: u32): void {
  const found = findBlob(number);
  if (found == 0) return;
  blobCount--;
  let gap = <u32>((found - blobs) >>> 4);
  let next = (gap + 1) & BLOB_MASK;
  while (true) {
    const record = blobs + ((<usize>next) << 4);
    if (load<u32>(record, 12) == 0) break;
    const want = load<u32>(record) & BLOB_MASK;
    if (((next - want) & BLOB_MASK) >= ((next - gap) & BLOB_MASK)) {
      memory.copy(blobs + ((<usize>gap) << 4), record, 16);
      gap = next;
    }
    next = (next + 1) & BLOB_MASK;
  }
  memory.fill(blobs + ((<usize>gap) << 4), 0, 16);
}

export function blobOf(id: u64): u32 {
  return <u32>(id >>> 16);
}

/** TABLE_FULL when another blob could not be recorded; checked before every operation. */
export function checkBlobRoom(): i32 {
  return blobCount >= BLOB_MASK - 64 ? TABLE_FULL : 0;
}

function advanceBlob(): void {
  currentBlob++;
  nextSlot = 1;
}

/** An id for a new page. */
export function takeSlot(): u64 {
  if (freeSlots != 0) return takeFreeSlot();
  if (nextSlot == SLOTS_PER_BLOB) advanceBlob();
  const id = ((<u64>currentBlob) << 16) | nextSlot++;
  const record = blobRecord(currentBlob);
  store<u32>(record, load<u32>(record, 4) + 1, 4);
  store<u32>(record, nextSlot, 8);
  return id;
}

/** The last slot of the last free run. */
function takeFreeSlot(): u64 {
  const run = lastFirst(freeSlots);
  const more = pagesOf(run) - 1;
  if (more > 0) setLastFirst(freeSlots, runOf(firstOf(run), more));
  else freeSlots = popPair(freeSlots);
  const id = firstOf(run) + more;
  const record = blobRecord(blobOf(id));
  store<u32>(record, load<u32>(record, 4) + 1, 4);
  return id;
}

/**
 * Ids in a row, at most `wanted`; how many were left in the blob. The first id goes to `runFirst`.
 */
export let runFirst: u64 = 0;
export function takeRun(wanted: u32): u32 {
  if (nextSlot == SLOTS_PER_BLOB) advanceBlob();
  const count = min(wanted, SLOTS_PER_BLOB - nextSlot);
  runFirst = ((<u64>currentBlob) << 16) | nextSlot;
  nextSlot += count;
  const record = blobRecord(currentBlob);
  store<u32>(record, load<u32>(record, 4) + count, 4);
  store<u32>(record, nextSlot, 8);
  return count;
}

/** The pages of the run are no longer part of the newest version of their tree. */
export function pagesDied(run: u64): void {
  const record = findBlob(blobOf(firstOf(run)));
  const live: u32 = record == 0 ? 0 : load<u32>(record, 4);
  assert(live >= pagesOf(run), "a page dies once");
  // Damaged pages may name what is not theirs; then the count is as wrong as they are.
  if (live > 0) store<u32>(record, live - min(live, pagesOf(run)), 4);
}

/** True while pages can still be born in the page's blob. */
export function isOpen(id: u64): bool {
  return blobOf(id) >= openBlob;
}

/** Nothing can reach the run any more: its slots may be used again, if its blob is still open. */
export function giveSlots(run: u64): void {
  if (isOpen(firstOf(run))) freeSlots = pushPair(freeSlots, run, 0);
}

/** Closes the open blobs; pages are born in a new one from here on. The last closed number. */
export function freezeBlobs(): u32 {
  const last = nextSlot == 1 ? currentBlob - 1 : currentBlob;
  if (nextSlot > 1) advanceBlob();
  openBlob = currentBlob;
  freeList(freeSlots);
  freeSlots = 0;
  return last;
}

/** For opening: a blob of the manifest. */
export function setBlob(number: u32, live: u32, slots: u32): void {
  const record = blobRecord(number);
  store<u32>(record, live, 4);
  store<u32>(record, slots, 8);
}

/** The record of a blob, or 0. */
function findBlob(number: u32): usize {
  let index = number & BLOB_MASK;
  while (true) {
    const record = blobs + ((<usize>index) << 4);
    if (load<u32>(record, 12) == 0) return 0;
    if (load<u32>(record) == number) return record;
    index = (index + 1) & BLOB_MASK;
  }
}

/** Live pages of a blob: 0 when it is not known. */
export function liveOf(number: u32): u32 {
  const record = findBlob(number);
  return record == 0 ? 0 : load<u32>(record, 4);
}

export function slotsOf(number: u32): u32 {
  const record = findBlob(number);
  return record == 0 ? 0 : load<u32>(record, 8);
}

/** For checks: counts a page that was met on a walk, in the bits above "in use". */
export function seePage(id: u64): void {
  const record = blobRecord(blobOf(id));
  store<u32>(record, load<u32>(record, 12) + 2, 12);
}
/** Pages of the blob that the walks have met since `clearSeen`. */
export function seenOf(number: u32): u32 {
  const record = findBlob(number);
  return record == 0 ? 0 : load<u32>(record, 12) >>> 1;
}
export function clearSeen(): void {
  for (let index: u32 = 0; index <= BLOB_MASK; index++) {
    const record = blobs + ((<usize>index) << 4);
    store<u32>(record, load<u32>(record, 12) & 1, 12);
  }
}
