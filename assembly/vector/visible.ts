/** Which nodes may be results: those that are alive at the search's seq, and in the filter. */
import { OUT_OF_MEMORY } from "./errors";
import { slotOf } from "./labels";
import { allocate, release, wordAt } from "./memory";
import { ALIVE, STATE_FREE, stateOf } from "./record";
import { NONE, recordOf } from "./shape";

let bitmap: usize = 0;
let words: u32 = 0;
let capacity: u32 = 0;
export let hasFilter: bool = false;
/** Bits that are set in the filter. */
export let filterCount: u32 = 0;

/** The same by slot, so that walks look at one small table; made when it is first needed. */
let slotBits: usize = 0;
/** Words of that table; the bits behind the last slot are 0. */
export let slotWords: u32 = 0;
let isStale: bool = true;

/** The seq of the running search; `NOW` sees what is alive. */
export const NOW: u64 = ALIVE - 1;
let seq: u64 = NOW;
/** Whether the running search sees every node. */
let seesAll: bool = false;

/** Begins a search among `slots` slots; false when there is no memory. */
export function beginSearch(ofSearch: u64, isAllSeen: bool, slots: u32): bool {
  seq = ofSearch;
  seesAll = isAllSeen;
  return !hasFilter || !isStale || markSlots(slots);
}

export function passes(slot: u32): bool {
  if (hasFilter && !isInFilter(slot)) return false;
  if (seesAll) return true;
  const record = recordOf(slot);
  return load<u64>(record, 8) <= seq && seq < load<u64>(record, 16);
}

/** Whether a node's label is in the filter, if there is one. */
export function isInFilter(slot: u32): bool {
  return <bool>((<u32>load<u8>(slotBits + <usize>(slot >>> 3)) >>> (slot & 7)) & 1);
}

/** 32 slots that are in the filter, as bits. */
export function slotWord(index: u32): u32 {
  return load<u32>(wordAt(slotBits, index));
}

function markSlots(slots: u32): bool {
  const wanted = (slots >>> 5) + 1;
  if (wanted > slotWords) {
    const roomy = wanted + (wanted >>> 3);
    const next = allocate((<usize>roomy) << 2);
    if (next == 0) return false;
    release(slotBits, (<usize>slotWords) << 2);
    slotBits = next;
    slotWords = roomy;
  } else {
    memory.fill(slotBits, 0, (<usize>slotWords) << 2);
  }
  isStale = false;
  if (filterCount >= slots >>> 3) {
    for (let slot: u32 = 0; slot < slots; slot++) {
      if (stateOf(slot) != STATE_FREE) filterSlot(slot, load<u32>(recordOf(slot)));
    }
    return true;
  }
  for (let index: u32 = 0; index < words; index++) {
    for (let word = load<u32>(wordAt(bitmap, index)); word != 0; word &= word - 1) {
      const slot = slotOf((index << 5) + ctz<u32>(word));
      if (slot != NONE) setSlot(slot);
    }
  }
  return true;
}

/** Looks up the label that a slot has got. */
export function filterSlot(slot: u32, label: u32): void {
  if (!hasFilter || isStale) return;
  if (slot >>> 5 >= slotWords) isStale = true;
  else if (isAllowed(label)) setSlot(slot);
}

function setSlot(slot: u32): void {
  const at = slotBits + <usize>(slot >>> 3);
  store<u8>(at, load<u8>(at) | <u8>((<u32>1) << (slot & 7)));
}

/** The slot has no label any more. */
export function unfilterSlot(slot: u32): void {
  if (!hasFilter || isStale) return;
  const at = slotBits + <usize>(slot >>> 3);
  store<u8>(at, load<u8>(at) & <u8>~((<u32>1) << (slot & 7)));
}

function isAllowed(label: u32): bool {
  const word = label >>> 5;
  return word < words && ((load<u32>(wordAt(bitmap, word)) >>> (label & 31)) & 1) != 0;
}

/** Room for a bitmap of `wanted` words, to be filled by the host; its address. */
export function reserveFilter(wanted: u32): i32 {
  if (wanted > capacity) {
    const next = allocate((<usize>wanted) << 2);
    if (next == 0) return OUT_OF_MEMORY;
    release(bitmap, (<usize>capacity) << 2);
    bitmap = next;
    capacity = wanted;
  }
  words = wanted;
  return 0;
}

export function filterAddress(): usize {
  return bitmap;
}

/** Begins to use the bitmap; answers how many bits are set. */
export function useFilter(): u32 {
  hasFilter = true;
  isStale = true;
  filterCount = 0;
  const end = wordAt(bitmap, words);
  for (let at = bitmap; at < end; at += 4) filterCount += popcnt<u32>(load<u32>(at));
  return filterCount;
}

export function clearFilter(): void {
  hasFilter = false;
}
