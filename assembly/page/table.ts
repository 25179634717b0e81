/**
 * The page table: page id -> frame, an open-addressed table with linear probing, and the CLOCK hand
 * that sweeps it. An entry is 16 bytes:
 *
 *      0  u64  id     0 when empty
 *      8  u32  page   address of the frame
 *     12  u32  used   set by every look-up, cleared by the hand
 *
 * The bit lies in the entry and not in the frame record, because a look-up touches this line anyway.
 */
import { OUT_OF_MEMORY } from "../errors";
import { reserveTable } from "../memory";
import { giveFrame, isDirty, pinsOf } from "./frame";

let table: usize = 0;
let mask: u32 = 0;
let shift: u64 = 0;
let hand: u32 = 0;
export let residentCount: u32 = 0;

export function initializeTable(frameCountMax: u32): i32 {
  const bits: u32 = 32 - clz<u32>(max<u32>(frameCountMax, 16) * 2 - 1);
  mask = (1 << bits) - 1;
  shift = 64 - bits;
  table = reserveTable(((<usize>1) << bits) << 4);
  return table == 0 ? OUT_OF_MEMORY : 0;
}

function home(id: u64): u32 {
  return <u32>((id * 0x9e37_79b9_7f4a_7c15) >> shift);
}

/** The resident page with that id, or 0. */
export function findPage(id: u64): usize {
  let index = home(id);
  while (true) {
    const entry = table + ((<usize>index) << 4);
    const found = load<u64>(entry);
    if (found == id) {
      store<u32>(entry, 1, 12);
      return load<u32>(entry, 8);
    }
    if (found == 0) return 0;
    index = (index + 1) & mask;
  }
}

export function insertPage(id: u64, page: usize): void {
  let index = home(id);
  while (load<u64>(table + ((<usize>index) << 4)) != 0) {
    assert(load<u64>(table + ((<usize>index) << 4)) != id, "a page is resident once");
    index = (index + 1) & mask;
  }
  const entry = table + ((<usize>index) << 4);
  store<u64>(entry, id);
  store<u32>(entry, page, 8);
  store<u32>(entry, 1, 12);
  residentCount++;
}

/** Forgets a resident page; its address, or 0 when it was not resident. The frame stays as it is. */
export function removePage(id: u64): usize {
  let index = home(id);
  while (true) {
    const entry = table + ((<usize>index) << 4);
    const found = load<u64>(entry);
    if (found == 0) return 0;
    if (found == id) {
      const page = load<u32>(entry, 8);
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
    const entry = table + ((<usize>next) << 4);
    const id = load<u64>(entry);
    if (id == 0) break;
    const want = home(id);
    if (((next - want) & mask) >= ((next - gap) & mask)) {
      memory.copy(table + ((<usize>gap) << 4), entry, 16);
      gap = next;
    }
    next = (next + 1) & mask;
  }
  store<u64>(table + ((<usize>gap) << 4), 0);
  store<u64>(table + ((<usize>gap) << 4), 0, 8);
}

/** Frees up to `wanted` frames of clean, unpinned pages, least recently used first. */
export function evictClean(wanted: u32): u32 {
  let evicted: u32 = 0;
  // Two rounds: the first may do no more than clear every bit.
  let steps: u32 = (mask + 1) << 1;
  while (evicted < wanted && steps-- > 0) {
    const entry = table + ((<usize>hand) << 4);
    const id = load<u64>(entry);
    if (id != 0) {
      if (load<u32>(entry, 12) != 0) {
        store<u32>(entry, 0, 12);
      } else {
        const page = load<u32>(entry, 8);
        if (!isDirty(page) && pinsOf(page) == 0) {
          removeAt(hand);
          giveFrame(page);
          evicted++;
          continue; // another entry may have moved here
        }
      }
    }
    hand = (hand + 1) & mask;
  }
  return evicted;
}

/** The next dirty, unpinned page that was not used lately; 0 after a round without one. */
export function nextDirty(): usize {
  let steps: u32 = (mask + 1) << 1;
  while (steps-- > 0) {
    const entry = table + ((<usize>hand) << 4);
    hand = (hand + 1) & mask;
    if (load<u64>(entry) == 0) continue;
    if (load<u32>(entry, 12) != 0) {
      store<u32>(entry, 0, 12);
      continue;
    }
    const page = load<u32>(entry, 8);
    if (isDirty(page) && pinsOf(page) == 0) return page;
  }
  return 0;
}
