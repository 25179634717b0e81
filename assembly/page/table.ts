/**
 * The page table: page id -> frame, an open-addressed table with linear probing, and the CLOCK hand
 * that sweeps it. An entry is 8 bytes, small so that the table stays in the cache:
 *
 *      0  u32  hash   of the page's id; its upper bits are the entry's home
 *      4  u32  page   address of the frame, 0 when empty; frames are aligned, so bit 0 is free to
 *                     say "used": set by every look-up, cleared by the hand
 *
 * The id itself stands in the frame, which a look-up is about to touch anyway.
 */
import { OUT_OF_MEMORY } from "../errors";
import { reserveTable } from "../memory";
import { giveFrame, idOf, isDirty, pinsOf } from "./frame";

const USED: u32 = 1;

let table: usize = 0;
let mask: u32 = 0;
let shift: u32 = 0;
let hand: u32 = 0;
export let residentCount: u32 = 0;

export function initializeTable(frameCountMax: u32): i32 {
  const bits: u32 = 32 - clz<u32>(max<u32>(frameCountMax, 16) * 2 - 1);
  mask = (1 << bits) - 1;
  shift = 32 - bits;
  table = reserveTable((<usize>1) << (bits + 3));
  return table == 0 ? OUT_OF_MEMORY : 0;
}

function hashOf(id: u64): u32 {
  return <u32>((id * 0x9e37_79b9_7f4a_7c15) >> 32);
}
function entryAt(index: u32): usize {
  return table + ((<usize>index) << 3);
}
function pageIn(entry: usize): usize {
  return load<u32>(entry, 4) & ~USED;
}

/** The resident page with that id, or 0. */
export function findPage(id: u64): usize {
  const hash = hashOf(id);
  let index = hash >>> shift;
  while (true) {
    const entry = entryAt(index);
    const page = load<u32>(entry, 4);
    if (page == 0) return 0;
    if (load<u32>(entry) == hash && idOf(page & ~USED) == id) {
      if (!(page & USED)) store<u32>(entry, page | USED, 4);
      return page & ~USED;
    }
    index = (index + 1) & mask;
  }
}

/**
 * Begins to fetch what `findPage` will need. The result only keeps the load from being left out.
 */
export function touchEntry(id: u64): u32 {
  return load<u32>(entryAt(hashOf(id) >>> shift));
}

export function insertPage(id: u64, page: usize): void {
  assert(idOf(page) == id, "the frame names its page");
  const hash = hashOf(id);
  let index = hash >>> shift;
  while (load<u32>(entryAt(index), 4) != 0) {
    assert(idOf(pageIn(entryAt(index))) != id, "a page is resident once");
    index = (index + 1) & mask;
  }
  const entry = entryAt(index);
  store<u32>(entry, hash);
  store<u32>(entry, page | USED, 4);
  residentCount++;
}

/**
 * Forgets a resident page; its address, or 0 when it was not resident. The frame stays as it is.
 */
export function removePage(id: u64): usize {
  const hash = hashOf(id);
  let index = hash >>> shift;
  while (true) {
    const entry = entryAt(index);
    const page = pageIn(entry);
    if (page == 0) return 0;
    if (load<u32>(entry) == hash && idOf(page) == id) {
      removeAt(index);
      return page;
    }
    index = (index + 1) & mask;
  }
}

/** Closes the gap at `index`, so that no probe ends early (Knuth, 6.4 algorithm R). */
function removeAt(index: u32): void {
  residentCount--;
  let gap = index;
  let next = (gap + 1) & mask;
  while (true) {
    const entry = entryAt(next);
    if (load<u32>(entry, 4) == 0) break;
    const home = load<u32>(entry) >>> shift;
    if (((next - home) & mask) >= ((next - gap) & mask)) {
      store<u64>(entryAt(gap), load<u64>(entry));
      gap = next;
    }
    next = (next + 1) & mask;
  }
  store<u64>(entryAt(gap), 0);
}

/** Frees up to `wanted` frames of clean, unpinned pages, least recently used first. */
export function evictClean(wanted: u32): u32 {
  let evicted: u32 = 0;
  // Two rounds: the first may do no more than clear every bit.
  let steps: u32 = (mask + 1) << 1;
  while (evicted < wanted && steps-- > 0) {
    const page = sweep();
    if (page != 0 && !isDirty(page) && pinsOf(page) == 0) {
      removeAt(hand);
      giveFrame(page);
      evicted++;
      continue; // another entry may have moved here
    }
    hand = (hand + 1) & mask;
  }
  return evicted;
}

/** The next dirty, unpinned page that was not used lately; 0 after a round without one. */
export function nextDirty(): usize {
  let steps: u32 = (mask + 1) << 1;
  while (steps-- > 0) {
    const page = sweep();
    hand = (hand + 1) & mask;
    if (page != 0 && isDirty(page) && pinsOf(page) == 0) return page;
  }
  return 0;
}

/** The page under the hand, if it was not used since the hand came by last; 0 otherwise. */
function sweep(): usize {
  const entry = entryAt(hand);
  const page = load<u32>(entry, 4);
  if (!(page & USED)) return page;
  store<u32>(entry, page & ~USED, 4);
  return 0;
}
